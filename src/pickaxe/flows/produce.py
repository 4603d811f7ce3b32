"""The main job: from raw texts to a small, served, watched model. Read it top-down; every stage is a cached run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pickaxe.compress.config import TargetConfig, TrainStudentConfig
from pickaxe.compress.service import export_onnx, search_students, train_student
from pickaxe.data.curate import SPLITS, curate
from pickaxe.data.ingest import ingest
from pickaxe.data.readers.sniff import settled
from pickaxe.evaluate.accept import accept
from pickaxe.evaluate.gate import gate, require_passed
from pickaxe.flows import remarks
from pickaxe.flows.feedback import collect_feedback
from pickaxe.flows.labelling import label_pool, labelled_test
from pickaxe.flows.line import Line, LineWatcher, Nobody, StageRecord
from pickaxe.flows.people import label_test_sample, refuse_early
from pickaxe.flows.publish import PublishConfig, publish
from pickaxe.flows.sources import encoder_of, located
from pickaxe.flows.task import Task
from pickaxe.flows.training_set import AssembleConfig, DivideConfig, assemble, divide
from pickaxe.flows.watching import home_requests, watch
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.cost import Cost
from pickaxe.kernel.nouns import Artifact, Endpoint, Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.train.service import predict, train_teacher

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
    report: Artifact | None = None
    """The report that a server wrote, when the line was carried out there."""

    @property
    def model(self) -> Artifact:
        return self.rounds[-1].model

    def cost(self, workspace: Elsewhere | Workspace) -> Cost:
        """The bill of the newest model."""
        return workspace.cost(self.model)


class Elsewhere(Protocol):
    """A workspace behind a server: the line is carried out there."""

    def produce(self, task: Task | Path | str, *, watcher: LineWatcher | None = None) -> Product: ...

    def cost(self, artifact: Artifact, /) -> Cost: ...


def produce(
    task: Task | Path | str, workspace: Workspace | Elsewhere, *, watcher: LineWatcher | None = None, desk: bool = False
) -> Product:
    """Run the line for `task` (or a task file) and publish its model as ``<task>/model@production`` behind endpoint ``<task>``.

    Every stage is cached: after a kill the same call goes on where it stopped, and an identical call ends in seconds.
    With `desk`, people answer in the console and not at this terminal: `AnswersWanted` is raised whenever they have to, and the
    same call goes on when they have. A line that a server carries out always does that, and waits by itself.

    Raises `BadInput` for data that cannot be used, `GateFailed` when a student is not good enough (nothing is published then).
    """
    if not isinstance(workspace, Workspace):
        return workspace.produce(task, watcher=watcher)
    if not isinstance(task, Task):
        task = Task.load(Path(task))
    line = Line(workspace, task.name, watcher or Nobody(), ceiling=task.limits.ceiling, desk=desk)
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
            product.rounds[-1].artifacts |= watch(line, task, task.traffic, made, product.model)
        annotations = made["annotations"]
    return product


def label_only(task: Task, workspace: Workspace, *, watcher: LineWatcher | None = None) -> int:
    """Run the line up to the labels; returns how many answers there are. `produce` goes on from there."""
    line = Line(workspace, task.name, watcher or Nobody(), ceiling=task.limits.ceiling)
    base = _prepare(line, task)
    return label_pool(line, task, base["pool"], None, None)["annotations"].meta["rows"]


def _prepare(line: Line, task: Task) -> dict[str, Artifact]:
    """Raw file -> rows -> pool, frozen test, held-out traffic."""
    refuse_early(task)
    file = located(task.data, line.watcher)
    source = line.workspace.import_files(file, f"{task.name}/source")
    reading = settled(file, file.name, task.ingest) if file.is_file() else task.ingest
    taken = line.stage("ingest", ingest, reading, {"source": source}, counts="rows", cores=1)
    profile = line.workspace.read_json(taken["profile"])
    if task.annotators != "people":
        remarks.refuse_labels(profile["classes"])
    _tell(line, remarks.of_rows(task.name, profile))
    kept = line.stage("curate", curate, task.curate, {"rows": taken["rows"]}, counts="pool", cores=1)
    _tell(line, remarks.of_curation(task.name, line.workspace.read_json(kept["curation"])))
    if task.traffic is not None:
        home_requests(task, task.traffic, kept["traffic"])
    if task.annotators == "people":
        _refuse_small_test(
            task, kept.outputs, min(kept["test"].meta["rows"], task.test_labels)
        )  # before anybody has worked for it
        test = label_test_sample(line, task, kept["test"])
    else:
        test = labelled_test(line, task, kept["test"], taken["profile"])
    _refuse_small_test(task, kept.outputs, test.meta["rows"])
    return {**taken.outputs, **kept.outputs, "test": test}


def _tell(line: Line, told: Iterable[str]) -> None:
    for text in told:
        line.watcher.note(f"{line.task}: {text}")


def _refuse_small_test(task: Task, kept: Mapping[str, Artifact], labelled: int) -> None:
    """Raise `BadInput` when the gate is bound to fail for want of test rows: now, and not after the training.

    `kept` are the splits, `labelled` the rows of the test split that have a label, or will get one from people.
    """
    wanted, people = task.gate.min_test_rows, task.annotators == "people"
    if labelled >= wanted:
        return
    in_split, in_all = kept["test"].meta["rows"], sum(kept[name].meta["rows"] for name in SPLITS if name in kept)
    times = wanted / max(in_split if people else labelled, 1)
    share = math.ceil(100 * task.curate.test_share * times) / 100
    ways = (
        [f"bring about {math.ceil(10 * times) / 10:g} times as many {'rows' if people else 'labelled rows'}"] if times > 1 else []
    )
    if ways and share <= _LARGEST_TEST_SHARE:
        ways.append(f"set more of them apart (--set curate.test_share={share:g})")
    if people and task.test_labels < wanted:
        more = f"let people label more of them (--set test_labels={wanted})"
        ways = [f"{way} and {more}" for way in ways] or [more]
    ways.append(f"be content with a verdict that is less sure (--set gate.min_test_rows={labelled})")
    of_them = f"; {labelled} of those {'would get' if people else 'have'} a label" if labelled < in_split else ""
    raise BadInput(
        "there are too few test rows for the gate to judge a model by",
        expected=f"at least {wanted} with a label (gate.min_test_rows)",
        got=f"{labelled}: of the {in_all} rows left after curating, {in_split} were drawn for the test{of_them}",
        remedy=", or ".join(ways),
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
