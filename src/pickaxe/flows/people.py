"""People at the terminal or at the desk: each answer is an event the moment it is given; the campaign goes on where it was left."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Iterable, Mapping, Sequence

from pickaxe.data.label.annotators import Annotation, Quit
from pickaxe.data.label.config import SelectConfig
from pickaxe.data.label.desk import Budget
from pickaxe.data.label.rounds import Choose, label_batches, label_rounds
from pickaxe.data.label.rows import REVIEW, AnnotationRow, from_table, to_table
from pickaxe.data.label.select import Chosen, Wanted
from pickaxe.data.label.service import select
from pickaxe.data.label.standing import Standing
from pickaxe.data.label.terminal import TerminalAnnotator
from pickaxe.flows.desk import answers_each, wait_for
from pickaxe.flows.line import Line
from pickaxe.flows.task import Task
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput, RunCancelled
from pickaxe.kernel.ledger.human import KIND
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.step import StepContext
from pickaxe.kernel.wording import counted

_TEST = "test"
_PURPOSE = {
    "test sample": "First a test sample: the finished model is judged by your answers to these texts, it never learns from them.",
    "pool": "The pool: the model learns from your answers to these texts.",
}


def refuse_early(task: Task) -> None:
    """Say what is missing before anything is read or written.

    Raises `BadInput` for a path that is not there, and for people without classes or without a budget.
    """
    for path in task.missing():
        address = path.startswith(("http:/", "https:/", "s3:/", "gs:/"))
        remedy = "addresses are not fetched: download it first, and name the file" if address else "check the path"
        raise BadInput(f"{path} does not exist", expected="a file or folder", remedy=remedy)
    if task.annotators == "people":
        _classes(task)
        Budget(task.label)


def ask_people(line: Line, task: Task, inputs: Mapping[str, Artifact]) -> Artifact:
    """Let the person in front of the terminal, or whoever comes to the desk, label until the budget is spent; all `annotations`.

    Raises `BadInput` when the task names no classes, `Unavailable` without a terminal, `RunCancelled` when the person quits,
    `AnswersWanted` as long as a batch on the desk is not answered.
    """
    classes = _classes(task)
    pool = line.workspace.read_table(inputs["pool"], ["row_key", "text"]).to_pylist()
    prior = from_table(line.workspace.read_table(inputs["annotations"])) if "annotations" in inputs else []
    standing = Standing.of(line.workspace.log, line.task)  # one moment's view: answers may come in while the line chooses
    done = [row for row in _given_before(line, standing, exclude=prior) if row.arm != _TEST]
    texts = {row["row_key"]: row["text"] for row in pool}
    choose = _Chooser(line, task, inputs)
    budget = task.label.max_labels
    if line.desk:
        each = answers_each(task)

        def ask(batch: Sequence[Chosen], round_: int) -> None:
            wait_for(line, task, standing, batch, texts, round=round_, overlap=each, purpose=_PURPOSE["pool"])

        done = [row for row in done if row.row_key in texts]
        done = label_batches(task.label, choose, ask, people=each, prior=prior, done=done)
    elif budget is None or len({(row.row_key, row.annotator) for row in done}) < budget:
        goal = min(budget, len(pool)) if budget is not None else None
        person = _Person(line, task, "pool", {row.row_key for row in done}, goal)
        # `done` as it is now: the list grows below.
        rounds = label_rounds(texts, [person], classes, task.label, choose, prior=prior, done=tuple(done))
        done += person.answers(rounds)
    return _kept(line, [*done, *_decided(standing, texts, exclude=prior)], inputs.get("annotations"))


def label_test_sample(line: Line, task: Task, test: Artifact) -> Artifact:
    """Let people label a uniform sample of the frozen test split that has no labels of its own; returns it with labels.

    Raises as `ask_people` does.
    """
    rows = line.workspace.read_table(test).to_pylist()
    if all(row["label"] is not None for row in rows):
        return test
    sample = sorted(rows, key=lambda row: row["row_key"])[: task.test_labels]
    standing = Standing.of(line.workspace.log, line.task)
    believed = (row for row in _given_before(line, standing, exclude=[]) if not {row.annotator, row.row_key} & set(task.without))
    keys = {row["row_key"] for row in sample}
    given = {row.row_key: row for row in believed if row.row_key in keys}
    waiting = [row for row in sample if row["row_key"] not in given]
    if waiting and line.desk:
        batch = [Chosen(row["row_key"], _TEST) for row in sample]
        wait_for(line, task, standing, batch, {row["row_key"]: row["text"] for row in sample}, purpose=_PURPOSE["test sample"])
    elif waiting:
        plan = task.label.model_copy(update={"max_labels": len(waiting), "audit_share": 0.0, "overlap_share": 0.0, "rounds": 1})
        person = _Person(line, task, "test sample", given.keys(), len(sample))
        texts = {row["row_key"]: row["text"] for row in waiting}
        for row in person.answers(label_rounds(texts, [person], _classes(task), plan, _all_of(texts))):
            given[row.row_key] = row
    answers = [given[row["row_key"]] for row in sample if row["row_key"] in given]
    answers += [row for row in _decided(standing, given, exclude=[]) if row.annotator not in task.without]
    annotations = _kept(line, answers, None, stage="test-answers")
    inputs, scope = {"rows": test, "annotations": annotations}, f"{line.task}/test"
    return line.stage("test-sample", attach_labels, KeepConfig(), inputs, counts="test_sample", scope=scope, cores=1)[
        "test_sample"
    ]


class _Person:
    """The person at the terminal (an `Annotator`): told what is being labelled and how far it is, stopped when they quit."""

    simulated = False

    def __init__(self, line: Line, task: Task, what: str, on_record: Collection[str], goal: int | None) -> None:
        self.name = getpass.getuser()
        self._line, self._what, self._goal = line, what, goal
        self._on_record = set(on_record)
        self._heading, self._quit = "", False
        guidelines = "\n".join(filter(None, (_PURPOSE[what], task.intended_use)))
        self._terminal = TerminalAnnotator(self.name, guidelines=guidelines, heading=lambda: self._heading)

    def annotate(self, row_key: str, text: str, classes: Sequence[str]) -> Annotation | None:
        number = len(self._on_record) + (row_key not in self._on_record)  # after an undo the same text comes again
        self._heading = f"{self._what} · {number}" + (f" of {self._goal}" if self._goal is not None else "")
        self._line.watcher.asking()
        try:
            return self._terminal.annotate(row_key, text, classes)
        except Quit:
            self._quit = True
            raise

    def answers(self, rounds: Iterable[AnnotationRow]) -> list[AnnotationRow]:
        """All of `rounds`, each kept as an event the moment it is given. Raises `RunCancelled` when the person quit before the end."""
        given: list[AnnotationRow] = []
        for row in rounds:
            self._line.workspace.emit("annotation", row.row_key, name=self._line.task, body=row.body())
            self._on_record.add(row.row_key)
            given.append(row)
        count = len(self._on_record)
        if self._quit and (self._goal is None or count < self._goal):
            so_far = f"{count} of {self._goal} answers" if self._goal is not None else counted(count, "answer")
            raise RunCancelled(
                f"labelling was stopped: {so_far} ({self._what}) on record",
                remedy="run the same command again to go on",
            )
        return given


class _Chooser:
    """Chooses the next batch with the step `select`, so that choosing is cached, metered and in the lineage."""

    def __init__(self, line: Line, task: Task, inputs: Mapping[str, Artifact]) -> None:
        self._line, self._task, self._inputs = line, task, dict(inputs)

    def __call__(self, answers: Sequence[AnnotationRow], round_: int, wanted: Wanted, skipped: Collection[str]) -> list[Chosen]:
        inputs = dict(self._inputs)
        if answers:
            table = to_table(answers)
            inputs["annotations"] = self._line.workspace.import_table(table, f"{self._line.task}/answers-so-far", kind="answers")
        config = SelectConfig(
            round=round_,
            audit=wanted.audit,
            active=wanted.active,
            random=wanted.random,
            strategy=self._task.label.strategy,
            classes=self._task.label.classes,
            exclude=tuple(sorted(skipped)),
            seed=self._task.label.seed,
        )
        batch = self._line.stage("select", select, config, inputs, counts="batch", cores=1)["batch"]
        return [Chosen(row["row_key"], row["arm"]) for row in self._line.workspace.read_table(batch).to_pylist()]


def _all_of(texts: Mapping[str, str]) -> Choose:
    def choose(answers: Sequence[AnnotationRow], round_: int, wanted: Wanted, skipped: Collection[str]) -> list[Chosen]:
        answered = {row.row_key for row in answers}
        return [Chosen(key, _TEST) for key in texts if key not in answered and key not in skipped]

    return choose


def _given_before(line: Line, standing: Standing, *, exclude: Sequence[AnnotationRow]) -> list[AnnotationRow]:
    """The answers of this task that stand, and what they corrected, oldest first, without those that an earlier round has used."""
    used = {(row.row_key, row.annotator) for row in exclude}
    events = (event for event in line.workspace.log.each("annotation") if event.name == line.task)
    found = (row for event in events if (row := AnnotationRow.of(event.body)) and row.arm != REVIEW)
    holds = standing.answers.keys() - used
    return [row for row in found if (row.row_key, row.annotator) in holds]


def _decided(standing: Standing, keys: Collection[str], *, exclude: Sequence[AnnotationRow]) -> list[AnnotationRow]:
    """What reviewers decided about texts among `keys`, without what an earlier round has used."""
    rows = (row._replace(note="") for key, row in standing.decisions.items() if key in keys)
    return [row for row in rows if row not in exclude]


class KeepConfig(Config):
    """Nothing to decide."""


def keep_answers(ctx: StepContext, config: KeepConfig) -> None:
    """Append the input `answers` (new, from the desk) to the input `annotations`; the engine meters the people's time in them."""
    earlier = from_table(ctx.inputs["annotations"].table()) if "annotations" in ctx.inputs else []
    ctx.save_table("annotations", to_table([*earlier, *from_table(ctx.inputs["answers"].table())]), kind=KIND)


