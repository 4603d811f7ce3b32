"""From what the line made to its report: the stages' own documents, the bill, the lineage."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.flows.report.model import CostPart, CostReport, LineageNode, ModelCost, Report, Reused, RoundRow, StageRow
from pickaxe.flows.report.page import render
from pickaxe.kernel.ledger.cost import WHOLE, Cost, cost_of
from pickaxe.kernel.lineage import ancestry, upstream
from pickaxe.kernel.nouns import Artifact

if TYPE_CHECKING:
    from pickaxe.flows.line import StageRecord
    from pickaxe.flows.produce import Product, Round
    from pickaxe.kernel.workspace import Workspace

_METERS = {"cpu": ("core-seconds", 1e9), "human_ms": ("seconds of people", 1e3), "stored_bytes": ("MB kept", 1e6)}


def write_report(workspace: Workspace, products: Sequence[Product], path: Path, *, cores: int | None = None) -> None:
    """Write the self-contained HTML report of one or more tasks; `cores` where the workspace is open to read and has none."""
    render(report_of(workspace, products, cores=cores), path)


def report_of(workspace: Workspace, products: Sequence[Product], *, cores: int | None = None) -> Report:
    """The report's data: of the first task everything, of the others their stages and what they cost."""
    first = products[0]
    last = first.rounds[-1]
    report = Report(
        title=first.task.name,
        subtitle=first.task.intended_use or "",
        made_at=f"{last.model.created_at:%Y-%m-%d %H:%M} UTC",
        machine=_machine(cores or workspace.engine.cores),
        simulated=_simulated(workspace, products),
        stages=[_stage(record) for product in products for record in product.records],
        rounds=[_round(workspace, turn) for turn in first.rounds],
        lineage=_lineage(workspace, last.model),
        cost=_costs(workspace, products),
    )
    for role in ("labelling", "acceptance", "search", "verdict", "drift"):
        made = first.rounds[0].artifacts if role == "labelling" else last.artifacts
        if role in made:
            report[role] = workspace.read_json(made[role])  # pyright: ignore[reportGeneralTypeIssues] - keys of Report
    if "labelling" in report:
        report["labelling"] = _labelling(report["labelling"])
    if "search" in report:
        report["search"] = {"candidates": [_candidate(item, report["search"]["why"]) for item in report["search"]["candidates"]]}
    return report


def _labelling(found: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of `pickaxe.data.label` as the page wants it."""
    people = [
        {
            "name": person["name"],
            "simulated": person["simulated"],
            "labels": person["answers"],
            "seconds": person["seconds"],
            "estimated_error": person["error_rate_estimated"],
            "true_error": person["error_rate_true"],
        }
        for person in found["annotators"]
    ]
    return {"curves": _curve_points(found["curves"]), "agreement": found["agreement"], "annotators": people}


def _candidate(found: Mapping[str, Any], why: str) -> dict[str, Any]:
    """One student that the search tried, as the page wants it: named by what can be told from its settings."""
    settings = ", ".join(f"{key} {value}" for key, value in found["settings"].items() if value is not None)
    return {
        "name": f"{found['family']} ({settings})",
        "family": found["family"],
        "accuracy": found.get("accuracy"),
        "low": found.get("low"),
        "high": found.get("high"),
        "size_bytes": found.get("bytes"),
        "latency_ms": found["estimated_ms"],
        "chosen": found["chosen"],
        "why": why if found["chosen"] else found["cut"],
    }


def _curve_points(curves: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arms' learning curves (see `pickaxe.data.label.curves`) as the points that the page draws."""
    return [
        {"arm": arm, "labels": labels, "accuracy": accuracy, "low": low, "high": high}
        for arm in ("active", "random")
        if arm in curves
        for labels, accuracy, low, high in zip(
            curves["counts"], curves[arm]["accuracy"], curves[arm]["low"], curves[arm]["high"], strict=True
        )
        if accuracy is not None
    ]


def _stage(record: StageRecord) -> StageRow:
    return StageRow(
        stage=record.stage,
        rows=record.rows,
        seconds=record.seconds,
        money_nano=record.nano,
        cached=record.cached,
        run_id=record.run_id,
        task=record.task,
        round=record.round,
    )


def _round(workspace: Workspace, turn: Round) -> RoundRow:
    accuracy = workspace.read_json(turn.artifacts["verdict"])["models"]["candidate"]["accuracy"]
    gold = workspace.read_table(turn.artifacts["gold"], ["arm"])["arm"].to_pylist()
    corrections = gold.count("feedback")
    return RoundRow(
        round=turn.number,
        human_labels=len(gold),
        accepted=turn.artifacts["auto_labels"].meta["rows"],
        accuracy={key: accuracy[key] for key in ("value", "low", "high")},
        note=f"{corrections} corrections from production among the labels" if corrections else "",
    )


def _costs(workspace: Workspace, products: Sequence[Product]) -> CostReport:
    """Model 1 is the first one that was published; model 2 the newest of the second task, or of the next round."""
    models = [turn.model for product in products for turn in product.rounds]
    second = products[1].model if len(products) > 1 else models[-1]
    report = CostReport(currency="USD", rule=WHOLE, model1=_model_cost(cost_of(workspace, models[0])))
    if second.id != models[0].id:
        report["model2"] = _model_cost(cost_of(workspace, second))
    return report


def _model_cost(cost: Cost) -> ModelCost:
    return ModelCost(
        name=cost.artifact.ref,
        full_nano=cost.full,
        marginal_nano=cost.marginal,
        parts=[_part(cost, meter) for meter in _METERS if cost.quantity(meter, marginal=True)],
        reused=[Reused(name=run.name, nano=run.nano, paid_by=run.shared_with) for run in cost.runs if run.shared_with],
    )


def _part(cost: Cost, meter: str) -> CostPart:
    unit, scale = _METERS[meter]
    bases = {charge.basis for run in cost.runs for charge in run.charges if charge.meter == meter}
    return CostPart(
        meter=meter,
        nano=cost.of_meter(meter, marginal=True),
        quantity=cost.quantity(meter, marginal=True) / scale,
        unit=unit,
        method=" and ".join(sorted(bases)),
    )


def _lineage(workspace: Workspace, model: Artifact) -> list[LineageNode]:
    """The model's ancestors from the data on, one line each."""
    _, ids = upstream(ancestry(workspace, model.id), model.id)
    found = sorted((workspace.artifact(id) for id in ids), key=lambda artifact: artifact.created_at)
    return [
        LineageNode(
            ref=item.ref,
            kind=item.kind,
            digest=item.digest,
            run=item.run_id or "imported",
            rows=item.meta.get("rows"),
            note=", ".join(item.aliases),
        )
        for item in found
    ]


def _simulated(workspace: Workspace, products: Sequence[Product]) -> list[str]:
    said: list[str] = []
    for product in products:
        task = product.task
        if task.annotators == "simulated":
            people = task.label.annotators
            said.append(
                f"{task.name}: the annotators are simulated from the data set's gold labels: {len(people)} of them, "
                f"{people[0].error_rate:.0%} stated errors, {people[0].seconds:g} s a label."
            )
        if task.traffic is not None:
            said.append(
                f"{task.name}: the requests are real HTTP requests with held-out rows; the user who corrects "
                f"{task.traffic.feedback_share:.0%} of the wrong answers is simulated from their gold labels."
            )
    said.append("Prices are defaults, not yours: see `pickaxe price`. Energy is estimated where the processor does not tell.")
    return said


def _machine(cores: int) -> dict[str, Any]:
    return {"processor": platform.machine(), "cores": str(cores), "python": platform.python_version()}
