"""Take over the teacher's labels where a blind audit bounds their error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pickaxe.evaluate import thresholds as th
from pickaxe.evaluate.config import AcceptConfig
from pickaxe.evaluate.tables import aligned, refuse_overlap, require_columns, require_labels, require_unique
from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from pickaxe.kernel.step import StepContext

ALL = "*"


def accept(ctx: StepContext, config: AcceptConfig) -> None:
    """Choose per class the loosest confidence threshold whose error is at most `max_error` with the stated confidence.

    Inputs:
        predictions: the teacher on the unlabelled pool (columns row_key, label, confidence, probs).
        audit_predictions: the teacher on the audit rows.
        audit: the people's labels of the audit rows (row_key, label); a uniform random sample of the pool, never trained on.
        pool: the texts (row_key, text).
        teacher: optional, the model; only its id is used, for `labelled_by`.
        train: optional, the rows the teacher was trained on; an audit row among them is refused, and none of them is taken over.

    Outputs: table `auto_labels` (row_key, text, label, confidence, probs, labelled_by), perhaps empty; JSON `acceptance`.

    Raises:
        BadInput: the tables do not fit together, or the audit is empty, unlabelled or was trained on.
    """
    predictions, audit = ctx.inputs["predictions"].table(), ctx.inputs["audit"].table()
    audited = ctx.inputs["audit_predictions"].table()
    _check(predictions, audited, audit)
    candidates = _without(predictions, audit)
    if "train" in ctx.inputs:
        train = ctx.inputs["train"].table()
        refuse_overlap(audit, train, what="audit", other_name="the teacher's training rows")
        candidates = _without(candidates, train)

    groups = _decide(candidates, aligned(audited, audit, "audit_predictions"), audit, config)
    auto_labels = _auto_labels(candidates, ctx.inputs["pool"].table(), groups, _teacher(ctx), config)
    document = _document(groups, candidates, audit, auto_labels.num_rows, config)
    ctx.save_table("auto_labels", auto_labels, kind="labels")
    ctx.save_json("acceptance", document, kind="report")
    ctx.metric("accepted", auto_labels.num_rows)
    ctx.metric("coverage", document["coverage"])
    ctx.log(document["statement"])


@dataclass
class Group:
    """A class (or all of them together), its walk over thresholds and what came of it."""

    label: str
    confidences: np.ndarray
    audit_confidences: np.ndarray
    audit_wrong: np.ndarray
    tested: list[th.Tested]
    delta: float
    reason: str | None = None
    labels_needed: int | None = None

    @property
    def chosen(self) -> th.Tested | None:
        """The loosest certified threshold."""
        certified = [step for step in self.tested if step.certified]
        return certified[-1] if certified else None

    @property
    def threshold(self) -> float | None:
        return self.chosen.threshold if self.chosen else None


def _decide(candidates: pa.Table, audited: pa.Table, audit: pa.Table, config: AcceptConfig) -> list[Group]:
    """Test every group's thresholds; the error level is shared by the groups whose audit can be large enough at all.

    Which groups those are follows from the pool alone, so that the choice is no peek at the audit's labels.
    """
    import numpy as np

    pool_labels, confidences = _group_labels(candidates, config), candidates["confidence"].to_numpy()
    audit_labels, audit_confidences = _group_labels(audited, config), audited["confidence"].to_numpy()
    wrong = np.array(audited["label"].to_pylist(), dtype=object) != np.array(audit["label"].to_pylist(), dtype=object)
    shares = {label: float((pool_labels == label).mean()) for label in sorted(set(pool_labels))}
    eligible, delta = _eligible(shares, audit.num_rows, config)
    smallest = max(config.min_audit, th.smallest_audit(config.max_error, delta / config.starts))

    groups = list[Group]()
    for label, share in shares.items():
        own, own_audit = confidences[pool_labels == label], audit_labels == label
        group = Group(label, own, audit_confidences[own_audit], wrong[own_audit], [], delta)
        if label in eligible:
            cuts = th.grid(own, th.strictest_coverage(share * audit.num_rows, smallest), config.grid)
            group.tested = th.walk(
                cuts, [float((own >= cut).mean()) for cut in cuts], group.audit_confidences, group.audit_wrong,
                max_error=config.max_error, delta=delta, starts=config.starts, min_audit=config.min_audit,
            )  # fmt: skip
            _explain(group, audit.num_rows, config)
        else:
            group.labels_needed = max(1, int(np.ceil(smallest / share)) - audit.num_rows)
            group.reason = (
                f"too few audit rows: about {share * audit.num_rows:.0f} are expected among {audit.num_rows}, at least "
                f"{smallest} are needed; label about {group.labels_needed} more audit rows, drawn uniformly at random"
            )
        groups.append(group)
    return groups


def _eligible(shares: dict[str, float], audit_rows: int, config: AcceptConfig) -> tuple[set[str], float]:
    """The groups that can expect enough audit rows, and the error level of each."""
    eligible = set(shares)
    while True:
        delta = (1 - config.confidence) / max(1, len(eligible))
        smallest = max(config.min_audit, th.smallest_audit(config.max_error, delta / config.starts))
        kept = {label for label in eligible if shares[label] * audit_rows >= smallest}
        if kept == eligible:
            return eligible, delta
        eligible = kept


def _explain(group: Group, audit_rows: int, config: AcceptConfig) -> None:
    if group.chosen:
        return
    first = next(step for step in group.tested if step.level > 0)
    group.labels_needed = th.labels_needed(
        group.tested, audit_rows=audit_rows, max_error=config.max_error, delta=group.delta / config.starts
    )
    advice = (
        f"about {group.labels_needed} more audit labels, drawn uniformly at random, would probably be enough"
        if group.labels_needed
        else "the observed error is too close to max_error for more audit labels to help: improve the teacher or raise max_error"
    )
    group.reason = (
        f"no threshold could be certified: {first.audit_errors} of {first.audit_n} audit rows are wrong at confidence >= "
        f"{first.threshold:.3f}, where the walk starts; {advice}"
    )


def _auto_labels(
    candidates: pa.Table, pool: pa.Table, groups: list[Group], teacher: str, config: AcceptConfig
) -> pa.Table:  # fmt: skip
    import numpy as np
    import pyarrow as pa

    labels, confidences = _group_labels(candidates, config), candidates["confidence"].to_numpy()
    taken = np.zeros(candidates.num_rows, dtype=bool)
    for group in groups:
        if group.threshold is not None:
            taken |= (labels == group.label) & (confidences >= group.threshold)
    accepted = candidates.filter(pa.array(taken))
    require_columns(pool, ["row_key", "text"], "pool")
    texts = aligned(pool, accepted, "pool")["text"].combine_chunks()
    columns = {name: accepted[name].combine_chunks() for name in ("row_key", "label", "confidence", "probs")}
    by = pa.array([teacher] * accepted.num_rows, type=pa.string())
    return pa.table(
        {
            "row_key": columns["row_key"].cast(pa.string()),
            "text": texts.cast(pa.string()),
            "label": columns["label"].cast(pa.string()),
            "confidence": columns["confidence"].cast(pa.float64()),
            "probs": columns["probs"].cast(pa.list_(pa.float64())),
            "labelled_by": by,
        }
    )


def _document(groups: list[Group], candidates: pa.Table, audit: pa.Table, accepted: int, config: AcceptConfig) -> dict[str, Any]:
    certified = [group for group in groups if group.chosen]
    scope = "each accepted class" if config.scope == "class" else "all accepted labels together"
    if certified:
        statement = (
            f"{accepted:,} of {candidates.num_rows:,} pool rows get the teacher's label: with {config.confidence:.0%} confidence "
            f"the error of {scope} is at most {config.max_error:.0%}"
        )
    elif not candidates.num_rows:
        statement = "nothing is accepted: the pool has no rows beyond those that people labelled"
    else:
        statement = "nothing is accepted: " + "; ".join(f"{group.label}: {group.reason}" for group in groups)
    return {
        "max_error": config.max_error,
        "confidence": config.confidence,
        "scope": config.scope,
        "method": th.METHOD,
        "source": th.SOURCE,
        "assumptions": [
            "the audit rows are a uniform random sample of the pool, chosen blind to the teacher's confidence",
            "rows that people labelled are not taken over; where they were picked for being hard, the rest is easier than the audit",
            "the error is counted against the audit's labels as people gave them; their own errors are part of it",
            "each group gets an equal share of the error level (Bonferroni)",
        ],
        "statement": statement,
        "pool_rows": candidates.num_rows,
        "accepted": accepted,
        "coverage": accepted / candidates.num_rows if candidates.num_rows else 0.0,
        "audit_rows": audit.num_rows,
        "audit_errors": int(sum(group.audit_wrong.sum() for group in groups)),
        "classes": [_group_document(group, config) for group in groups],
        "never_predicted": sorted(
            {str(label) for label in audit["label"].to_pylist()} - {str(label) for label in candidates["label"].to_pylist()}
        ),
    }


def _group_document(group: Group, config: AcceptConfig) -> dict[str, Any]:
    chosen = group.chosen
    low, high = th.clopper_pearson(chosen.audit_errors, chosen.audit_n) if chosen else (None, None)
    return {
        "label": group.label,
        "pool_rows": len(group.confidences),
        "threshold": group.threshold,
        "accepted": int((group.confidences >= chosen.threshold).sum()) if chosen else 0,
        "coverage": chosen.coverage if chosen else 0.0,
        "audit_rows": len(group.audit_wrong),
        "audit_n": chosen.audit_n if chosen else 0,
        "audit_errors": chosen.audit_errors if chosen else 0,
        "observed_error": chosen.audit_errors / chosen.audit_n if chosen else None,
        "observed_low": low,
        "observed_high": high,
        "bound": config.max_error if chosen else None,
        "p_value": chosen.p_value if chosen else None,
        "level": group.delta,
        "method": th.METHOD,
        "reason": group.reason,
        "labels_needed": group.labels_needed,
        "curve": _curve(group),
    }


def _curve(group: Group, points: int = 30) -> list[dict[str, float]]:
    """Observed error over coverage, with pointwise 95% Clopper-Pearson intervals: for the eye, not part of the guarantee."""
    curve = list[dict[str, float]]()
    for cut in th.grid(group.confidences, 0.05, points):
        above = group.audit_confidences >= cut
        trials, errors = int(above.sum()), int(group.audit_wrong[above].sum())
        if not trials:
            continue
        low, high = th.clopper_pearson(errors, trials)
        coverage = float((group.confidences >= cut).mean())
        curve.append({"threshold": cut, "coverage": coverage, "audit_n": trials, "audit_errors": errors,
                      "error": errors / trials, "low": low, "high": high})  # fmt: skip
    return curve


def _group_labels(table: pa.Table, config: AcceptConfig) -> np.ndarray:
    import numpy as np

    if config.scope == "overall":
        return np.full(table.num_rows, ALL, dtype=object)
    return np.array(table["label"].to_pylist(), dtype=object)


def _without(predictions: pa.Table, labelled: pa.Table) -> pa.Table:
    """The pool less the rows that have a person's label already."""
    import pyarrow as pa

    keys = set(labelled["row_key"].to_pylist())
    return predictions.filter(pa.array([key not in keys for key in predictions["row_key"].to_pylist()], type=pa.bool_()))


def _teacher(ctx: StepContext) -> str:
    if "teacher" in ctx.inputs:
        return ctx.inputs["teacher"].artifact.id
    predictions = ctx.inputs["predictions"].artifact
    return str(predictions.meta.get("model", predictions.id))


def _check(predictions: pa.Table, audited: pa.Table, audit: pa.Table) -> None:
    import numpy as np

    for table, name in ((predictions, "predictions"), (audited, "audit_predictions")):
        require_columns(table, ["row_key", "label", "confidence", "probs"], name)
        require_unique(table, name)
        if np.isnan(table["confidence"].to_numpy()).any():  # a null reads as NaN, too
            raise BadInput(f"{name} has rows without a confidence", expected="a number in [0, 1] in every row",
                           remedy="predict again with a model that gives probabilities")  # fmt: skip
    require_columns(audit, ["row_key", "label"], "audit")
    require_unique(audit, "audit")
    require_labels(audit, "audit")
    if audit.num_rows == 0:
        raise BadInput("the audit is empty", expected="rows drawn uniformly at random from the pool and labelled by people",
                       got="0 rows", remedy="label an audit sample; 300 rows are a sensible start")  # fmt: skip
