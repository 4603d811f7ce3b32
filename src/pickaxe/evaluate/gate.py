"""Hold a candidate against the untouched test set, and against the models it must beat or match."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pickaxe.evaluate import bootstrap
from pickaxe.evaluate import metrics as m
from pickaxe.evaluate.config import GateConfig
from pickaxe.evaluate.rules import REMEDIES, Rule, decide
from pickaxe.evaluate.tables import aligned, overlap, require_columns, require_labels, require_unique
from pickaxe.kernel.errors import BadInput, GateFailed

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from pickaxe.kernel.step import StepContext

MODELS = ("candidate", "baseline", "teacher", "incumbent")
SHOWN_ROWS = 20
SHOWN_TEXT = 200


def gate(ctx: StepContext, config: GateConfig) -> None:
    """Measure the candidate and decide every rule. A failed gate still succeeds as a step; `require_passed` stops the line.

    Inputs:
        candidate: model; or `candidate_predictions`, a predictions table over the test rows.
        baseline, teacher, incumbent: models, each optional; or `…_predictions` tables, which save predicting again. A table's
            class order is read from its `classes` meta; without it that model gets no Brier score.
        test: rows with row_key, text, label.
        train: optional training_set, for the overlap check by row_key and text.

    Output: JSON `verdict`.

    Raises:
        BadInput: the test rows are empty, unlabelled or repeated, or a predictions table lacks some of them.
    """
    test = ctx.inputs["test"].table()
    _check(test)
    said = {name: _predictions(ctx, name, test, config) for name in MODELS}
    said = {name: predictions for name, predictions in said.items() if predictions}
    if "candidate" not in said:
        raise BadInput("the gate has no candidate", expected="an input candidate or candidate_predictions",
                       got=", ".join(ctx.inputs), remedy="hand over the model to be judged")  # fmt: skip

    labels = [str(label) for label in test["label"].to_pylist()]
    classes = sorted({*labels, *(label for item in said.values() for label in (*item.known, *item.labels))})
    outcomes = {name: item.outcome(labels, classes) for name, item in said.items()}
    ctx.progress(0.9, 1, f"bootstrap, {config.resamples} resamples")
    samples = bootstrap.resampled(outcomes, resamples=config.resamples, seed=ctx.seed, bins=config.bins)
    verdict = _verdict(ctx, config, test, labels, classes, said, outcomes, samples)
    ctx.save_json("verdict", verdict, kind="report")
    ctx.metric("accuracy", verdict["models"]["candidate"]["accuracy"]["value"])
    ctx.metric("passed", float(verdict["passed"]))
    ctx.log(verdict["statement"], level="info" if verdict["passed"] else "warning")


def require_passed(verdict: Mapping[str, Any]) -> None:
    """Raise `GateFailed` that names the failed rules, for the flow to stop at."""
    failed = [rule for rule in verdict["rules"] if not rule["passed"]]
    if failed:
        raise GateFailed(
            f"the candidate failed {len(failed)} of {len(verdict['rules'])} rules of the gate",
            expected="every rule passed",
            got="; ".join(f"{rule['name']}: {rule['explanation']}" for rule in failed),
            remedy="; ".join(dict.fromkeys(f"{rule['name']}: {REMEDIES[rule['name']]}" for rule in failed)),
            rules=[rule["name"] for rule in failed],
        )


class Predictions:
    """One model's answers on the test rows, by label."""

    def __init__(self, labels: Sequence[str], confidence: np.ndarray, probs: np.ndarray | None, known: Sequence[str]) -> None:
        self.labels, self.confidence, self.probs, self.known = labels, confidence, probs, known

    def outcome(self, labels: Sequence[str], classes: Sequence[str]) -> m.Outcome:
        """Coded in the common order of classes; a class the model does not know gets probability 0."""
        import numpy as np

        code = {label: index for index, label in enumerate(classes)}
        probs = None
        if self.probs is not None:
            probs = np.zeros((len(labels), len(classes)))
            probs[:, [code[label] for label in self.known]] = self.probs
        true = np.array([code[label] for label in labels])
        predicted = np.array([code[label] for label in self.labels])
        return m.Outcome(true, predicted, self.confidence, probs, len(classes))


