"""Labels that came with the data: the pool's are read as answers, the test split keeps the rows that have one."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pickaxe.flows.labelling import FILE, KeepLabelledConfig, ReadLabelsConfig, keep_labelled, read_labels
from pickaxe.kernel.errors import BadInput
from pickaxe.testing import StepBench


def table(labels: list[str | None]) -> pa.Table:
    keys = [f"{number:016x}" for number in range(len(labels))]
    return pa.table({"row_key": keys, "text": [f"text {key}" for key in keys], "label": pa.array(labels, pa.string())})


def test_the_test_split_keeps_its_labelled_rows() -> None:
    bench = StepBench({"rows": table(["a", None, "b", None])})
    keep_labelled(bench, KeepLabelledConfig())
    assert bench.saved["test_sample"]["label"].to_pylist() == ["a", "b"]


def test_a_test_split_without_labels_is_refused() -> None:
    with pytest.raises(BadInput, match="none of the 2 rows") as caught:
        keep_labelled(StepBench({"rows": table([None, None])}), KeepLabelledConfig())
    assert caught.value.remedy


def test_labels_of_the_pool_are_answers_that_cost_no_time_and_a_share_of_them_is_the_audit() -> None:
    labels: list[str | None] = [None if number % 4 == 0 else "a" for number in range(4000)]
    bench = StepBench({"pool": table(labels)})
    read_labels(bench, ReadLabelsConfig(audit_share=0.2))
    answers = bench.saved["annotations"].to_pylist()
    assert len(answers) == 3000
    assert {(row["annotator"], row["seconds"], row["simulated"]) for row in answers} == {(FILE, 0.0, False)}
    assert 500 < sum(row["arm"] == "audit" for row in answers) < 700
