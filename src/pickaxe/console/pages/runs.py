"""Runs: the list with its filters, several side by side, and one in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pickaxe.compute.planner.energy import grid, metered
from pickaxe.console import charts
from pickaxe.console.forms import After, Text
from pickaxe.console.site import Site
from pickaxe.console.words import name_of
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.finding import run_names
from pickaxe.kernel.nouns import Event, Run, RunState
from pickaxe.kernel.workspace import Workspace

PAGE = 40
FEWEST_COMPARED, MOST_COMPARED = 2, 8
_NOTHING: list[str] = []
MOST_EVENTS = 5_000
"""Points read of one run, the newest; a chart shows fewer anyway."""
SHOWN_LOGS = 400
_GRID = "world"
"""Whose electricity a run is taken to have drawn; `pickaxe cost --grid` asks of another."""


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/runs")
    def runs(request: Request, q: Text = "", state: Text = "", after: After = None) -> Response:
        workspace = site.workspace_of(request)
        if state and state not in list(RunState):
            states = ", ".join(RunState)
            raise BadInput("no such state", expected=f"one of {states}", got=state, see="runs", reason="no_state", states=states)
        names = run_names(workspace, words) if (words := q.split()) else None
        found, following = workspace.runs.page(names=names, states=[state] if state else (), after=after, limit=PAGE)
        return site.page(
            request,
            "runs.html",
            runs=found,
            nano=nano_of(workspace, found),
            q=q,
            state=state,
            states=list(RunState),
            fewest=FEWEST_COMPARED,
            most=MOST_COMPARED,
            after=after,
            following=following,
        )

    @routes.get("/runs/compare")
    def compare(request: Request, run: Annotated[list[str], Query(max_length=200)] = _NOTHING) -> Response:
        workspace = site.workspace_of(request)
        wanted = list(dict.fromkeys(run))
        if not FEWEST_COMPARED <= len(wanted) <= MOST_COMPARED:
            raise BadInput(
                "too few or too many runs to compare",
                expected=f"{FEWEST_COMPARED} to {MOST_COMPARED}",
                got=str(len(wanted)),
                see="runs",
                reason="compare_count",
                fewest=FEWEST_COMPARED,
                most=MOST_COMPARED,
            )
        found = [workspace.runs.get(id) for id in wanted]
        points = {one.id: metrics_of(workspace, one.id) for one in found}
        return site.page(
            request,
            "runs_compare.html",
            runs=found,
            labels=_labels(found),
            nano=nano_of(workspace, found),
            settings=_differences([_flat(one.config) for one in found]),
            last={id: {name: values[-1][1] for name, values in of_run.items()} for id, of_run in points.items()},
            metrics=list(dict.fromkeys(name for of_run in points.values() for name in of_run)),
            charts=_overlaid(found, points, site.words_of(request)("runs.step")),
        )

    @routes.get("/runs/{id}")
    def one(request: Request, id: str) -> Response:
        workspace = site.workspace_of(request)
        run = workspace.runs.get(id)
        series, language = metrics_of(workspace, id), site.language_of(request)
        taken = {name_of(language, "meter", name): points for name, points in system_of(workspace, id).items()}
        progress = workspace.log.list(kind="progress", subject=id, limit=1, newest_first=True)
        logs = workspace.log.list(kind="log", subject=id, limit=SHOWN_LOGS, newest_first=True)
        artifacts = workspace.artifacts.many([*run.inputs.values(), *run.outputs.values()])
        charges = workspace.ledger.charges([id])
        return site.page(
            request,
            "run.html",
            run=run,
            charges=charges,
            footprint=metered(charges, grid(_GRID)),
            progress=progress[0] if progress and run.state == RunState.RUNNING else None,
            logs=logs[::-1],
            figures={name: values[-1][1] for name, values in series.items() if len(values) == 1},
            charts=_curves(series, site.words_of(request)("runs.step")),
            system=_curves(taken, site.words_of(request)("runs.second"), zero=True),
            artifacts=artifacts,
            settings=_flat(run.config),
        )

    return routes


def nano_of(workspace: Workspace, runs: Sequence[Run]) -> dict[str, int]:
    """What each run was charged so far."""
    nano = dict.fromkeys((run.id for run in runs), 0)
    for charge in workspace.ledger.charges(list(nano)):
        nano[charge.holder] += charge.nano or 0
    return nano


def metrics_of(workspace: Workspace, run_id: str) -> dict[str, list[charts.Point]]:
    """name -> points (step, value), oldest first; a metric without steps is numbered in order."""
    events = workspace.log.list(kind="metric", subject=run_id, limit=MOST_EVENTS, newest_first=True)
    found: dict[str, list[charts.Point]] = {}
    for event in reversed(events):
        if event.value is not None:
            of_name = found.setdefault(event.name, [])
            of_name.append((_step(event, len(of_name)), event.value))
    return found


def system_of(workspace: Workspace, run_id: str) -> dict[str, list[charts.Point]]:
    """What the run took of its machine: name -> points (second, value), of its newest attempt."""
    found: dict[str, list[charts.Point]] = {}
    for event in workspace.log.list(kind="system", subject=run_id, limit=MOST_EVENTS):
        for name, value in event.body.items():
            points = found.setdefault(name, [])
            if points and _step(event, 0) < points[-1][0]:  # another attempt began
                points.clear()
            points.append((_step(event, 0), value))
    return found


def _step(event: Event, place: int) -> float:
    return float(place if event.step is None else event.step)


def _curves(series: Mapping[str, Sequence[charts.Point]], x: str, *, zero: bool = False) -> dict[str, charts.Spec]:
    """A chart for each quantity; training and validation share one when they count the same steps."""
    grouped: dict[str, dict[str, Sequence[charts.Point]]] = {}
    for name, points in series.items():
        if len(points) > 1:
            shared = grouped.setdefault(name.removeprefix("validation_"), {})
            same_steps = all(0.5 < (points[-1][0] + 1) / (other[-1][0] + 1) < 2 for other in shared.values())
            (shared if same_steps else grouped.setdefault(name, {}))[name] = points
    drawn = ((name if len(together) > 1 else next(iter(together)), together) for name, together in grouped.items() if together)
    return {name: charts.curves(together, x=x, zero=zero) for name, together in drawn}


def _overlaid(runs: Sequence[Run], points: Mapping[str, Mapping[str, Sequence[charts.Point]]], x: str) -> dict[str, charts.Spec]:
    """A chart for each metric that some run has a curve of, a line for each run."""
    labels, found = _labels(runs), dict[str, charts.Spec]()
    for name in dict.fromkeys(name for of_run in points.values() for name in of_run):
        lines = {labels[run.id]: points[run.id][name] for run in runs if len(points[run.id].get(name, ())) > 1}
        if lines:
            found[name] = charts.curves(lines, x=x)
    return found


def _labels(runs: Sequence[Run]) -> dict[str, str]:
    """A name for each run that tells it from the others."""
    names = [run.name for run in runs]
    return {run.id: run.name if names.count(run.name) == 1 else f"{run.name} {run.id[4:10]}" for run in runs}


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` -> ``{"a.b": 1}``."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{before}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return found


def _differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[list[Any], bool]]:
    """setting -> its value in each run, and whether they differ; those that differ first."""
    names = dict.fromkeys(name for config in configs for name in config)
    rows = {name: [config.get(name) for config in configs] for name in names}
    differ = {name: any(value != values[0] for value in values) for name, values in rows.items()}
    return {name: (rows[name], differ[name]) for name in sorted(rows, key=lambda name: not differ[name])}