def _predictions(ctx: StepContext, name: str, test: pa.Table, config: GateConfig) -> Predictions | None:
    import numpy as np

    if f"{name}_predictions" in ctx.inputs:
        source = ctx.inputs[f"{name}_predictions"]
        table = source.table()
        require_columns(table, ["row_key", "label", "confidence", "probs"], f"{name}_predictions")
        table = aligned(table, test, f"{name}_predictions")
        known = [str(label) for label in source.artifact.meta.get("classes", [])]
        probs = np.array(table["probs"].to_pylist(), dtype=float) if known else None
        return Predictions([str(label) for label in table["label"].to_pylist()], table["confidence"].to_numpy(), probs, known)
    if name not in ctx.inputs:
        return None
    model, texts = ctx.inputs[name].predictor(), test["text"].to_pylist()
    parts = list[np.ndarray]()
    for start in range(0, len(texts), config.batch_size):
        parts.append(model.predict_proba(texts[start : start + config.batch_size]))
        ctx.progress(0.9 * (MODELS.index(name) + start / len(texts)) / len(MODELS), 1, f"{name}: {start} of {len(texts)} texts")
    probs, known = np.concatenate(parts).astype(float), [str(label) for label in model.classes]
    return Predictions([known[index] for index in probs.argmax(1)], probs.max(1), probs, known)


def _verdict(
    ctx: StepContext,
    config: GateConfig,
    test: pa.Table,
    labels: list[str],
    classes: list[str],
    said: Mapping[str, Predictions],
    outcomes: Mapping[str, m.Outcome],
    samples: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, Any]:
    models = {name: _model(outcomes[name], classes, samples[name], config) for name in said}
    comparisons = {name: _comparison(name, outcomes, models, samples, config) for name in said if name != "candidate"}
    support = Counter(labels)
    shared = overlap(test, ctx.inputs["train"].table()) if "train" in ctx.inputs else None
    digest = ctx.inputs["test"].artifact.digest
    rules = decide(
        config, data=f"test, {len(labels)} rows, {digest[:19]}", candidate=models["candidate"], comparisons=comparisons,
        majority=max(support.values()) / len(labels), rows=len(labels), overlap=None if shared is None else len(shared),
    )  # fmt: skip
    return {
        "passed": all(rule.passed for rule in rules),
        "statement": _statement(rules, models["candidate"]),
        "rules": [rule.as_dict() for rule in rules],
        "data": {
            "test": {"digest": digest, "rows": len(labels), "labels": {label: support[label] for label in classes}},
            "train": None
            if shared is None
            else {"digest": ctx.inputs["train"].artifact.digest, "overlap": len(shared), "overlapping": shared[:SHOWN_ROWS]},
        },
        "classes": classes,
        "models": models,
        "comparisons": comparisons,
        "worst_errors": _worst_errors(test, labels, said["candidate"], config.worst_errors),
        "notes": _notes(ctx, said, support, classes),
        "method": {
            "intervals": f"percentile bootstrap over test rows, {config.resamples} resamples, paired across models, "
            f"{config.confidence:.0%} (Efron & Tibshirani 1993)",
            "ece": f"{config.bins} equal-width bins of the top confidence (Guo et al. 2017)",
            "brier": "sum over classes, 0 to 2 (Brier 1950)",
            "mcnemar": "exact, two-sided (McNemar 1947)",
        },
    }


def _model(outcome: m.Outcome, classes: list[str], samples: Mapping[str, np.ndarray], config: GateConfig) -> dict[str, Any]:
    import numpy as np

    values = bootstrap.scores(outcome, np.ones((1, len(outcome.true))), config.bins)

    def measured(metric: str, at: int | None = None) -> dict[str, float | None]:
        pick = (slice(None),) if at is None else (slice(None), at)
        return _measured(values[metric][pick][0], samples[metric][pick], config)

    return {
        "accuracy": measured("accuracy"),
        "macro_f1": measured("macro_f1"),
        "ece": measured("ece"),
        "brier": measured("brier") if "brier" in values else None,
        "per_class": [
            {
                "label": label,
                "support": int((outcome.true == index).sum()),
                "predicted": int((outcome.predicted == index).sum()),
                **{metric: measured(metric, index) for metric in ("precision", "recall", "f1")},
            }
            for index, label in enumerate(classes)
        ],
        "confusion": {"labels": classes, "counts": m.confusion(outcome.true, outcome.predicted, len(classes)).tolist()},
        "reliability": m.reliability(outcome, config.bins),
    }


