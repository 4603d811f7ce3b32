"""The planner: forecasts of scenarios, forms to ask for them, published claims, and scenarios kept as artifacts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.compute.planner.claims.claims import shipped_claims
from pickaxe.compute.planner.claims.report import report
from pickaxe.compute.planner.scenario import KINDS, form, plan, save
from pickaxe.kernel.errors import BadInput
from pickaxe.serve.auditing import note
from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import Door, declared
from pickaxe.wire.native.nouns import ArtifactInfo, artifact_json

_MOST_SAMPLES = 2000

Kind = Annotated[str, Path(description=f"one of {', '.join(KINDS)}", examples=["serve"])]
Language = Annotated[str, Query(description="of the words: en or zh")]


class Scenario(RequestBody):
    """Fields by name: numbers, text with a unit, or ranges `[low, high]` and `[low, mode, high]`."""

    scenario: dict[str, Any]
    language: str = "en"


class NewScenario(RequestBody):
    name: str = Field(min_length=1, max_length=200, examples=["plans/serve"])
    kind: str = Field(examples=["serve"])
    scenario: dict[str, Any]


class PlanInfo(BaseModel):
    """Forecasts by case; of a claim its report instead, all in base units (second, byte, FLOP, token, US dollar) with text beside them."""

    kind: str
    cases: dict[str, dict[str, Any]] = {}
    claim: dict[str, Any] | None = None


class FormInfo(BaseModel):
    kind: str
    fields: list[dict[str, Any]]
    choices: list[dict[str, Any]]


_SCENARIO = {"model": "llama-3.1-8b", "device": "H100", "tokens_in": 500, "tokens_out": 100, "price": ["$2/GPU-h", "$4/GPU-h"]}
_COST = {"title": "cost a day", "text": "$72.00", "p5": 50.4, "p50": 71.9, "p95": 93.6, "centre": 72.0}
_PLAN = {"kind": "serve", "cases": {"serve": {"kind": "serve", "results": {"cost_day": _COST}}}, "claim": None}
_FORM = {
    "kind": "serve",
    "fields": [{"name": "tokens_in", "title": "tokens in, per call", "low": 1.0, "high": 1e7, "default": None}],
    "choices": [{"name": "device", "title": "accelerator", "default": None, "known": ["H100"]}],
}
_CLAIM = {"kind": "claim", "id": "one-day-3740", "verdict": "impossible", "said": "1 day", "computed": "2.4371 days"}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["plan"])

    @routes.get("/claims", summary="Published claims and their verdicts", **declared("read", list[dict[str, Any]], [_CLAIM]))
    def claims(request: Request, language: Language = "en") -> Response:
        return reply(request, [report(claim, language) for claim in shipped_claims().values()])

    @routes.get("/plan/{kind}", summary="What a scenario of a kind may hold", **declared("read", FormInfo, _FORM))
    def ask(kind: Kind, request: Request, language: Language = "en") -> Response:
        return reply(request, form(kind, language))

    @routes.post(
        "/plan/{kind}",
        summary="Forecast a scenario; nothing is kept",
        **declared("read", PlanInfo, _PLAN, form=Scenario, body_example={"scenario": _SCENARIO}),
    )
    def forecast(kind: Kind, request: Request, asked: Scenario = door.body(Scenario)) -> Response:
        found = plan(kind, _bounded(asked.scenario), asked.language)
        if found["kind"] == "claim":
            return reply(request, {"kind": "claim", "cases": {}, "claim": found})
        return reply(request, found | {"claim": None})

    @routes.post(
        "/scenarios",
        summary="Keep a scenario and its forecast as an artifact",
        **declared(
            "write",
            ArtifactInfo,
            examples.ARTIFACT,
            status=201,
            form=NewScenario,
            body_example={"name": "plans/serve", "kind": "serve", "scenario": _SCENARIO},
        ),
    )
    def keep(request: Request, asked: NewScenario = door.body(NewScenario)) -> Response:
        kept = save(door.seen(request), asked.name, asked.kind, _bounded(asked.scenario))
        note(request, kept.id, artifact=kept.ref)
        return reply(request, artifact_json(kept), status=201)

    return routes


def _bounded(scenario: dict[str, Any]) -> dict[str, Any]:
    """A server draws fewer samples than a command may."""
    samples = scenario.get("samples")
    if isinstance(samples, (int, float)) and samples > _MOST_SAMPLES:
        raise BadInput("samples is out of range", expected=f"at most {_MOST_SAMPLES} through a server", got=repr(samples))
    return scenario
