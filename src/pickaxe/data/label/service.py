"""The labelling steps: `label` (simulated annotators), and for people `select` (the next batch) and `adjudicate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pickaxe.data.label import rows as tables
from pickaxe.data.label.adjudicate import Adjudication, decided
from pickaxe.data.label.adjudicate import adjudicate as adjudicated
from pickaxe.data.label.annotators import SimulatedAnnotator
from pickaxe.data.label.config import AdjudicateConfig, LabelConfig, SelectConfig
from pickaxe.data.label.curves import learning_curves
from pickaxe.data.label.desk import SECONDS_PER_HOUR
from pickaxe.data.label.report import labelling_report
from pickaxe.data.label.rounds import label_rounds
from pickaxe.data.label.rows import AnnotationRow
from pickaxe.data.label.select import Selector, Wanted, uniform
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.step import StepContext

if TYPE_CHECKING:
    import pyarrow as pa

_ON_GOLD = (
    "a uniform random sample of the pool that was set aside before labelling and never labelled, against the labels that came with "
    "the data set: possible in a simulation only"
)
_ON_AUDIT = "the blind audit sample, against its adjudicated labels"


def label(ctx: StepContext, config: LabelConfig) -> None:
    """A labelling campaign with simulated annotators, who alone see the gold labels.

    Inputs: table `pool` (`label` holds the gold labels; rows without one are left alone); optional table `annotations` with the
    answers so far (earlier campaigns, or feedback as arm ``feedback``); optional table `texts` (row_key, text) with the texts of
    annotations that are not about the pool.

    Outputs:
        annotations: earlier and new answers.
        campaign: JSON for `adjudicate`: `classes`, `budget` and `curves` (see `curves.learning_curves`).

    Raises `BadInput` for a budget of 0, a pool without gold labels, gold labels outside `classes`, and answers about unknown texts.
    """
    gold = _gold_labels(ctx.inputs["pool"].table())
    classes = _gold_classes(gold, config.classes)
    texts, extra, prior = _given(ctx)
    held_aside = uniform(
        set(gold) - {row.row_key for row in prior}, min(config.curve_rows, len(gold) // 10), f"{config.seed}:held-aside"
    )
    selector = Selector(
        {key: text for key, text in texts.items() if key in gold},
        strategy=config.strategy,
        seed=config.seed,
        extra=extra,
        reserved=sorted(held_aside),
    )
    people = [
        SimulatedAnnotator(gold, person.error_rate, person.seconds, config.seed, person.name) for person in config.annotators
    ]
    new: list[AnnotationRow] = []
    for row in label_rounds(texts, people, classes, config, selector, prior=prior):
        new.append(row)
        if len(new) % 25 == 0:
            ctx.progress(len(new), config.max_labels or len(new) + 100, f"round {row.round}, {len(new)} answers")
    everything = [*prior, *new]
    _refuse_unknown(everything, {**texts, **extra})
    result = adjudicated(_votes(everything), classes)
    curves = _curves(selector, everything, result, [(key, gold[key]) for key in held_aside], _ON_GOLD, config.seed)
    ctx.save_table("annotations", tables.to_table(everything), kind="annotations")
    ctx.save_json("campaign", {"classes": classes, "budget": _spent(new, config), "curves": curves})
    ctx.metric("labels", len(new))
    ctx.progress(1, 1, f"{len(new)} answers about {len({row.row_key for row in new})} texts (simulated)")


def select(ctx: StepContext, config: SelectConfig) -> None:
    """Choose the next batch for people. Inputs as for `label`; gold labels in the pool, if any, are not looked at.

    Output: table `batch` (`rows.batch_schema`), empty when the pool is used up.
    """
    texts, extra, answers = _given(ctx)
    selector = Selector(texts, strategy=config.strategy, seed=config.seed, extra=extra)
    wanted = Wanted(config.audit, config.active, config.random)
    ctx.progress(0, 1, f"{len(texts):,} texts, {len(answers):,} answers")
    chosen = selector(answers, config.round, wanted, config.exclude)
    import pyarrow as pa

    columns = [[item.row_key for item in chosen], [texts[item.row_key] for item in chosen], [item.arm for item in chosen]]
    arrays = [pa.array(column, type=pa.string()) for column in columns]
    ctx.save_table("batch", pa.table(arrays, schema=tables.batch_schema()), kind="batch", meta={"round": config.round})


def adjudicate(ctx: StepContext, config: AdjudicateConfig) -> None:
    """One label per text from everybody's answers; where a reviewer decided, that label.

    Inputs `pool`, `annotations`, optional `texts`, as for `label`; optional `campaign`, what `label` said about simulated annotators:
    their true errors are told then.

    Outputs: table `gold` (`rows.gold_schema`), and JSON `labelling` (`report.labelling_report`). Without a campaign the learning
    curves are measured on the audit sample, for the report only.

    Raises `BadInput` when there are no answers, for answers about unknown texts or outside `classes`, for one class only, and for a
    class of `classes` without a single answer.
    """
    texts, extra, given = _given(ctx)
    _refuse_unknown(given, {**texts, **extra})
    believed = [row for row in given if not {row.annotator, row.row_key} & set(config.without)]
    answers, decisions = tables.parted(believed)
    answered = {row.row_key for row in answers}
    answers += [row for row in decisions.values() if row.row_key not in answered]
    if not answers:
        raise BadInput(
            "there are no answers to adjudicate",
            expected="annotations",
            got=f"{len(given)}, all of them to be left out" if given else "none",
            remedy="let somebody else label" if given else "label some texts first",
        )
    campaign = ctx.inputs["campaign"].json() if "campaign" in ctx.inputs else None
    classes = _classes_of(believed, config, campaign)
    result = decided(adjudicated(_votes(answers), classes), {key: row.label for key, row in decisions.items()})
    _refuse_one_class(result, required=config.classes or ())
    if campaign is not None:
        document = labelling_report(answers, result, classes, _gold_labels(ctx.inputs["pool"].table()))
        document |= {name: campaign[name] for name in ("budget", "curves")}
    else:
        document = labelling_report(answers, result, classes, None)
        arm = tables.arms(answers)
        audit = [(key, label) for key, label in zip(result.items, result.labels, strict=True) if arm[key] == "audit"]
        document["curves"] = _curves(Selector(texts, extra=extra), answers, result, audit, _ON_AUDIT, config.seed)
    document["without"] = {"named": list(config.without), "answers_left_out": len(given) - len(believed)}
    document["decided"] = len(decisions)
    ctx.save_table("gold", _gold_table(believed, result, {**extra, **texts}), kind="labels", meta={"classes": classes})
    ctx.save_json("labelling", document)


def _classes_of(answers: Sequence[AnnotationRow], config: AdjudicateConfig, campaign: Mapping[str, Any] | None) -> list[str]:
    found = {row.label for row in answers}
    classes = list(config.classes or (campaign or {}).get("classes") or sorted(found))
    if strange := sorted(found - set(classes)):
        raise _outside(strange, classes, "answers")
    return classes


def _given(ctx: StepContext) -> tuple[dict[str, str], dict[str, str], list[AnnotationRow]]:
    """The pool's texts, other texts, and the answers so far."""
    texts = _texts(ctx.inputs["pool"].table())
    extra = _texts(ctx.inputs["texts"].table()) if "texts" in ctx.inputs else {}
    answers = tables.from_table(ctx.inputs["annotations"].table()) if "annotations" in ctx.inputs else []
    return texts, {key: text for key, text in extra.items() if key not in texts}, answers


