"""Writes the tables of docs/guides/produce.md from the configuration classes; `--check` only says whether they are up to date."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic.fields import FieldInfo

from pickaxe.compress.config import LinearSettings, OnnxSettings, StaticSettings
from pickaxe.data.label.config import SimulatedPerson
from pickaxe.flows.task import Task, TrafficPlan
from pickaxe.kernel.config import Config

TARGET = Path(__file__).parent / "guides" / "produce.md"
BEGIN, END = "<!-- reference: written by `make docs`, do not edit -->\n", "<!-- /reference -->\n"

SETTINGS: dict[str, type[Config]] = {
    "traffic": TrafficPlan,
    "label.annotators": SimulatedPerson,
    "students.linear": LinearSettings,
    "students.static": StaticSettings,
    "students.onnx": OnnxSettings,
}
"""Tables of their own that no default value shows: optional sections, and entries of lists."""


def with_reference(document: str) -> str:
    """`document` with everything between the marks written anew."""
    before, _, rest = document.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"{TARGET.name} has lost its marks {BEGIN.strip()} and {END.strip()}")
    return before + BEGIN + "".join(_reference()) + END + after


def _reference() -> Iterator[str]:
    sections = {name: field.annotation for name, field in Task.model_fields.items()}
    tables = {name: kind for name, kind in sections.items() if isinstance(kind, type) and issubclass(kind, Config)}
    yield _table("Top level", Task, skip={*tables, "traffic"})
    for name, kind in {**tables, **SETTINGS}.items():
        title = f"`[{name}]`" if name not in SETTINGS or name == "traffic" else f"entries of `{name}`"
        yield _table(title, kind, skip=set())


def _table(title: str, kind: type[Config], *, skip: set[str]) -> str:
    about = (kind.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    rows = [_row(name, field) for name, field in kind.model_fields.items() if name not in skip]
    return f"\n### {title}\n\n{re.sub(' +', ' ', about)}\n\n| key | type | default | meaning |\n|---|---|---|---|\n" + "".join(
        rows
    )


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", _type(field), _default(field), re.sub(r"\bNone\b", "none", field.description or ""))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _type(field: FieldInfo) -> str:
    """The type as a reader of TOML knows it, with its bounds."""
    text = str(field.annotation) if not isinstance(field.annotation, type) else field.annotation.__name__
    text = re.sub(
        r"typing\.Literal\[(.*?)\]", r"\1", re.sub(r"(?:\w+\.)+(?=[A-Z])", "", text.replace("typing.Literal", "Literal"))
    )
    text = re.sub(r"Literal\[(.*?)\]", r"\1", text).replace("'", "").replace(" | None", "")
    text = re.sub(r"\btuple\[(.*), \.\.\.\]", r"list of \1", text)
    text = re.sub(r"\btuple\[.*\]", "pair", text)
    for ours, theirs in (("str", "text"), ("int", "whole number"), ("float", "number"), ("bool", "true, false")):
        text = re.sub(rf"\b{ours}\b", theirs, text)
    bounds = [f"{sign} {getattr(rule, key)}" for rule in field.metadata for key, sign in _BOUNDS.items() if hasattr(rule, key)]
    return ", ".join([text, *bounds])


_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, tuple) and any(isinstance(item, Config) for item in value):
        return f"{len(value)} of them"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    current = TARGET.read_text(encoding="utf-8")
    text = with_reference(current)
    if "--check" in sys.argv[1:]:
        sys.exit(0 if current == text else f"{TARGET.name} is not what the configuration says now; run: make docs")
    TARGET.write_text(text, encoding="utf-8")
    click.echo(f"wrote {TARGET.name}")