def attach_labels(ctx: StepContext, config: KeepConfig) -> None:
    """Those of the input `rows` that the input `annotations` has answers for, with the label, as `test_sample`."""
    import pyarrow as pa

    rows = ctx.inputs["rows"].table()
    labels = {row.row_key: row.label for row in from_table(ctx.inputs["annotations"].table())}
    kept = [row | {"label": labels[row["row_key"]]} for row in rows.to_pylist() if row["row_key"] in labels]
    ctx.save_table("test_sample", pa.Table.from_pylist(kept, schema=rows.schema))


def _kept(line: Line, answers: Sequence[AnnotationRow], earlier: Artifact | None, *, stage: str = "label") -> Artifact:
    imported = line.workspace.import_table(to_table(answers), f"{line.task}/{stage}-answers", kind="answers")
    inputs = {"answers": imported, **({"annotations": earlier} if earlier is not None else {})}
    scope = f"{line.task}/test" if stage != "label" else ""
    return line.stage(stage, keep_answers, KeepConfig(), inputs, counts="annotations", scope=scope, cores=1)["annotations"]


def _classes(task: Task) -> tuple[str, ...]:
    if task.label.classes is None:
        raise BadInput(
            "people need to know the classes",
            expected="two names or more",
            got="none",
            remedy="if the data has labels, name their column: --label COLUMN; "
            'otherwise name the classes: --classes "urgent,not urgent", or classes = [...] under [label] of the task file',
            reason="classes_wanted",
        )
    return task.label.classes
