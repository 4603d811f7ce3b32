"""The step `publish`: a student that passed the gate becomes the model, with its card inside."""

from __future__ import annotations

import json
import shutil
from typing import Any

from pydantic import Field

from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import GateFailed
from pickaxe.kernel.predictors import MANIFEST
from pickaxe.kernel.step import StepContext

CARD = "README.md"


class PublishConfig(Config):
    """What people should know about the model and no measurement tells."""

    task: str
    intended_use: str = Field("Sort short texts like the ones it was trained on into the classes below.")
    limits: str = Field(
        "Texts from another source or language: watch the drift alarm. Never the sole ground of a decision about a person."
    )


def publish(ctx: StepContext, config: PublishConfig) -> None:
    """Save the input `student` as `model` with a model card, if the input `verdict` says that it passed.

    Every other input (reports of the stages before) goes into the card, and into the model's lineage and bill.

    Raises `GateFailed` when the verdict is not a pass: a model that failed is never published.
    """
    verdict = ctx.inputs["verdict"].json()
    if not verdict["passed"]:
        raise GateFailed("the gate did not pass this student", remedy="see the verdict's rules for what is missing")
    folder = ctx.scratch / "model"
    shutil.copytree(ctx.inputs["student"].path(), folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    reports = {name: item.json() for name, item in sorted(ctx.inputs.items()) if item.artifact.stored == "json"}
    (folder / CARD).write_text(_card(config, manifest, reports), encoding="utf-8")
    ctx.save_files("model", folder, kind="model", meta={"format": manifest["format"], "classes": manifest["classes"]})


def _card(config: PublishConfig, manifest: dict[str, Any], reports: dict[str, Any]) -> str:
    """A model card (Mitchell et al. 2019) from what the stages reported. Cost is not in it: it is asked for, `pickaxe cost`."""
    lines = [
        "---",
        "license: other",
        "pipeline_tag: text-classification",
        "library_name: pickaxe",
        "---",
        f"# {config.task}",
        "",
        f"A text classifier of format `{manifest['format']}` for the classes {', '.join(map(repr, manifest['classes']))}.",
        "",
        "## Intended use",
        config.intended_use,
        "",
        "## Limits",
        config.limits,
        "",
        "## Metrics on the untouched test set",
        *_metrics(reports["verdict"]),
        "",
        "## Data",
        *_data(reports),
        "",
        "## Cost and lineage",
        "Not written here, because they are looked up: `pickaxe cost` and `pickaxe lineage` with this model's name.",
        "",
    ]
    return "\n".join(lines)


def _metrics(verdict: dict[str, Any]) -> list[str]:
    rules = [f"- {rule['name']}: {'passed' if rule['passed'] else 'FAILED'} — {rule['explanation']}" for rule in verdict["rules"]]
    return rules or ["- no rules were set"]


def _data(reports: dict[str, Any]) -> list[str]:
    said: list[str] = []
    if "curation" in reports:
        said.append(f"- rows after curation: `{json.dumps(reports['curation'].get('splits', {}), sort_keys=True)}`")
    if "labelling" in reports:
        people = reports["labelling"].get("annotators", [])
        names = ", ".join(f"{person['name']}{' (simulated)' if person['simulated'] else ''}" for person in people)
        said.append(f"- labelled by: {names or 'nobody'}")
    if "acceptance" in reports:
        found = reports["acceptance"]
        said.append(f"- automatic labels: {found['statement']} (blind audit of {found['audit_rows']} rows)")
    return said
