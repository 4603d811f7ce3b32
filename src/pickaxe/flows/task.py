"""A task file: what to make, from what, under which budgets. Every section is the typed configuration of one stage."""

from __future__ import annotations

import hashlib
import re
import shlex
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pickaxe.compress.config import ExportConfig, StudentConfig
from pickaxe.data.curate import CurateConfig
from pickaxe.data.ingest import IngestConfig
from pickaxe.data.label.config import LabelConfig
from pickaxe.evaluate.config import AcceptConfig, GateConfig
from pickaxe.flows.ceiling import LimitsConfig
from pickaxe.kernel.artifacts import checked_name
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.toml_text import values_in
from pickaxe.monitor.config import ReferenceConfig, WatchConfig
from pickaxe.train.config import PredictConfig, TeacherConfig

DEMO = "demo:"
FILES = (("data",), ("encoder",), ("traffic", "foreign"))
"""Where a task names files: each a place in its values."""
MOST_ROUNDS = 10


class TrafficPlan(Config):
    """Traffic that the line itself sends to the new model, to see that the watch works."""

    home_requests: int = Field(1000, ge=1, description="held-out rows of the task a round, as far as they go round")
    foreign: str | None = Field(None, description="another source (file or demo:NAME) whose texts should raise the alarm")
    foreign_requests: int = Field(500, ge=1)
    feedback_share: float = Field(0.5, ge=0, le=1, description="share of wrong answers that a simulated user corrects")


class Task(Config):
    """The whole job. Unknown keys are refused; what is left out has a default."""

    name: str = Field(description="name of the task, its artifacts and its endpoint")
    data: str = Field(description="CSV, TSV, JSON Lines or Parquet file, or demo:NAME")
    encoder: str = Field("demo:minilm", description="folder of a Hugging Face encoder, or demo:minilm")
    annotators: Literal["people", "file", "simulated"] = Field(
        "people",
        description="people label in the terminal, or in the console when the line is a job; file takes the labels that the data has; simulated answers from them, with errors",
    )
    rounds: int = Field(
        1, ge=1, le=MOST_ROUNDS, description="turns of the whole line; each next one labels more and learns from feedback"
    )
    more_labels: int = Field(300, ge=1, description="answers bought in each further round")
    test_labels: int = Field(200, ge=50, description="test rows that people label when the data has no labels")
    without: tuple[str, ...] = Field(
        (), description="people or row keys whose answers are not believed any more: the line is rebuilt without them"
    )
    intended_use: str | None = None
    ingest: IngestConfig = IngestConfig()
    curate: CurateConfig = CurateConfig()
    label: LabelConfig = LabelConfig()
    teacher: TeacherConfig = TeacherConfig()
    export: ExportConfig = ExportConfig()
    predict: PredictConfig = PredictConfig()
    accept: AcceptConfig = AcceptConfig()
    students: StudentConfig = StudentConfig()
    gate: GateConfig = GateConfig()
    reference: ReferenceConfig = ReferenceConfig()
    watch: WatchConfig = WatchConfig()
    limits: LimitsConfig = LimitsConfig()
    traffic: TrafficPlan | None = Field(None, description="None: no traffic is sent by the line itself")

    @field_validator("name")
    @classmethod
    def _usable(cls, value: str) -> str:
        if "/" in checked_name(value):
            raise ValueError("a task's name has no slash")
        return value

    @model_validator(mode="after")
    def _labels_are_somewhere(self) -> Task:
        if self.annotators != "people" and self.ingest.label is None:
            raise ValueError(f'annotators = "{self.annotators}" needs ingest.label, the column that holds the labels')
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML task file; relative paths in it are relative to the file. Raises `BadInput` with the line or the field."""
        if not path.exists():
            raise BadInput(
                f"there is no task file {path}", remedy="check the path, or name the texts: pickaxe produce --data FILE"
            )
        try:
            values = values_in(path, expected="a task file, see docs/guides/produce.md")
        except BadInput as error:
            if path.suffix.lower() != ".toml":
                texts = f"pickaxe produce --data {shlex.quote(str(path))} --text COLUMN --label COLUMN"
                error.remedy = f"if it holds the texts, and is no task file, say so: {texts}"
            raise
        return cls.parse(with_files(values, lambda named: _resolved(named, path.parent)), where=path.name)

    @classmethod
    def shipped(cls, name: str) -> Self:
        """A task of the demo: headlines or reuters. Raises `BadInput` for any other name."""
        folder = files("pickaxe.flows").joinpath("tasks")
        shipped = {file.name.removesuffix(".toml"): file for file in folder.iterdir() if file.name.endswith(".toml")}
        if name not in shipped:
            raise BadInput(
                f"no task {name!r} comes with the demo",
                expected=f"one of {', '.join(sorted(shipped))}",
                remedy="name one of those, or run a task file of yours: pickaxe produce TASK.toml",
            )
        return cls.parse(tomllib.loads(shipped[name].read_text(encoding="utf-8")), where=f"{name}.toml")

    def missing(self) -> list[str]:
        """Paths that the task names and that are not there."""
        return [path for path in files_of(self.model_dump()) if not path.startswith(DEMO) and not Path(path).exists()]


def files_of(values: Mapping[str, Any]) -> list[str]:
    """The files that a task's values name."""
    named: list[str] = []

    def noted(file: str) -> str:
        named.append(file)
        return file

    with_files(values, noted)
    return named