def _texts(table: pa.Table) -> dict[str, str]:
    return dict(zip(table["row_key"].to_pylist(), table["text"].to_pylist(), strict=True))


def _gold_labels(pool: pa.Table) -> dict[str, str]:
    pairs = zip(pool["row_key"].to_pylist(), pool["label"].to_pylist(), strict=True)
    return {key: label for key, label in pairs if label is not None}


def _gold_classes(gold: Mapping[str, str], asked: Sequence[str] | None) -> list[str]:
    if not gold:
        raise BadInput(
            "nothing to simulate annotators from",
            expected="gold labels in the column label of the pool",
            got="none",
            remedy="name the label column when reading the data, or let people label",
        )
    found = sorted(set(gold.values()))
    if asked is not None and (strange := sorted(set(found) - set(asked))):
        raise _outside(strange, asked, "gold labels")
    if len(found) < 2:
        raise BadInput(
            f"the data holds one class only: {found[0]!r}",
            expected="gold labels of two classes or more",
            got=f"{len(gold)} rows of class {found[0]!r}",
            remedy="check the label column, or add rows of another class",
        )
    return list(asked) if asked is not None else found


def _outside(strange: Sequence[str], classes: Sequence[str], what: str) -> BadInput:
    return BadInput(
        f"{what} outside the classes: {', '.join(map(repr, strange[:10]))}",
        expected=f"only {', '.join(map(repr, classes))}",
        remedy="add them to classes, or correct the labels",
        labels=list(strange),
    )


