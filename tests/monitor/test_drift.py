"""The drift monitor: how often it cries wolf, what it sees, what its steps save."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pickaxe.kernel.errors import BadInput
from pickaxe.monitor.config import ReferenceConfig, WatchConfig
from pickaxe.monitor.drift import METHOD, DriftMonitor
from pickaxe.monitor.features import Vocabulary
from pickaxe.monitor.reference import Reference, Window, fit_drift_reference
from pickaxe.monitor.watch import watch_report
from pickaxe.testing import StepBench


def answered(texts: list[str], rng: np.random.Generator) -> Window:
    confidence = 1 - 0.5 * rng.beta(1, 2, len(texts))
    return Window(texts, rng.choice(["no", "yes"], len(texts)).tolist(), confidence.tolist())


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_stated(usual: Any) -> None:
    """Runs of 5 windows at alpha 20%: the share of runs with any alarm is at most 20%, up to the noise of 150 runs."""
    rng, runs, alpha, config = np.random.default_rng(0), 150, 0.2, WatchConfig(window=60, alpha=0.2, horizon=5, min_window=20)
    vocabulary = Vocabulary.learn(usual(1000, rng), 32)
    alarmed, p_values = 0, list[float]()
    for run in range(runs):
        monitor = DriftMonitor(Reference.of(vocabulary, answered(usual(200, rng), rng)), config, seed=run)
        results = [monitor.update(answered(usual(60, rng), rng)) for _ in range(config.horizon)]
        alarmed += any(result.alarm for result in results)
        p_values += [result.p_value for result in results]
    assert alarmed / runs <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / runs)
    assert alarmed > 0  # the level is spent, not hoarded
    for level in (0.05, 0.1, 0.2):
        assert np.mean(np.array(p_values) <= level) <= level + 3 * math.sqrt(level * (1 - level) / len(p_values))


@pytest.mark.parametrize(("mix", "mean_length", "power"), [(0.0, 9, None), (0.1, 60, 1), (0.25, 9, 1), (0.5, 9, 1), (1.0, 9, 1)])
def test_foreign_texts_are_seen_even_as_a_part_of_the_traffic(
    usual: Any, foreign: Any, mix: float, mean_length: int, power: float | None
) -> None:
    """At the default 1% per 50 windows; a tenth is seen where the texts differ in length, a quarter always."""
    rng = np.random.default_rng(1)
    reference = Reference.of(Vocabulary.learn(usual(3000, rng), 128), Window(usual(1500, rng)))
    monitor, strangers = DriftMonitor(reference, WatchConfig()), int(200 * mix)
    windows = [[*usual(200 - strangers, rng), *foreign(strangers, rng, mean_length)] for _ in range(6)]
    alarms = [monitor.update(Window(texts)).alarm for texts in windows]
    assert np.mean(alarms) == (power or 0.0)


def test_a_shift_of_the_answers_alone_is_seen_and_named(usual: Any) -> None:
    rng = np.random.default_rng(2)
    reference = Reference.of(Vocabulary.learn(usual(1000, rng), 64), answered(usual(800, rng), rng))
    monitor = DriftMonitor(reference, WatchConfig())
    window = answered(usual(200, rng), rng)
    result = monitor.update(Window(window.texts, ["yes"] * 200, [0.5] * 200))
    assert result.alarm
    assert {test.test for test in result.tests if test.alarm} == {"confidence", "labels"}
    assert {test.test for test in result.tests} == set(METHOD)


def test_a_window_that_is_too_short_is_refused(usual: Any) -> None:
    rng = np.random.default_rng(3)
    monitor = DriftMonitor(Reference.of(Vocabulary.learn(usual(100, rng), 16), Window(usual(100, rng))), WatchConfig())
    with pytest.raises(BadInput, match="too short"):
        monitor.update(Window(usual(10, rng)))


def held_out(usual: Any, rows: int = 900, seed: int = 4) -> pa.Table:
    return pa.table({"row_key": [f"k{i}" for i in range(rows)], "text": usual(rows, np.random.default_rng(seed))})


def predictions(rows: pa.Table, seed: int = 5) -> pa.Table:
    window = answered(rows["text"].to_pylist(), np.random.default_rng(seed))
    return pa.table({"row_key": rows["row_key"], "label": window.labels, "confidence": window.confidence})


@pytest.fixture
def fitted(usual: Any) -> Iterator[Callable[..., Path]]:
    """fitted(**inputs): the folder that the step saves; kept until the test ends."""
    benches = list[StepBench]()

    def fit(**inputs: Any) -> Path:
        rows = held_out(usual)
        benches.append(StepBench({"rows": rows, "predictions": predictions(rows), **inputs}))
        fit_drift_reference(benches[-1], ReferenceConfig(dimensions=64))
        return benches[-1].saved["drift_reference"]

    yield fit
    benches.clear()


@pytest.fixture
def watched(fitted: Callable[..., Path]) -> Callable[..., StepBench]:
    """watched(traffic): the bench after the report."""

    def watch(table: pa.Table, **config: Any) -> StepBench:
        bench = StepBench({"traffic": table, "reference": fitted()})
        watch_report(bench, WatchConfig(**{"window": 100, **config}))
        return bench

    return watch


def test_the_saved_reference_is_the_same_bytes_again_and_holds_no_word(fitted: Any, usual: Any) -> None:
    first, again = fitted(), fitted()
    files = sorted(path.name for path in first.iterdir())
    assert files == ["reference.json", "reference.safetensors"]
    for name in files:
        assert (first / name).read_bytes() == (again / name).read_bytes()
        assert b"w17" not in (first / name).read_bytes()
    loaded = Reference.load(first)
    assert len(loaded.length) == len(loaded.labels or []) == 450  # the other half taught the vocabulary
    rows = held_out(usual)
    assert len(Reference.load(fitted(train=rows)).length) == 900


def test_a_reference_needs_rows_and_its_predictions(usual: Any, tmp_path: Path) -> None:
    rows = held_out(usual)
    with pytest.raises(BadInput, match="too few held-out rows"):
        fit_drift_reference(StepBench({"rows": rows.slice(0, 60)}), ReferenceConfig())
    with pytest.raises(BadInput, match="predictions lacks"):
        fit_drift_reference(StepBench({"rows": rows, "predictions": predictions(rows.slice(0, 500))}), ReferenceConfig())
    with pytest.raises(BadInput, match="not a drift reference"):
        Reference.load(tmp_path)


def traffic(parts: list[tuple[str | None, list[str]]], seed: int = 6) -> pa.Table:
    rng, rows = np.random.default_rng(seed), list[dict[str, Any]]()
    for source, texts in parts:
        window = answered(texts, rng)
        for text, label, confidence in zip(texts, window.labels or [], window.confidence or [], strict=True):
            rows.append({"trace_id": f"t{len(rows)}", "text": text, "label": label, "confidence": confidence, "source": source,
                         "at_ord": len(rows)})  # fmt: skip
    schema = pa.schema({"trace_id": pa.string(), "text": pa.string(), "label": pa.string(), "confidence": pa.float64(),
                        "source": pa.string(), "at_ord": pa.int64()})  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema)


def test_the_report_fires_on_the_strange_source_and_not_on_the_usual_one(watched: Any, usual: Any, foreign: Any) -> None:
    rng = np.random.default_rng(7)
    table = traffic([("usual", usual(420, rng)), ("strange", foreign(260, rng, 40))])
    shuffled = table.take(np.random.default_rng(8).permutation(table.num_rows))  # rows come in any order
    bench = watched(shuffled)
    drift, windows = bench.saved["drift"], bench.saved["windows"]

    by_source = {item["source"]: item for item in drift["sources"]}
    assert by_source["usual"]["alarms"] == 0
    assert by_source["usual"]["windows"] == 4
    assert by_source["usual"]["untested_requests"] == 20
    assert by_source["strange"]["alarms"] == by_source["strange"]["windows"] == 3  # the last one has 60 requests
    assert "long_texts" in by_source["strange"]["reasons"]
    assert len(by_source["strange"]["examples"]) == 5
    assert drift["statement"].startswith("3 of 7 windows raise the alarm (from 'strange')")
    assert "1.00% per 50 windows of 100 requests" in drift["false_alarms"]

    combined = windows.filter(pa.array([test == "combined" for test in windows["test"].to_pylist()]))
    assert combined["window"].to_pylist() == list(range(7))
    assert combined["alarm"].to_pylist() == [False] * 4 + [True] * 3
    assert combined["first"].to_pylist() == [0, 100, 200, 300, 420, 520, 620]
    assert windows.num_rows == 7 * (len(METHOD) + 1)


def test_the_report_is_the_same_again(watched: Any, usual: Any, foreign: Any) -> None:
    rng = np.random.default_rng(9)
    table = traffic([(None, [*usual(60, rng), *foreign(40, rng)])])
    first, again = watched(table), watched(table)
    assert first.saved["windows"].equals(again.saved["windows"])
    assert first.saved["drift"] == again.saved["drift"]


def test_traffic_without_answers_is_tested_on_its_texts(watched: Any, usual: Any) -> None:
    table = traffic([("usual", usual(100, np.random.default_rng(10)))])
    blank = table.set_column(2, "label", pa.nulls(100, pa.string()))
    tests = watched(blank).saved["drift"]["windows"][0]["tests"]
    assert {test["test"] for test in tests} == set(METHOD) - {"labels", "confidence"}


def test_no_traffic_is_no_alarm_and_a_missing_column_is_refused(watched: Any, usual: Any) -> None:
    table = traffic([("usual", usual(100, np.random.default_rng(11)))])
    bench = watched(table.slice(0, 0))
    assert bench.saved["windows"].num_rows == 0
    assert bench.saved["drift"]["statement"].startswith("0 of 0 windows")
    with pytest.raises(BadInput, match="lacks the column"):
        watched(table.drop_columns(["at_ord"]))