def with_files(values: Mapping[str, Any], placed: Callable[[str], str]) -> dict[str, Any]:
    """A copy of a task's values with each file that they name replaced by what `placed` makes of it."""
    found = dict(values)
    for *sections, key in FILES:
        place = found
        for section in sections:
            inner = place.get(section)
            if not isinstance(inner, Mapping):
                place = {}
                break
            place[section] = place = dict(inner)
        if isinstance(place.get(key), str):
            place[key] = placed(place[key])
    return found


def name_from(title: str) -> str:
    """What a task is called after a file or a title: lower case, letters without their accents, with what no name may hold made a dash.

    Titles whose letters no name may hold would all be called the same; theirs end in a digest of the title.

    >>> name_from("Störungen 2026"), name_from("工单")
    ('storungen-2026', 'task-e45308')
    """
    letters = "".join(char for char in unicodedata.normalize("NFKD", title.casefold()) if not unicodedata.combining(char))
    name = re.sub(r"[^a-z0-9_.-]+", "-", letters).replace("..", ".").strip("-._") or "task"
    if any(char.isalnum() and not char.isascii() for char in letters):
        return f"{name}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"
    return name


def _resolved(value: str, folder: Path) -> str:
    return value if value.startswith(DEMO) else str((folder / value).resolve())


def overridden(task: Task, **values: Any) -> Task:
    """A copy with other values, validated again."""
    return type(task).parse(task.model_dump() | values, where="task")


def with_settings(task: Task, settings: Sequence[str]) -> Task:
    """A copy with settings from the command line, each ``SECTION.KEY=VALUE``: the value as in a task file; what is no TOML is text.

    Raises `BadInput` for anything else, and for a setting that there is not.
    """
    values = task.model_dump()
    for setting in settings:
        path, equals, text = setting.partition("=")
        *sections, key = path.strip().split(".")
        if not equals or not key:
            raise BadInput(
                "a setting cannot be read", expected="SECTION.KEY=VALUE", got=setting, remedy="see the task file's keys"
            )
        place: Any = values
        for section in sections:
            if place.get(section) is None:
                place[section] = {}
            place = place[section]
            if not isinstance(place, dict):
                raise BadInput(f"{section} has no settings of its own", expected="SECTION.KEY=VALUE", got=setting)
        place[key] = _value(text)
    return type(task).parse(values, where="--set")


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text.strip()
