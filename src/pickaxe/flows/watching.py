"""A new model under real requests: over HTTP, with corrections, and watched for drift."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from pickaxe.data.ingest import ingest
from pickaxe.flows.hosting import hosted
from pickaxe.flows.line import Line
from pickaxe.flows.sources import located
from pickaxe.flows.task import DEMO, Task, TrafficPlan
from pickaxe.flows.traffic import SERVER_VARIABLE, TrafficConfig, send_traffic
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.registry import SERVERS, load_named
from pickaxe.kernel.wording import counted
from pickaxe.monitor.reference import fit_drift_reference
from pickaxe.monitor.watch import watch_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pickaxe.kernel.workspace import Workspace


def watch(line: Line, task: Task, plan: TrafficPlan, made: Mapping[str, Artifact], model: Artifact) -> dict[str, Artifact]:
    """Real requests over HTTP, then drift tests in windows: silent on home traffic, loud on foreign."""
    known = line.stage(
        "reference",
        fit_drift_reference,
        task.reference,
        {"rows": made["test"], "model": model, "train": made["pool"]},
        cores=1,
    )
    inputs = {"model": model, "traffic": made["traffic"]}
    if plan.foreign is not None:
        inputs["foreign"] = _foreign(line, plan.foreign, task)
    # Fresh rows each round: corrected ones have been learned from, and would look more familiar than real traffic.
    share = home_requests(task, plan, made["traffic"])
    config = TrafficConfig(
        endpoint=task.name,
        home_requests=share,
        first_row=(line.round - 1) * share,
        foreign_requests=plan.foreign_requests,
        feedback_share=plan.feedback_share,
    )
    sent_before = line.is_cached("traffic", send_traffic, config, inputs)
    if not sent_before and [route.artifact_id for route in line.workspace.endpoint(task.name).routes] != [model.id]:
        line.watcher.note(f"{task.name}: no new requests to the model of round {line.round}, a later one answers now")
        return dict(known.outputs)
    # No server for requests that were sent before and come from the cache.
    with nullcontext() if sent_before else _served(line.workspace, task.name):
        sent = line.stage("traffic", send_traffic, config, inputs, counts="traffic_log", cores=1)
    tested = {"traffic": sent["traffic_log"], "reference": known["drift_reference"]}
    seen = line.stage("watch", watch_report, task.watch, tested, cores=1)
    _raise_alarms(line.workspace, task, seen["drift"])
    return {**known.outputs, **sent.outputs, **seen.outputs}


def home_requests(task: Task, plan: TrafficPlan, held_out: Artifact) -> int:
    """Requests of one round: as planned, at most an equal share of the rows held out.

    Raises `BadInput` when there is not a row for each round.
    """
    share = held_out.meta["rows"] // task.rounds
    if not share:
        raise BadInput(
            "there are too few held-out rows to send as traffic",
            expected=f"a row for each of the {task.rounds} rounds",
            got=counted(held_out.meta["rows"], "row"),
            remedy="raise traffic_share under [curate], or leave [traffic] out of the task file",
        )
    return min(plan.home_requests, share)


def _raise_alarms(workspace: Workspace, task: Task, drift: Artifact) -> None:
    """Each stream that drifted becomes one alert, once."""
    if workspace.events(kind="alert", subject=drift.id, limit=1):
        return
    sources: Sequence[Mapping[str, Any]] = workspace.read_json(drift)["sources"]
    alarmed = [source for source in sources if source["alarms"]]
    workspace.emit_many([{"kind": "alert", "subject": drift.id, "name": task.name, "body": dict(source)} for source in alarmed])


def _foreign(line: Line, data: str, task: Task) -> Artifact:
    """Rows of another source, ingested like any other."""
    name = data.removeprefix(DEMO) if data.startswith(DEMO) else "foreign"
    source = line.workspace.import_files(located(data, line.watcher), f"{name}/source")
    return line.stage("foreign", ingest, task.ingest, {"source": source}, counts="rows", scope=name, cores=1)["rows"]


@contextmanager
def _served(workspace: Workspace, name: str) -> Iterator[None]:
    """The workspace's endpoints over HTTP for as long as the block lasts; workers find the address in their environment.

    Serving leases a core of its own where the pool has more than one.
    """
    core = workspace.engine.hold(f"endpoint-{name}", 1) if workspace.engine.cores > 1 else nullcontext()
    with (
        core,
        load_named(SERVERS, "thread", what="server")(workspace) as server,
        hosted(workspace, name, lambda: server.deployments),
    ):
        os.environ[SERVER_VARIABLE] = server.url
        try:
            yield
        finally:
            del os.environ[SERVER_VARIABLE]
