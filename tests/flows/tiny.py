"""A toy of the whole line: a random encoder, some hundred made-up texts, budgets of seconds. Every stage runs for real."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

import pickaxe
from pickaxe.flows.line import Nobody
from pickaxe.flows.produce import Product, produce
from pickaxe.flows.task import Task
from pickaxe.kernel.system.lock import WriterLock
from tests.train.tiny_task import BAD, GOOD, PLACES, THINGS, make_encoder

GOODS = ("barrels", "shares", "tons", "cents", "bales", "bonds", "crates", "ounces", "bushels", "yards")
SYLLABLES = ("ba", "ke", "di", "lo", "mu", "ra", "se", "ti", "vo", "nu")
TOPICS = {"paris": "north", "rome": "south", "oslo": "east"}
HOME = 93
"""Requests of a round with held-out rows: the two rounds share 187 of them."""
NOISE = 0.06
"""Share of gold labels that are wrong, so that a model errs and its users have something to correct."""

TASK = """
name = "tiny"
data = "tiny.jsonl"
encoder = "encoder"
annotators = "simulated"
rounds = 2
more_labels = 16
intended_use = "Nothing but tests."

[ingest]
text = "text"
label = "label"
language_sample = 20

[curate]
near_threshold = 0.95
test_share = 0.27
traffic_share = 0.17

[label]
max_labels = 150
audit_share = 0.4
rounds = 2

[teacher]
max_length = 32
batch_size = 8
epochs = 12
warm_epochs = 4
learning_rate = 3e-3
head_learning_rate = 1e-2
freeze_embeddings = false
threads = 1

[predict]
threads = 1

[accept]
max_error = 0.4
scope = "overall"
confidence = 0.8
min_audit = 10

[students]
families = ["linear", "static"]
latency_ms = 50.0
linear = [{ bits = 12, char_ngrams = [3, 4] }]
static = [{ width = 16, hidden = 8, epochs = 4 }]
threads = 1

# Every rule is in force, with room for a toy.
[gate]
min_gain_over_baseline = -0.25
max_ece = 0.6
min_share_of_teacher = 0.8
max_loss_to_incumbent = 0.25
min_accuracy = 0.6
min_test_rows = 80
resamples = 200

[reference]
rows = 200
dimensions = 64

[watch]
window = 60
min_window = 40

[traffic]
home_requests = 120
foreign = "FOREIGN"
foreign_requests = 60
feedback_share = 0.5
"""

SECOND = """
name = "topics"
rounds = 1
data = "topics.jsonl"
[label]
max_labels = 150
audit_share = 0.4
rounds = 2
"""


@dataclass(frozen=True)
class Files:
    """What the toy reads: ``tiny.toml``, ``topics.toml``, ``tiny.jsonl``, ``topics.jsonl``, ``foreign.jsonl`` and ``encoder``."""

    folder: Path

    @property
    def task(self) -> Path:
        return self.folder / "tiny.toml"

    @property
    def second(self) -> Path:
        return self.folder / "topics.toml"

    def variant(self, **changes: Any) -> Task:
        """The first task with other values; a table is merged into the one there is."""
        return Task.parse(merged(read(self.task), changes), where="tiny.toml")


@dataclass(frozen=True)
class Finished:
    """The line run to its end, both tasks: shared by every test that only looks."""

    files: Files
    workspace: Path
    first: Product
    second: Product

    def copied(self, folder: Path) -> Path:
        """A copy of the workspace for a test that writes."""
        shutil.copytree(self.workspace, folder)
        return folder


class Stopped(Exception):
    """Stands for the end of what a test wants to see."""


class StopAt(Nobody):
    """Ends the line where a stage would start."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def stage_started(self, task: str, round: int, stage: str) -> None:
        if stage == self.stage:
            raise Stopped(stage)


