"""Scenarios: a TOML file or JSON body in, plain data out, and a forecast kept as an artifact that others can open.

`plan(kind, scenario)` is the one door of the planner: the command line, the API and the console call it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.compute.planner.business import application, payback, pool
from pickaxe.compute.planner.calculator import Choice, Field, Forecast, day_of
from pickaxe.compute.planner.catalogue import hardware, models
from pickaxe.compute.planner.catalogue.prices import KINDS as PRICE_KINDS
from pickaxe.compute.planner.claims.claims import claim_from, claim_named
from pickaxe.compute.planner.claims.report import report
from pickaxe.compute.planner.quantities.checks import one_of
from pickaxe.compute.planner.serving import plan as serving
from pickaxe.compute.planner.serving import traffic
from pickaxe.compute.planner.training import plan as train
from pickaxe.compute.planner.words import LANGUAGES, word
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.toml_text import values_in

if TYPE_CHECKING:
    from pickaxe.kernel.nouns import Artifact
    from pickaxe.kernel.workspace import Workspace

ARTIFACT_KIND = "scenario"
_FORM = 1

FORECASTS: dict[str, Callable[[Mapping[str, Any]], Forecast]] = {
    "train": train.plan_training,
    "serve": serving.plan_serving,
    "pool": pool.plan_pool,
    "payback": payback.plan_payback,
    "own": payback.plan_own,
}
KINDS = (*FORECASTS, "app", "claim")
_MODEL, _DEVICE = Choice("model", None, models.presets), Choice("device", None, hardware.load)
FORMS: dict[str, tuple[tuple[Field, ...], tuple[Choice, ...]]] = {
    "train": (train.FIELDS, (_MODEL, _DEVICE, Choice("price_kind", PRICE_KINDS[0], lambda: PRICE_KINDS))),
    "serve": (traffic.FIELDS, serving.choices()),
    "own": ((*traffic.FIELDS, *payback.OWN_FIELDS), serving.choices()),
    "pool": (pool.FIELDS, pool.choices()),
    "payback": (payback.PAYBACK_FIELDS, ()),
    "app": (application.FIELDS, application.choices()),
}
"""What a form asks for, by kind; `app` has its `mix` of models besides, `claim` is one of those that ship or a table of its own."""


def plan(kind: str, scenario: Mapping[str, Any], language: str = "en") -> dict[str, Any]:
    """Forecasts of a scenario as plain JSON: {"kind", "cases": {name: forecast}}, or the report of a claim.

    Raises `BadInput` or `NotFound` naming the field; nothing is read or written besides the catalogues that ship.
    """
    kind, language = one_of("kind", kind, KINDS), one_of("language", language, LANGUAGES)
    if not isinstance(scenario, Mapping) or not all(isinstance(key, str) for key in scenario):
        raise BadInput("the scenario is not a table", expected="fields with their values", got=repr(scenario)[:80])
    if kind == "claim":
        return report(claim_named(scenario["id"]) if set(scenario) == {"id"} else claim_from(dict(scenario)), language)
    return {"kind": kind, "cases": {name: found.as_dict(language) for name, found in forecasts(kind, scenario).items()}}


def form(kind: str, language: str = "en") -> dict[str, Any]:
    """What a scenario of a kind may hold: numbers with their bounds, names with what is known. Raises `BadInput`."""
    kind, language = one_of("kind", kind, FORMS), one_of("language", language, LANGUAGES)
    fields, choices = FORMS[kind]
    return {
        "kind": kind,
        "fields": [field.described(language) for field in fields],
        "choices": [
            {
                "name": item.name,
                "title": word("fields", item.name, language),
                "default": item.default,
                "known": list(item.known()),
            }
            for item in choices
        ],
    }


def forecasts(kind: str, scenario: Mapping[str, Any]) -> dict[str, Forecast]:
    """The forecasts of a scenario by case; one named after its kind where it has no cases."""
    return application.compare(scenario) if kind == "app" else {kind: FORECASTS[kind](scenario)}


def read_scenario(path: Path, default: str) -> tuple[str, dict[str, Any]]:
    """Kind and fields of a scenario file; `kind` in it is optional. Raises `BadInput` with the line."""
    values = values_in(path, expected="a scenario, see docs/guides/planner-business.md")
    return one_of("kind", values.pop("kind", default), KINDS), values


def save(workspace: Workspace, name: str, kind: str, scenario: Mapping[str, Any]) -> Artifact:
    """Keep a scenario and its forecast as a JSON artifact; the day is written down, so that it gives the same again."""
    fixed = dict(scenario) if kind == "claim" else dict(scenario) | {"on": day_of(scenario)}
    document = {"form": _FORM, "kind": kind, "scenario": plain(fixed), "result": plan(kind, fixed)}
    return workspace.import_json(document, name, kind=ARTIFACT_KIND, meta={"plan": kind})


def open_saved(workspace: Workspace, reference: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Kind, scenario and forecast of a saved one. Raises `BadInput` for an artifact that is none."""
    artifact = workspace.artifact(reference)
    if artifact.kind != ARTIFACT_KIND:
        raise BadInput(f"{artifact.ref} is not a scenario", expected=f"an artifact of kind {ARTIFACT_KIND}", got=artifact.kind)
    document = workspace.read_json(artifact)
    return document["kind"], document["scenario"], document["result"]


def plain(value: Any) -> Any:
    """TOML's values as JSON's: days as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
