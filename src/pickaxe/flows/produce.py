"""The main job: from raw texts to a small, served, watched model. Read it top-down; every stage is a cached run."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.compress.config import TargetConfig, TrainStudentConfig
from pickaxe.compress.service import export_onnx, search_students, train_student
from pickaxe.data.curate import curate
from pickaxe.data.ingest import ingest
from pickaxe.evaluate.accept import accept
from pickaxe.evaluate.gate import gate, require_passed
from pickaxe.flows.demo_data import fetch
from pickaxe.flows.feedback import collect_feedback
from pickaxe.flows.labelling import label_pool, labelled_test
from pickaxe.flows.line import Line, LineWatcher, Nobody, StageRecord
from pickaxe.flows.people import label_test_sample, refuse_early
from pickaxe.flows.publish import PublishConfig, publish
from pickaxe.flows.task import DEMO, Task, TrafficPlan
from pickaxe.flows.traffic import SERVER_VARIABLE, TrafficConfig, send_traffic
from pickaxe.flows.training_set import AssembleConfig, DivideConfig, assemble, divide
from pickaxe.kernel.cost import Cost, cost_of
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Artifact, Endpoint, Route
from pickaxe.kernel.registry import SERVERS, load_named
from pickaxe.monitor.reference import fit_drift_reference
from pickaxe.monitor.watch import watch_report
from pickaxe.train.service import predict, train_teacher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pickaxe.kernel.workspace import Workspace

PRODUCTION = "production"
_LARGEST_TEST_SHARE = 0.5


@dataclass
class Round:
    """One turn of the line: its artifacts by role, and the model it published."""

    number: int
    artifacts: dict[str, Artifact]
    model: Artifact
    endpoint: Endpoint


@dataclass
class Product:
    """What a task came to."""

    task: Task
    rounds: list[Round] = field(default_factory=list[Round])
    records: list[StageRecord] = field(default_factory=list[StageRecord])

    @property
    def model(self) -> Artifact:
        return self.rounds[-1].model

    def cost(self, workspace: Workspace) -> Cost:
        """The bill of the newest model."""
        return cost_of(workspace, self.model)


def produce(task: Task | Path | str, workspace: Workspace, *, watcher: LineWatcher | None = None) -> Product:
    """Run the line for `task` (or a task file) and publish its model as ``<task>/model@production`` behind endpoint ``<task>``.

    Every stage is cached: after a kill the same call goes on where it stopped, and an identical call ends in seconds.

    Raises `BadInput` for data that cannot be used, `GateFailed` when a student is not good enough (nothing is published then).
    """
    if not isinstance(task, Task):
        task = Task.load(Path(task))
    line = Line(workspace, task.name, watcher or Nobody())
    product = Product(task, records=line.records)
    base = _prepare(line, task)
    annotations: Artifact | None = None
    for number in range(1, task.rounds + 1):
        line.round = number
        made = dict(base)
        made |= _label(line, task, base, annotations, product)
        made |= _teach(line, task, made, product)
        made |= _distil(line, task, made)
        made |= _judge(line, task, made, product)
        product.rounds.append(_publish(line, task, made, number))
        if task.traffic is not None:
            product.rounds[-1].artifacts |= _watch(line, task, task.traffic, made, product.model)
        annotations = made["annotations"]
    return product


def label_only(task: Task, workspace: Workspace, *, watcher: LineWatcher | None = None) -> int:
    """Run the line up to the labels; returns how many answers there are. `produce` goes on from there."""
    line = Line(workspace, task.name, watcher or Nobody())
    base = _prepare(line, task)
    return label_pool(line, task, base["pool"], None, None)["annotations"].meta["rows"]


def _prepare(line: Line, task: Task) -> dict[str, Artifact]:
    """Raw file -> rows -> pool, frozen test, held-out traffic."""
    refuse_early(task)
    source = line.workspace.import_files(located(task.data, line.watcher), f"{task.name}/source")
    taken = line.stage("ingest", ingest, task.ingest, {"source": source}, counts="rows", cores=1)
    kept = line.stage("curate", curate, task.curate, {"rows": taken["rows"]}, counts="pool", cores=1)
    if task.traffic is not None:
        _home_requests(task, task.traffic, kept["traffic"])
    if task.annotators == "people":
        test = label_test_sample(line, task, kept["test"])
    else:
        test = labelled_test(line, task, kept["test"], taken["profile"])
    _refuse_small_test(task, test.meta["rows"])
    return {**taken.outputs, **kept.outputs, "test": test}


def _refuse_small_test(task: Task, rows: int) -> None:
    """Raise `BadInput` when the gate is bound to fail for want of test rows: now, and not after the training."""
    wanted = task.gate.min_test_rows
    if rows >= wanted:
        return
    share = math.ceil(100 * task.curate.test_share * wanted / rows) / 100
    larger = f"or set more of them apart for it (--set curate.test_share={share:g}), " if share <= _LARGEST_TEST_SHARE else ""
    raise BadInput(
        f"{rows} test rows are too few for the gate to judge a model by",
        expected=f"{wanted} rows with a label in the test split, {task.curate.test_share:.0%} of the data",
        got=f"{rows}",
        remedy=f"bring about {math.ceil(10 * wanted / rows) / 10:g} times as many labelled rows, {larger}"
        f"or be content with a verdict that is less sure (--set gate.min_test_rows={rows})",
    )


def _label(
    line: Line, task: Task, base: Mapping[str, Artifact], annotations: Artifact | None, product: Product
) -> dict[str, Artifact]:
    """People (or simulated ones) label what is worth labelling; feedback on earlier rounds' answers joins in."""
    feedback = None
    if product.rounds:
        models = {turn.model.id for turn in product.rounds}
        feedback = collect_feedback(line.workspace, task.name, product.rounds[-1].number, models)
    labelled = label_pool(line, task, base["pool"], annotations, feedback)
    parts = line.stage("divide", divide, DivideConfig(), {"gold": labelled["gold"]}, counts="lessons", cores=1)
    return labelled | dict(parts.outputs)


