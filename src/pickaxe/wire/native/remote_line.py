"""A production line that a server carries out, told here as if it ran here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.flows.job_spec import ARTIFACT
from pickaxe.flows.line import LineWatcher, Nobody, StageRecord
from pickaxe.flows.produce import Product, Round
from pickaxe.flows.task import DEMO, Task
from pickaxe.kernel.errors import from_dict
from pickaxe.kernel.nouns import Event
from pickaxe.kernel.wording import counted

if TYPE_CHECKING:
    from pickaxe.wire.native.client import RemoteWorkspace

_LISTED = 50


def produce(workspace: RemoteWorkspace, task: Task | Path | str, watcher: LineWatcher | None) -> Product:
    """Upload what the task names, submit it, and follow the job to its end; raises what the line ended with.

    Interrupted, it only follows no longer: the `KeyboardInterrupt` says that the job goes on, and how to stop it.
    """
    if not isinstance(task, Task):
        task = Task.load(Path(task))
    job = workspace.api.post("/v1/jobs", {"kind": "produce", "task": _sent_along(workspace, task)})
    try:
        ended = _followed(workspace, job, watcher or Nobody())
    except KeyboardInterrupt:
        stop = f"cancel it on the overview at {workspace.url}, or: pickaxe --url {workspace.url} cancel {job['id']}"
        raise KeyboardInterrupt(f"{job['name']} goes on at the server as {job['id']}; to stop it, {stop}") from None
    if ended["state"] != "succeeded":
        raise from_dict(ended["error"] or {"code": "run_cancelled", "message": f"the job was {ended['state']}"})
    return _product(workspace, task, ended["result"])


def _followed(workspace: RemoteWorkspace, job: dict[str, Any], watcher: LineWatcher) -> dict[str, Any]:
    """The job as it ended."""
    if ahead := _ahead(workspace, job):
        watcher.note(f"waiting behind {ahead} other job{'s' if ahead > 1 else ''}")
    for event in workspace.api.follow(f"/v1/jobs/{job['id']}/events"):
        _tell(watcher, event)
    return workspace.api.get(f"/v1/jobs/{job['id']}")


def _ahead(workspace: RemoteWorkspace, job: dict[str, Any]) -> int:
    """How many jobs have their turn before this one, among the newest."""
    listed = workspace.api.get("/v1/jobs", limit=_LISTED)["items"]
    if any(other["id"] == job["id"] and other["state"] != "queued" for other in listed):
        return 0
    return sum(other["state"] in ("queued", "running") and other["seq"] < job["seq"] for other in listed)


def _sent_along(workspace: RemoteWorkspace, task: Task) -> dict[str, Any]:
    """The task's values, with uploads in the place of paths of this machine."""
    values = task.model_dump(mode="json")

    def placed(value: str, name: str, kind: str) -> str:
        if value.startswith((DEMO, ARTIFACT)):
            return value
        return ARTIFACT + workspace.import_files(Path(value), name, kind=kind).id

    values["data"] = placed(task.data, f"{task.name}/source", "source")
    values["encoder"] = placed(task.encoder, f"encoders/{Path(task.encoder).name.lower()}", "encoder")
    if task.traffic is not None and task.traffic.foreign is not None:
        values["traffic"]["foreign"] = placed(task.traffic.foreign, "foreign/source", "source")
    return values


def _tell(watcher: LineWatcher, event: Event) -> None:
    body = event.body
    if event.kind == "progress" and event.name.startswith("fetching "):
        watcher.fetching(event.name.removeprefix("fetching "), event.value or 0.0, 1.0)
    elif event.kind == "stage" and body["state"] == "started":
        watcher.stage_started(body["task"], body["round"], event.name)
    elif event.kind == "stage" and body["state"] == "ended":
        watcher.stage_ended(_record({"stage": event.name, **body}))
    elif event.kind == "job" and event.name == "waiting":
        watcher.note(f"{counted(body['missing'], 'answer')} wanted, in the server's console: {body['address']}")


def _record(told: dict[str, Any]) -> StageRecord:
    return StageRecord(**{name: told[name] for name in ("task", "round", "stage", "rows", "seconds", "nano", "cached", "run_id")})


def _product(workspace: RemoteWorkspace, task: Task, result: dict[str, Any]) -> Product:
    product = Product(task, records=[_record(told) for told in result["stages"]])
    for told in result["rounds"]:
        made = {role: workspace.artifact(id) for role, id in told["artifacts"].items()}
        product.rounds.append(Round(told["number"], made, workspace.artifact(told["model"]), workspace.endpoint(task.name)))
    product.report = workspace.artifact(result["report"])
    return product