def make_files(folder: Path) -> Files:
    """Write the data, the encoder and the task files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.jsonl").write_text("\n".join(tiny_lines()) + "\n", encoding="utf-8")
    (folder / "topics.jsonl").write_text("\n".join(topic_lines()) + "\n", encoding="utf-8")
    (folder / "foreign.jsonl").write_text("\n".join(foreign_lines()) + "\n", encoding="utf-8")
    (folder / "encoder").mkdir(exist_ok=True)
    make_encoder(folder / "encoder")
    first = merged(tomllib.loads(TASK), {"traffic": {"foreign": str(folder / "foreign.jsonl")}})
    second = merged({key: value for key, value in first.items() if key != "traffic"}, tomllib.loads(SECOND))
    (folder / "tiny.toml").write_text(as_toml(first), encoding="utf-8")
    (folder / "topics.toml").write_text(as_toml(second), encoding="utf-8")
    return Files(folder)


def tiny_lines(texts: int = 1000) -> list[str]:
    """Lines of the first data set: the adjective decides (mostly); some texts come twice and some lines are broken."""
    chance = random.Random(5)
    lines: list[str] = []
    for _ in range(texts):
        word = chance.choice(GOOD + BAD)
        truth = (word in GOOD) != (chance.random() < NOISE)
        text = _sentence(chance, word, chance.choice(THINGS), chance.choice(PLACES))
        lines.append(json.dumps({"text": text, "label": "good" if truth else "bad"}))
    lines += lines[:20]
    lines[100:100] = ["{not json", '{"text": "", "label": "good"}', '{"label": "good"}', '{"text": 5, "label": "bad"}']
    return lines


def topic_lines(texts: int = 700) -> list[str]:
    """Lines of the second data set: three classes by place."""
    chance = random.Random(6)
    lines: list[str] = []
    for _ in range(texts):
        place = chance.choice(list(TOPICS))
        topic = TOPICS[place] if chance.random() >= NOISE else chance.choice(list(TOPICS.values()))
        lines.append(
            json.dumps({"text": _sentence(chance, chance.choice(GOOD + BAD), chance.choice(THINGS), place), "label": topic})
        )
    return lines


def foreign_lines(texts: int = 80) -> list[str]:
    """Lines of another source: sentences of another kind."""
    chance = random.Random(7)
    others = [[f"{chance.randrange(10**4)} {chance.choice(GOODS)}" for _ in range(7)] for _ in range(texts)]
    return [json.dumps({"text": f"report: {', '.join(item)} sold at noon", "label": "none"}) for item in others]


def _sentence(chance: random.Random, word: str, thing: str, place: str) -> str:
    """A few words that matter among many that do not: the encoder does not know those, a linear student has to learn it.

    That is why the teacher's labels help here.
    """
    before, after = ([_nonsense(chance) for _ in range(chance.randint(7, 9))] for _ in range(2))
    return " ".join([*before, "a", word, thing, "in", place, *after])


def _nonsense(chance: random.Random) -> str:
    return "".join(chance.choice(SYLLABLES) for _ in range(3))


def read(path: Path) -> dict[str, Any]:
    """A task file's values with its own paths made absolute, as `Task.load` does."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return values | {key: str(path.parent / values[key]) for key in ("data", "encoder")}


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `changes`; None takes a key away."""
    found = dict(values)
    for key, change in changes.items():
        if change is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key, {}), change) if isinstance(change, dict) else change
    return found


def as_toml(values: Mapping[str, Any]) -> str:
    """TOML of a task: JSON writes strings, numbers, booleans and lists as TOML does, but not tables."""
    plain = [f"{key} = {_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    tables = [f"\n[{key}]\n" + as_toml(value) for key, value in values.items() if isinstance(value, dict)]
    return "\n".join([*plain, *tables]) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def shared_files(factory: pytest.TempPathFactory) -> Files:
    return _files_in(_session(factory))


def finished_line(factory: pytest.TempPathFactory) -> Finished:
    """Run both tasks once for the whole test session. Look, do not write: `copied` makes a workspace to change."""
    return _finished_in(_session(factory))


def _session(factory: pytest.TempPathFactory) -> Path:
    """The folder of all processes of a session: when there are several, each has its own in it."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@functools.cache
def _files_in(session: Path) -> Files:
    with WriterLock(session / "tiny-files.lock").acquire(wait=1700):
        files = Files(session / "tiny-files")
        return files if files.second.exists() else make_files(files.folder)


@functools.cache
def _finished_in(session: Path) -> Finished:
    """The first process that wants it makes it, the others wait."""
    told = session / "tiny-finished.json"
    with WriterLock(session / "tiny-finished.lock").acquire(wait=1700):
        if not told.exists():
            files, workspace = _files_in(session), session / "tiny-finished"
            with pickaxe.open(workspace) as opened:
                first = produce(files.task, opened)
                second = produce(files.second, opened)
            told.write_bytes(TypeAdapter(Finished).dump_json(Finished(files, workspace, first, second)))
        return TypeAdapter(Finished).validate_json(told.read_bytes())