def _teach(line: Line, task: Task, made: Mapping[str, Artifact], product: Product) -> dict[str, Artifact]:
    """A large model learns from the labels, labels the rest, and is believed only as far as the audit allows."""
    inputs = {"gold": made["lessons"], "encoder": encoder_of(line.workspace, task, line.watcher)}
    if product.rounds:
        inputs["warm_start"] = product.rounds[-1].artifacts["teacher"]
    taught = line.stage("teacher", train_teacher, task.teacher, inputs)
    teacher = taught["teacher"]
    # The rest is labelled by the teacher's 8-bit export, several times faster; the audit judges just that model.
    quick = line.stage("export", export_onnx, task.export, {"teacher": teacher})
    said = line.stage("predict", predict, task.predict, {"model": quick["onnx"], "rows": made["pool"]}, counts="predictions")
    accepted = line.stage(
        "auto-label",
        accept,
        task.accept,
        {
            "predictions": said["predictions"],
            "audit_predictions": said["predictions"],
            "audit": made["audit"],
            "pool": made["pool"],
            "teacher": quick["onnx"],
            "train": made["lessons"],
        },
        counts="auto_labels",
        cores=1,
    )
    return {**taught.outputs, **quick.outputs, **said.outputs, **accepted.outputs}


def _distil(line: Line, task: Task, made: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """Small models learn from people's and accepted labels; the best under the latency budget is kept."""
    labels = {"gold": made["gold"], "auto_labels": made["auto_labels"]}
    joined = line.stage("assemble", assemble, AssembleConfig(), labels, counts="training_set", cores=1)
    found = line.stage("student", search_students, task.students, {**labels, "teacher": made["teacher"]})
    trained = {**joined.outputs, **found.outputs}
    # What automatic labels gained is a question only where the student learned from some. It did not when the file came with every
    # label, when no class was accepted, when they were left out as no help, and when the student is the teacher's export.
    search = line.workspace.read_json(found["search"])
    if search["rows"]["model"] and search["chosen"]["family"] != "onnx":
        told = TrainStudentConfig(**task.students.model_dump(include=set(TargetConfig.model_fields) | {"threads"}))
        people_only = {"gold": made["gold"], "search": found["search"], "teacher": made["teacher"]}
        trained |= line.stage("baseline", train_student, told, people_only).outputs
    return trained


def _judge(line: Line, task: Task, made: Mapping[str, Artifact], product: Product) -> dict[str, Artifact]:
    """The untouched test: against people's labels alone, against the teacher, against what is in production."""
    tested = line.stage(
        "test",
        predict,
        task.predict,
        {"model": made["teacher"], "rows": made["test"]},
        counts="predictions",
        scope=f"{task.name}/test",
    )
    inputs = {
        "candidate": made["student"],
        "teacher_predictions": tested["predictions"],
        "test": made["test"],
        "train": made["training_set"],
    }
    if "baseline" in made:
        inputs["baseline"] = made["baseline"]
    if product.rounds:
        inputs["incumbent"] = product.model
    judged = line.stage("gate", gate, task.gate, inputs, cores=1)
    require_passed(line.workspace.read_json(judged["verdict"]))
    return dict(judged.outputs)


def _publish(line: Line, task: Task, made: Mapping[str, Artifact], number: int) -> Round:
    """Model with card -> alias -> endpoint."""
    wanted = ("student", "verdict", "search", "acceptance", "labelling", "curation", "profile", "training_set")
    config = PublishConfig(task=task.name, **({"intended_use": task.intended_use} if task.intended_use else {}))
    done = line.stage("publish", publish, config, {role: made[role] for role in wanted}, cores=1)
    model = done["model"]
    # Once: a repeated call must not send production back to an earlier round's model.
    if not line.workspace.events(kind="publish", subject=model.id, limit=1):
        line.workspace.alias(model, PRODUCTION)
        line.workspace.publish(task.name, [Route(model.id)], {"round": number})
    return Round(number, {**made, **done.outputs}, model, line.workspace.endpoint(task.name))


def _watch(line: Line, task: Task, plan: TrafficPlan, made: Mapping[str, Artifact], model: Artifact) -> dict[str, Artifact]:
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
    share = _home_requests(task, plan, made["traffic"])
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


def _home_requests(task: Task, plan: TrafficPlan, held_out: Artifact) -> int:
    """Requests of one round: as planned, at most an equal share of the rows held out.

    Raises `BadInput` when there is not a row for each round.
    """
    share = held_out.meta["rows"] // task.rounds
    if not share:
        raise BadInput(
            "there are too few held-out rows to send as traffic",
            expected=f"a row for each of the {task.rounds} rounds",
            got=f"{held_out.meta['rows']} rows",
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
    with core, load_named(SERVERS, "thread", what="server")(workspace) as server:
        os.environ[SERVER_VARIABLE] = server.url
        try:
            yield
        finally:
            del os.environ[SERVER_VARIABLE]


def encoder_of(workspace: Workspace, task: Task, watcher: LineWatcher) -> Artifact:
    """The pretrained encoder, shared by every task of the workspace that names it."""
    path = located(task.encoder, watcher)
    name = task.encoder.removeprefix(DEMO) if task.encoder.startswith(DEMO) else path.name.lower()
    return workspace.import_files(path, f"encoders/{name}", kind="encoder")


def located(data: str, watcher: LineWatcher) -> Path:
    """A path as it is; demo data fetched and checked, and `watcher` told while it is downloaded."""
    if not data.startswith(DEMO):
        return Path(data)
    name = data.removeprefix(DEMO)
    return fetch(name, progress=lambda done, total, note: watcher.fetching(name, done, total))