def _refuse_unknown(rows: Sequence[AnnotationRow], texts: Mapping[str, str]) -> None:
    unknown = sorted({row.row_key for row in rows} - set(texts))
    if unknown:
        raise BadInput(
            f"{len(unknown)} annotated texts are neither in the pool nor among the other texts",
            expected="the text of every annotation",
            got=f"row keys {', '.join(unknown[:5])}",
            remedy="hand in their texts as input `texts` (row_key, text)",
            row_keys=unknown,
        )


def _refuse_one_class(result: Adjudication, required: Sequence[str]) -> None:
    seen = set(result.labels)
    if len(seen) < 2:
        raise BadInput(
            f"only one class was seen: {', '.join(sorted(seen)) or 'none'}",
            expected="answers of two classes or more",
            got=f"{len(result.labels)} labelled texts, all alike",
            remedy="label more rows so that rarer classes turn up (people: raise the budget), or check the classes of the task",
        )
    if missing := [name for name in required if name not in seen]:
        raise BadInput(
            f"no text was labelled {', '.join(map(repr, missing))}",
            expected="at least one labelled text of every class",
            got=", ".join(f"{name!r}: {result.labels.count(name)}" for name in required),
            remedy="label more rows (people: raise the budget), remove the class from classes, or add texts of it",
            classes=missing,
        )


def _votes(rows: Sequence[AnnotationRow]) -> list[tuple[str, str, str]]:
    return [(row.row_key, row.annotator, row.label) for row in tables.latest(rows)]


def _gold_table(rows: Sequence[AnnotationRow], result: Adjudication, texts: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    arm = tables.arms(rows)
    who: dict[str, list[str]] = {}
    for row in tables.latest(rows):
        who.setdefault(row.row_key, []).append(row.annotator)
    columns: list[list[Any]] = [
        result.items,
        [texts[key] for key in result.items],
        result.labels,
        [round(float(value), 6) for value in result.confidence],
        [sorted(who[key]) for key in result.items],
        [arm[key] for key in result.items],
    ]
    schema = tables.gold_schema()
    return pa.table([pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _spent(new: Sequence[AnnotationRow], config: LabelConfig) -> dict[str, Any]:
    seconds = sum(row.seconds for row in new)
    price = config.price_per_hour
    return {
        "max_labels": config.max_labels,
        "max_cost": config.max_cost,
        "answers": len(new),
        "seconds": round(seconds, 3),
        "cost": None if price is None else round(seconds * price / SECONDS_PER_HOUR, 6),
        "price_per_hour": price,
    }


def _curves(
    selector: Selector,
    rows: Sequence[AnnotationRow],
    result: Adjudication,
    truth: Sequence[tuple[str, str]],
    measured_how: str,
    seed: int,
) -> dict[str, Any]:
    arm, labels = tables.arms(rows), dict(zip(result.items, result.labels, strict=True))
    by_arm: dict[str, list[tuple[int, str]]] = {"active": [], "random": []}
    for key, name in arm.items():
        if name in by_arm and key in selector.places:
            by_arm[name].append((selector.places[key], labels[key]))
    measured = [(selector.places[key], value) for key, value in truth if key in selector.places]
    document = learning_curves(selector.features.sparse, by_arm, measured, seed)
    return document | {
        "how": f"the fast model (TF-IDF and logistic regression) trained on the first labels of one arm, measured on {measured_how}",
        "intervals": "95% percentile bootstrap over the measured texts; difference = active - random on the same texts",
    }