def _comparison(
    name: str,
    outcomes: Mapping[str, m.Outcome],
    models: Mapping[str, Any],
    samples: Mapping[str, Mapping[str, np.ndarray]],
    config: GateConfig,
) -> dict[str, Any]:
    """The candidate against another model on the same rows: difference, ratio and McNemar's test."""
    import numpy as np

    own, other = (models[which][config.metric]["value"] for which in ("candidate", name))
    own_samples, other_samples = (samples[which][config.metric] for which in ("candidate", name))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(other_samples > 0, own_samples / other_samples, np.nan)
    return {
        "metric": config.metric,
        "difference": _measured(own - other, own_samples - other_samples, config),
        "ratio": _measured(own / other if other else math.inf, ratios, config),
        "mcnemar": m.mcnemar(outcomes["candidate"].correct, outcomes[name].correct),
    }


def _measured(value: float, samples: np.ndarray, config: GateConfig) -> dict[str, float | None]:
    """A value with its interval; all None where it is not defined (a class without rows)."""
    ends = bootstrap.interval(samples, config.confidence)
    if ends is None or not math.isfinite(value):
        return {"value": None, "low": None, "high": None}
    return {"value": float(value), "low": ends[0], "high": ends[1]}


def _statement(rules: Sequence[Rule], candidate: Mapping[str, Any]) -> str:
    accuracy, failed = candidate["accuracy"], [rule.name for rule in rules if not rule.passed]
    measured = f"accuracy {accuracy['value']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}]"
    if failed:
        return f"failed {len(failed)} of {len(rules)} rules ({', '.join(failed)}); {measured}"
    return f"passed all {len(rules)} rules; {measured}"


def _worst_errors(test: pa.Table, labels: list[str], said: Predictions, count: int) -> list[dict[str, Any]]:
    """The errors of which the candidate was most confident."""
    keys, texts = test["row_key"].to_pylist(), test["text"].to_pylist()
    wrong = [index for index, (label, given) in enumerate(zip(labels, said.labels, strict=True)) if label != given]
    wrong.sort(key=lambda index: (-said.confidence[index], keys[index]))
    return [
        {"row_key": keys[index], "text": texts[index][:SHOWN_TEXT], "label": labels[index], "predicted": said.labels[index],
         "confidence": float(said.confidence[index])}
        for index in wrong[:count]
    ]  # fmt: skip


def _notes(ctx: StepContext, said: Mapping[str, Predictions], support: Mapping[str, int], classes: list[str]) -> list[str]:
    """What a reader of the verdict must know: classes without data, checks that could not be made."""
    known, notes = set(said["candidate"].known), list[str]()
    for label in classes:
        if known and label not in known and support[label]:
            notes.append(f"class {label!r} is unknown to the candidate: its {support[label]} test rows count as errors")
        if not support[label]:
            notes.append(f"class {label!r} has no test row: its recall and F1 are not measured and not in macro-F1")
    notes += [f"no {name} was given: the candidate is not compared with it" for name in MODELS if name not in said]
    if "train" not in ctx.inputs:
        notes.append("the training rows were not given: overlap between training and test was not checked")
    notes += [
        f"{name}: no class order in its predictions, hence no Brier score" for name, item in said.items() if item.probs is None
    ]
    return notes


def _check(test: pa.Table) -> None:
    require_columns(test, ["row_key", "text", "label"], "test")
    if not test.num_rows:
        raise BadInput("the test set is empty", expected="labelled rows that no model was trained on", got="0 rows",
                       remedy="keep a test split when the data is curated")  # fmt: skip
    require_unique(test, "test")
    require_labels(test, "test")
