"""The steps label, select and adjudicate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pickaxe.data import schemas
from pickaxe.data.label import rows as tables
from pickaxe.data.label.config import AdjudicateConfig, LabelConfig, SelectConfig
from pickaxe.data.label.rows import AnnotationRow
from pickaxe.data.label.select import Selector, Wanted, spread
from pickaxe.data.label.service import adjudicate, label, select
from pickaxe.kernel.errors import BadInput
from pickaxe.testing import StepBench
from tests.data.sport_and_money import GOLD, TEXTS


def pool(gold: Mapping[str, str | None] | None = None, texts: dict[str, str] | None = None) -> pa.Table:
    texts = TEXTS if texts is None else texts
    labels: dict[str, Any] = dict(GOLD) if gold is None else dict(gold)
    columns = [
        list(texts),
        list(texts.values()),
        [labels.get(key) for key in texts],
        list(range(1, len(texts) + 1)),
        ["x"] * len(texts),
    ]
    schema = schemas.rows()
    return pa.table([pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def labelled(table: pa.Table | None = None, inputs: dict[str, Any] | None = None, **config: Any) -> StepBench:
    bench = StepBench({"pool": pool() if table is None else table, **(inputs or {})})
    label(bench, LabelConfig(**{"max_labels": 150, "rounds": 3, "random_share": 0.5, **config}))
    judged = StepBench({**bench.values, "annotations": bench.saved["annotations"], "campaign": bench.saved["campaign"]})
    adjudicate(judged, AdjudicateConfig(classes=config.get("classes")))
    bench.saved |= judged.saved
    return bench


def test_label_hands_on_annotations_gold_and_a_report() -> None:
    bench = labelled(price_per_hour=18.0)
    assert bench.saved["annotations"].schema == tables.annotations_schema()
    gold = bench.saved["gold"]
    assert gold.schema == tables.gold_schema()
    assert set(gold["row_key"].to_pylist()) == set(bench.saved["annotations"]["row_key"].to_pylist())
    report = json.loads(json.dumps(bench.saved["labelling"], allow_nan=False))
    assert report["simulated"] is True
    assert "simulated" in report["note"]
    assert report["answers"] == 150
    assert report["budget"] == {
        "max_labels": 150,
        "max_cost": None,
        "answers": 150,
        "seconds": 600.0,
        "cost": 3.0,
        "price_per_hour": 18.0,
    }
    assert sum(arm["answers"] for arm in report["arms"].values()) == 150
    wrong = sum(GOLD[key] != name for key, name in zip(gold["row_key"].to_pylist(), gold["label"].to_pylist(), strict=True))
    assert report["gold_error"] == round(wrong / gold.num_rows, 6)
    for annotator in report["annotators"]:
        answers = [row for row in bench.saved["annotations"].to_pylist() if row["annotator"] == annotator["name"]]
        assert annotator["error_rate_true"] == round(
            sum(GOLD[row["row_key"]] != row["label"] for row in answers) / len(answers), 6
        )
        assert annotator["error_rate_estimated"] is not None


def test_the_curves_compare_the_arms_on_rows_that_nobody_labelled() -> None:
    bench = labelled()
    curves = bench.saved["labelling"]["curves"]
    assert curves["measured_on"] == 40, "a tenth of the pool"
    assert len(curves["counts"]) == len(curves["active"]["accuracy"]) == len(curves["difference"]["low"])
    for arm in ("active", "random"):
        last = {name: values[-1] for name, values in curves[arm].items()}
        assert last["low"] <= last["accuracy"] <= last["high"]
        assert last["accuracy"] > 0.8, "sport and money share no words"
    difference = np.subtract(curves["active"]["accuracy"], curves["random"]["accuracy"])
    assert curves["difference"]["accuracy"] == pytest.approx(difference, abs=1e-5)


def test_the_same_campaign_gives_the_same_bytes() -> None:
    one, two = labelled(), labelled()
    assert one.saved["annotations"].equals(two.saved["annotations"])
    assert one.saved["gold"].equals(two.saved["gold"])
    assert json.dumps(one.saved["labelling"]) == json.dumps(two.saved["labelling"])
    assert not labelled(seed=1).saved["annotations"].equals(one.saved["annotations"])


def test_a_second_campaign_takes_feedback_along() -> None:
    first = labelled().saved["annotations"]
    feedback = AnnotationRow("elsewhere", "anna", "sport", 3.0, 2, "feedback", False)
    given = pa.concat_tables([first, tables.to_table([feedback])])
    inputs = {"annotations": given, "texts": pa.table({"row_key": ["elsewhere"], "text": ["the coach praised her team"]})}
    bench = labelled(inputs=inputs, max_labels=40, rounds=2)
    assert bench.saved["annotations"].num_rows == 150 + 1 + 40
    gold = {row["row_key"]: row for row in bench.saved["gold"].to_pylist()}
    assert gold["elsewhere"]["arm"] == "feedback"
    assert gold["elsewhere"]["text"] == "the coach praised her team"
    assert bench.saved["labelling"]["simulated"] is False, "a person's answer is among them"
    assert bench.saved["labelling"]["budget"]["answers"] == 40
    with pytest.raises(BadInput, match="neither in the pool"):
        labelled(inputs={"annotations": given}, max_labels=40)


def test_rows_without_a_gold_label_are_left_alone() -> None:
    half = {key: value for at, (key, value) in enumerate(GOLD.items()) if at % 4 < 2}
    bench = labelled(pool(half), max_labels=60)
    assert set(bench.saved["gold"]["row_key"].to_pylist()) <= set(half)


def test_data_that_cannot_be_labelled_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing to simulate annotators from"):
        labelled(pool({}))
    with pytest.raises(BadInput, match="the data holds one class only: 'sport'"):
        labelled(pool(dict.fromkeys(GOLD, "sport")))
    with pytest.raises(BadInput, match="the labelling budget is 0"):
        labelled(max_labels=0)
    with pytest.raises(BadInput, match="gold labels outside the classes: 'money'"):
        labelled(classes=("sport", "politics"))


def test_one_class_seen_and_a_class_never_seen_are_refused() -> None:
    rare: dict[str, str | None] = dict.fromkeys(GOLD, "money")
    rare["row0123"] = "sport"
    with pytest.raises(BadInput, match="only one class was seen: money") as caught:
        labelled(pool(rare), max_labels=10, rounds=1, annotators=[{"name": "simulated-exact", "error_rate": 0.0}])
    assert "budget" in str(caught.value)
    with pytest.raises(BadInput, match="no text was labelled 'weather'") as caught:
        labelled(classes=("money", "sport", "weather"), annotators=[{"name": "simulated-exact", "error_rate": 0.0}])
    assert caught.value.details["classes"] == ["weather"]


def test_right_to_left_and_emoji_texts_are_labelled() -> None:
    texts = {f"k{at}": ("فاز الفريق بالمباراة ⚽" if at % 2 else "ارتفع سهم البنك 💰") + f" {at}" for at in range(60)}
    gold: dict[str, str | None] = {key: "رياضة" if int(key[1:]) % 2 else "مال" for key in texts}
    bench = labelled(pool(gold, texts), max_labels=40, rounds=2, annotators=[{"name": "simulated-exact", "error_rate": 0.0}])
    found = {row["row_key"]: (row["text"], row["label"]) for row in bench.saved["gold"].to_pylist()}
    assert all(value == (texts[key], gold[key]) for key, value in found.items())


# Choosing


def answers(*labels: tuple[str, str], arm: str = "active") -> list[AnnotationRow]:
    return [AnnotationRow(key, "anna", name, 1.0, 0, arm, False) for key, name in labels]


def test_selection_works_with_no_class_one_class_and_a_rare_class() -> None:
    keys = list(TEXTS)
    selector = Selector(TEXTS)
    rare = [(key, "money") for key in keys[1:80:2]] + [(keys[0], "sport")]
    for known in (answers(), answers((keys[0], "sport"), (keys[2], "sport")), answers(*rare)):
        for strategy in ("margin", "badge", "random"):
            selector.strategy = strategy  # type: ignore[assignment]
            batch = selector(known, 1, Wanted(audit=4, active=12, random=6))
            assert len({item.row_key for item in batch}) == 22
            assert not {item.row_key for item in batch} & {row.row_key for row in known}


def test_margin_asks_where_the_model_hesitates() -> None:
    clear = {f"c{at}": ("goal match team " if at % 2 else "bank share profit ") + f"x{at}" for at in range(200)}
    torn = {f"t{at}": f"goal bank team share x{at}" for at in range(20)}
    selector = Selector({**clear, **torn})
    known = answers(*((f"c{at}", "sport" if at % 2 else "money") for at in range(20)))
    batch = selector(known, 1, Wanted(active=2))
    assert all(item.row_key.startswith("t") for item in batch)


def test_a_pool_smaller_than_the_batch_is_used_up() -> None:
    few = dict(list(TEXTS.items())[:7])
    assert {item.row_key for item in Selector(few)([], 0, Wanted(2, 20, 3))} == set(few)
    assert Selector(few)(answers(*((key, "sport") for key in few)), 0, Wanted(2, 20, 3)) == []


def test_spread_takes_one_of_each_heap_and_keeps_off_what_was_seen() -> None:
    heaps = np.repeat(np.eye(5), 20, axis=0)
    chosen = spread(heaps, 5, np.random.default_rng(0))
    assert sorted(at // 20 for at in chosen) == [0, 1, 2, 3, 4]
    chosen = spread(heaps, 3, np.random.default_rng(0), seen=np.eye(5)[:2])
    assert sorted(at // 20 for at in chosen) == [2, 3, 4]
    assert len(set(spread(np.ones((10, 3)), 10, np.random.default_rng(0)))) == 10, "all alike"


def test_spread_measures_gradients_without_forming_them() -> None:
    generator = np.random.default_rng(5)
    points, slopes = generator.normal(size=(30, 4)), generator.normal(size=(30, 3))
    formed = np.einsum("nd,nc->ndc", points, slopes).reshape(30, -1)
    first = int((formed**2).sum(axis=1).argmax())
    chosen = spread(points, 30, np.random.default_rng(1), slopes=slopes)
    assert chosen[0] == first
    assert sorted(chosen) == list(range(30))


def test_a_large_pool_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pickaxe.data.label.select.CANDIDATES", 50)
    selector = Selector(TEXTS)
    batch = selector([], 0, Wanted(active=10, random=10))
    assert len(batch) == 20
    assert selector.features.dense.shape[0] == 50


def test_select_step_gives_the_batch_and_does_not_look_at_gold() -> None:
    config = SelectConfig(round=2, audit=3, active=10, random=5, exclude=("row0001",))
    known = tables.to_table(answers(("row0002", "sport"), ("row0003", "money")))
    batches: list[pa.Table] = []
    for table in (pool(), pool({})):
        bench = StepBench({"pool": table, "annotations": known})
        select(bench, config)
        batches.append(bench.saved["batch"])
    assert batches[0].equals(batches[1])
    assert batches[0].schema == tables.batch_schema()
    assert batches[0]["arm"].to_pylist() == ["audit"] * 3 + ["random"] * 5 + ["active"] * 10
    assert not {"row0001", "row0002", "row0003"} & set(batches[0]["row_key"].to_pylist())


def test_adjudicate_step_for_people() -> None:
    given = [
        AnnotationRow(key, name, GOLD[key], 2.0, 0, ("audit", "active", "random")[at % 3], False)
        for at, key in enumerate(list(TEXTS)[:120])
        for name in (("anna", "ben") if at % 5 == 0 else ("anna",))
    ]
    given.append(given[0]._replace(label="sport" if given[0].label == "money" else "money"))
    given.append(given[0])
    bench = StepBench({"pool": pool({}), "annotations": tables.to_table(given)})
    adjudicate(bench, AdjudicateConfig())
    report = bench.saved["labelling"]
    assert report["simulated"] is False
    assert report["note"] is None
    assert report["agreement"]["krippendorff_alpha"] == 1.0
    assert report["seconds"] == 2.0 * len(given), "a corrected answer took its time too"
    assert "audit" in report["curves"]["how"]
    assert report["curves"]["measured_on"] == 40
    assert all(row["label"] == GOLD[row["row_key"]] for row in bench.saved["gold"].to_pylist())


def test_answers_that_are_not_believed_any_more_are_left_out() -> None:
    bench = labelled()
    given, everybody = bench.saved["annotations"], bench.saved["gold"]
    row = next(row for row in everybody.to_pylist() if "simulated-ann-1" not in row["annotators"])

    def without(*names: str) -> StepBench:
        judged = StepBench({"pool": pool(), "annotations": given, "campaign": bench.saved["campaign"]})
        adjudicate(judged, AdjudicateConfig(without=names))
        return judged

    fewer = without("simulated-ann-1", row["row_key"])
    gold = fewer.saved["gold"].to_pylist()
    assert {name for item in gold for name in item["annotators"]} == {"simulated-ann-2", "simulated-ann-3"}
    assert row["row_key"] not in {item["row_key"] for item in gold}
    kept = sum(item["annotator"] != "simulated-ann-1" and item["row_key"] != row["row_key"] for item in given.to_pylist())
    assert fewer.saved["labelling"]["without"]["answers_left_out"] == given.num_rows - kept
    assert bench.saved["labelling"]["without"] == {"named": [], "answers_left_out": 0}
    with pytest.raises(BadInput, match="no answers") as caught:
        without("simulated-ann-1", "simulated-ann-2", "simulated-ann-3")
    assert "all of them to be left out" in str(caught.value)


def test_what_a_reviewer_decided_holds_and_is_no_answer() -> None:
    given = answers(*((key, GOLD[key]) for key in list(TEXTS)[:40]))
    given += [row._replace(annotator="ben") for row in given]
    divided, alone = given[0].row_key, list(TEXTS)[60]
    other = "sport" if GOLD[divided] == "money" else "money"
    decision = AnnotationRow(divided, given[0].annotator, other, 5.0, 0, tables.REVIEW, False)

    def judged(*decisions: AnnotationRow) -> StepBench:
        bench = StepBench({"pool": pool({}), "annotations": tables.to_table([*given, *decisions])})
        adjudicate(bench, AdjudicateConfig())
        return bench

    before, after = judged(), judged(decision._replace(label=GOLD[divided]), decision, decision._replace(row_key=alone))
    gold = {row["row_key"]: row for row in after.saved["gold"].to_pylist()}
    assert gold[divided] == {**gold[divided], "label": other, "confidence": 1.0, "arm": "active"}
    assert gold[alone] == {**gold[alone], "label": other, "annotators": [decision.annotator]}
    assert {key: row["label"] for key, row in gold.items() if key not in (divided, alone)} == {
        row["row_key"]: row["label"] for row in before.saved["gold"].to_pylist() if row["row_key"] != divided
    }
    assert (before.saved["labelling"]["decided"], after.saved["labelling"]["decided"]) == (0, 2)
    assert after.saved["labelling"]["agreement"] == before.saved["labelling"]["agreement"]


def test_adjudicate_refuses_what_it_cannot_use() -> None:
    def run(given: list[AnnotationRow], **config: Any) -> None:
        adjudicate(StepBench({"pool": pool(), "annotations": tables.to_table(given)}), AdjudicateConfig(**config))

    with pytest.raises(BadInput, match="no answers"):
        run([])
    with pytest.raises(BadInput, match="only one class was seen: sport"):
        run(answers(("row0000", "sport")))
    with pytest.raises(BadInput, match="answers outside the classes: 'golf'"):
        run(answers(("row0000", "sport"), ("row0001", "golf")), classes=("sport", "money"))
    with pytest.raises(BadInput, match="neither in the pool"):
        run(answers(("nowhere", "sport"), ("row0001", "money")))
