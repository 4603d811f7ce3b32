"""Endpoints: what serves, and one in full: try it, how quick it is, whether its traffic drifts, what its users correct."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from pickaxe.compute.planner.here.foresight import Foresight
from pickaxe.compute.planner.here.serving import ServingForecast, kept_forecast
from pickaxe.console import charts, show
from pickaxe.console.documents import document_of
from pickaxe.console.site import Site
from pickaxe.kernel.nouns import Artifact, Endpoint, Event
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import caller_of
from pickaxe.serve.records import Records

LOOKED_AT = 500
"""Newest answers that latency and shares are taken from."""
SHOWN_FEEDBACK = 15
_FORESEEN = ("nano_hour", "answer_us", "answers_hour", "nano_thousand", "memory_peak_bytes", "tokens_hour")


@dataclass(frozen=True, slots=True)
class Recent:
    """The newest answers of an endpoint. Times in milliseconds; shares by label over the texts."""

    answers: Sequence[Event]

    @property
    def ms(self) -> list[float]:
        return sorted(event.body["ms"] for event in self.answers)

    def quantile(self, share: float) -> float | None:
        ordered = self.ms
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

    @property
    def failed(self) -> int:
        return sum(event.body["status"] >= 400 for event in self.answers)

    @property
    def labels(self) -> list[tuple[str, float]]:
        counts = Counter(label for event in self.answers for label in event.body.get("labels", ()))
        return [(label, number / counts.total()) for label, number in counts.most_common(8)]

    @property
    def per_second(self) -> float | None:
        if len(self.answers) < 2:
            return None
        lasted = (self.answers[0].at - self.answers[-1].at).total_seconds()
        return (len(self.answers) - 1) / lasted if lasted else None


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/endpoints")
    def index(request: Request) -> Response:
        workspace = site.workspace_of(request)
        endpoints = workspace.endpoints()
        traces = workspace.log.newest_by_name("trace", [endpoint.name for endpoint in endpoints[:20]], limit=100)
        recent = {name: Recent(answers) for name, answers in traces.items()}
        return site.page(request, "endpoints.html", endpoints=endpoints, models=_models(workspace, endpoints), recent=recent)

    @routes.get("/endpoints/{name}")
    def one(request: Request, name: str) -> Response:
        workspace = site.workspace_of(request)
        endpoint = workspace.endpoint(name)
        recent, t = _recent(workspace, name, LOOKED_AT), site.words_of(request)
        drift = drift_of(workspace, name)
        models = _models(workspace, [endpoint])
        return site.page(
            request,
            "endpoint.html",
            endpoint=endpoint,
            models=models,
            recent=recent,
            latency=_latency(recent, t("endpoints.answers_axis")) if len(recent.answers) > 1 else None,
            drift=drift,
            windows=charts.windows(drift, x=t("endpoints.window_axis")) if drift and drift["windows"] else None,
            feedback=_feedback(workspace, name),
            foreseen=_foreseen(workspace, name),
            classes=_classes(models),
            may_predict=caller_of(request).may("predict"),
            may_label=caller_of(request).may("label"),
        )

    return routes


def _foreseen(workspace: Workspace, name: str) -> list[tuple[str, str, str]]:
    """What the newest server foresaw when it came to serve it: meter, middle, and where nine of ten should lie."""
    endpoint, server = (kept_forecast(workspace, subject) or ServingForecast(subject, {}) for subject in (name, ""))
    meters = {**endpoint.meters, **server.meters}
    found = [(meter, _amount(meter, meters[meter].middle), _band(meter, meters[meter])) for meter in _FORESEEN if meter in meters]
    most = {"answers_s": server.answers_s, "calls_s": endpoint.calls_s}
    return found + [(word, show.number(value, 0), "") for word, value in most.items() if value]


def _band(meter: str, item: Foresight) -> str:
    return "" if item.low == item.high else f"{_amount(meter, item.low)} – {_amount(meter, item.high)}"


def _amount(meter: str, value: float) -> str:
    match meter:
        case "nano_hour" | "nano_thousand":
            return show.money(round(value))
        case "memory_peak_bytes":
            return show.size(round(value))
        case "answer_us":
            return show.milliseconds(value / 1000)
        case _:
            return show.number(value, 0 if value >= 10 else 1)


def drift_of(workspace: Workspace, name: str) -> dict[str, Any] | None:
    """The newest document of the watch over this endpoint, None before there is one."""
    return document_of(
        workspace, f"{name}/drift", ("alarm", "alpha", "horizon", "window", "statement", "level", "sources", "windows")
    )


def _recent(workspace: Workspace, name: str, limit: int) -> Recent:
    return Recent(Records(workspace).traces(name, 0, limit, newest_first=True).traces)


def _models(workspace: Workspace, endpoints: Sequence[Endpoint]) -> dict[str, Artifact]:
    return workspace.artifacts.many([route.artifact_id for endpoint in endpoints for route in endpoint.routes])


def _classes(models: Mapping[str, Artifact]) -> list[str]:
    return sorted({str(name) for model in models.values() for name in model.meta.get("classes", ())})


def _latency(recent: Recent, answers: str) -> charts.Spec:
    return charts.histogram(charts.binned(recent.ms), x="ms", y=answers, mark=recent.quantile(0.99))


def _feedback(workspace: Workspace, name: str) -> list[Event]:
    return workspace.log.list(kind="feedback", name=name, limit=SHOWN_FEEDBACK, newest_first=True)
