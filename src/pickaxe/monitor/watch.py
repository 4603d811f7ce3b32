"""Traffic cut into windows, each tested against the reference: the table and the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput
from pickaxe.monitor.config import WatchConfig
from pickaxe.monitor.drift import METHOD, DriftMonitor, DriftResult
from pickaxe.monitor.features import features
from pickaxe.monitor.reference import Reference, Window

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.step import StepContext

COLUMNS = ("trace_id", "text", "label", "confidence", "source", "at_ord")
SHOWN_TEXT = 200


@dataclass(frozen=True)
class Cut:
    """Rows first…last (of one source's stream, in order of time) and what the tests said."""

    source: str
    rows: pa.Table
    result: DriftResult


def watch_report(ctx: StepContext, config: WatchConfig) -> None:
    """Test traffic in windows, stream by stream.

    Inputs:
        traffic: trace_id, text, label, confidence, source (string, may be null), at_ord (int, order of arrival). Each source
            is a stream of its own, cut into windows in order of arrival; all windows share one false-alarm budget.
        reference: what `fit_drift_reference` saved.

    Outputs: table `windows` (window, source, first, last, rows, test, statistic, p_value, level, alarm; one row per test and one
    per window named "combined"); JSON `drift`.

    Raises:
        BadInput: a column is missing, or the reference is none.
    """
    traffic = ctx.inputs["traffic"].table()
    missing = [column for column in COLUMNS if column not in traffic.column_names]
    if missing:
        raise BadInput(f"traffic lacks the column(s) {', '.join(missing)}", expected=f"columns {', '.join(COLUMNS)}",
                       got=", ".join(traffic.column_names), remedy="make the table from the endpoint's traces")  # fmt: skip
    reference = Reference.load(ctx.inputs["reference"].path())
    monitor = DriftMonitor(reference, config, seed=ctx.seed)

    cuts, leftovers = list[Cut](), dict[str, int]()
    for source, stream in _streams(traffic):
        for rows in _windows(stream, config):
            if rows.num_rows < config.min_window:
                leftovers[source] = rows.num_rows
                continue
            cuts.append(Cut(source, rows, monitor.update(_window(rows))))
            ctx.progress(sum(cut.rows.num_rows for cut in cuts), traffic.num_rows, f"{source}: window {cuts[-1].result.index}")

    document = _document(traffic, cuts, leftovers, reference, config)
    ctx.save_table("windows", _table(cuts), kind="report")
    ctx.save_json("drift", document, kind="report")
    ctx.metric("alarms", sum(cut.result.alarm for cut in cuts))
    ctx.log(document["statement"], level="warning" if document["alarm"] else "info")


def _streams(traffic: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Each source's rows in order of arrival; sources in order of their first request."""
    import pyarrow as pa

    ordered = traffic.sort_by("at_ord")
    sources = [source or "" for source in ordered["source"].to_pylist()]
    for source in dict.fromkeys(sources):
        yield source, ordered.filter(pa.array([other == source for other in sources], type=pa.bool_()))


def _windows(stream: pa.Table, config: WatchConfig) -> Iterator[pa.Table]:
    for start in range(0, stream.num_rows, config.window):
        yield stream.slice(start, config.window)


def _window(rows: pa.Table) -> Window:
    """Labels and confidences only where every request of the window has them."""
    texts = [text or "" for text in rows["text"].to_pylist()]
    answered = not rows["label"].null_count and not rows["confidence"].null_count
    return Window(
        texts, rows["label"].to_pylist() if answered else None, rows["confidence"].to_pylist() if answered else None
    )  # fmt: skip


def _table(cuts: list[Cut]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema(
        {
            "window": pa.int64(), "source": pa.string(), "first": pa.int64(), "last": pa.int64(), "rows": pa.int64(),
            "test": pa.string(), "statistic": pa.float64(), "p_value": pa.float64(), "level": pa.float64(), "alarm": pa.bool_(),
        }
    )  # fmt: skip
    found = list[dict[str, Any]]()
    for cut in cuts:
        result, order = cut.result, cut.rows["at_ord"]
        where = {"window": result.index, "source": cut.source, "first": order[0].as_py(), "last": order[-1].as_py(),
                 "rows": result.rows, "level": result.level}  # fmt: skip
        for test in result.tests:
            tested = {"test": test.test, "statistic": test.statistic, "p_value": test.p_value, "alarm": test.alarm}
            found.append({**where, **tested})
        found.append({**where, "test": "combined", "statistic": None, "p_value": result.p_value, "alarm": result.alarm})
    return pa.Table.from_pylist(found, schema=schema)


def _document(
    traffic: pa.Table, cuts: list[Cut], leftovers: dict[str, int], reference: Reference, config: WatchConfig
) -> dict[str, Any]:  # fmt: skip
    names = list(dict.fromkeys([*(cut.source for cut in cuts), *leftovers]))
    sources = [
        _source(name, [cut for cut in cuts if cut.source == name], leftovers.get(name, 0), reference, config) for name in names
    ]
    alarms = sum(cut.result.alarm for cut in cuts)
    firing = [item["source"] for item in sources if item["alarms"]]
    rate = f"at most {config.alpha:.2%} per {config.horizon} windows of {config.window} requests"
    return {
        "alarm": alarms > 0,
        "statement": f"{alarms} of {len(cuts)} windows raise the alarm"
        + (f" (from {', '.join(repr(name) for name in firing)})" if firing else "")
        + f"; false alarms: {rate}",
        "false_alarms": rate,
        "alpha": config.alpha,
        "horizon": config.horizon,
        "window": config.window,
        "level": config.alpha / config.horizon,
        "tests": METHOD,
        "method": "two-sample tests against held-out reference rows; Holm over the tests of a window, alpha / horizon per window",
        "assumption": "requests are exchangeable with the reference; traffic that depends on the hour may raise more alarms",
        "requests": traffic.num_rows,
        "reference_rows": len(reference.length),
        "sources": sources,
        "windows": [
            {
                "window": cut.result.index,
                "source": cut.source,
                "rows": cut.result.rows,
                "p_value": cut.result.p_value,
                "alarm": cut.result.alarm,
                "tests": [
                    {"test": test.test, "statistic": test.statistic, "p_value": test.p_value, "alarm": test.alarm}
                    for test in cut.result.tests
                ],
            }
            for cut in cuts
        ],
    }


def _source(name: str, cuts: list[Cut], leftover: int, reference: Reference, config: WatchConfig) -> dict[str, Any]:
    firing = [cut for cut in cuts if cut.result.alarm]
    reasons = {test.test for cut in firing for test in cut.result.tests if test.alarm}
    return {
        "source": name,
        "windows": len(cuts),
        "alarms": len(firing),
        "first_alarm": firing[0].result.index if firing else None,
        "reasons": [test for test in METHOD if test in reasons],
        "requests": sum(cut.result.rows for cut in cuts),
        "untested_requests": leftover,
        "examples": _examples(firing[0].rows, reference, config.examples) if firing else [],
    }


def _examples(rows: pa.Table, reference: Reference, count: int) -> list[dict[str, Any]]:
    """The window's requests that are most surprising to the reference's vocabulary."""
    texts = [text or "" for text in rows["text"].to_pylist()]
    surprise = features(texts, reference.vocabulary).surprise
    worst = sorted(range(len(texts)), key=lambda index: (-surprise[index], index))[:count]
    return [
        {"trace_id": rows["trace_id"][index].as_py(), "text": texts[index][:SHOWN_TEXT], "bits_per_word": float(surprise[index])}
        for index in worst
    ]
