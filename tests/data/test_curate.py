"""Curation: what is dropped says why, and nothing in the test split is, even nearly, anywhere else."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.data import near, schemas
from pickaxe.data.curate import CurateConfig, curate, refuse_overlap, split_of
from pickaxe.kernel.errors import BadInput
from pickaxe.testing import StepBench

WORDS = [
    "river",
    "market",
    "storm",
    "council",
    "budget",
    "hospital",
    "winner",
    "garden",
    "engine",
    "voter",
    "mirror",
    "planet",
    "singer",
    "border",
    "copper",
    "festival",
]


def sentences(count: int, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=9)) + f" {draw.random():.9f}" for _ in range(count)]


def table(texts: Sequence[str], labels: Sequence[str | None] | None = None) -> pa.Table:
    seen: dict[str, int] = {}
    keys: list[str] = []
    for text in texts:
        key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        seen[key] = seen.get(key, 0) + 1
        keys.append(key if seen[key] == 1 else f"{key}-{seen[key]}")
    columns = [keys, list(texts), list(labels or [None] * len(texts)), list(range(1, len(texts) + 1)), ["made.csv"] * len(texts)]
    return pa.table([pa.array(column) for column in columns], names=schemas.rows().names).cast(schemas.rows())


def run(rows: pa.Table, blocked: pa.Table | None = None, **config: Any) -> StepBench:
    bench = StepBench({"rows": rows} | ({"blocked": blocked} if blocked is not None else {}))
    curate(bench, CurateConfig(**config))
    return bench


def dropped(bench: StepBench) -> list[tuple[str, str]]:
    found = bench.saved["dropped"]
    return list(zip(found["text"].to_pylist(), found["reason"].to_pylist(), strict=True))


def kept(bench: StepBench) -> list[str]:
    return [text for name in ("pool", "test", "traffic") for text in bench.saved[name]["text"].to_pylist()]


def test_every_dropped_row_says_why_and_of_what() -> None:
    base = sentences(60)
    extra = ["hi", base[3], base[4].upper() + " !", "z" * 5000]
    bench = run(table(base + extra), max_chars=1000)
    assert dropped(bench) == [
        ("hi", "too short"),
        (base[3], "exact duplicate"),
        (base[4].upper() + " !", "near duplicate"),
        ("z" * 5000, "too long"),
    ]
    keys = table(base)["row_key"].to_pylist()
    assert bench.saved["dropped"]["of"].to_pylist() == [None, keys[3], keys[4], None]
    assert sorted(kept(bench)) == sorted(base)
    report = bench.saved["curation"]
    assert report["dropped"] == {"exact duplicate": 1, "near duplicate": 1, "too long": 1, "too short": 1}
    assert report["splits"] == {name: bench.saved[name].num_rows for name in ("pool", "test", "traffic")}
    assert report["split"]["stratified"] is False


def test_the_split_stays_when_rows_are_added_and_changes_with_the_seed() -> None:
    few, more = sentences(300), sentences(300) + sentences(300, seed=2)
    one, two = run(table(few)), run(table(more))
    for name in ("pool", "test", "traffic"):
        assert set(one.saved[name]["text"].to_pylist()) <= set(two.saved[name]["text"].to_pylist())
    other = run(table(few), split_seed=1)
    assert other.saved["test"]["text"].to_pylist() != one.saved["test"]["text"].to_pylist()


def test_shares_are_met() -> None:
    config = CurateConfig(test_share=0.2, traffic_share=0.1)
    names = [split_of(hashlib.blake2b(str(at).encode(), digest_size=8).hexdigest(), config) for at in range(20_000)]
    assert abs(names.count("test") / 20_000 - 0.2) < 0.015
    assert abs(names.count("traffic") / 20_000 - 0.1) < 0.012


def test_blocked_texts_do_not_come_back() -> None:
    base, wall = sentences(80), sentences(5, seed=9)
    bench = run(table([*base, wall[0], wall[1] + "."]), blocked=table(wall))
    assert dropped(bench) == [(wall[0], "blocked, exact duplicate"), (wall[1] + ".", "blocked, near duplicate")]
    assert bench.saved["dropped"]["of"].to_pylist() == table(wall)["row_key"].to_pylist()[:2]


def test_languages_are_kept_when_unsure() -> None:
    english = sentences(40)
    german = "Der Bundeskanzler trifft heute den französischen Präsidenten in Berlin"
    unsure = "bye bye now"
    bench = run(table([*english, german, unsure]), languages=("en",), language_margin=0.9)
    assert dropped(bench) == [(german, "language de")]
    with pytest.raises(BadInput, match="unknown language code 'english'"):
        run(table(english), languages=("english",))


def test_right_to_left_and_emoji_rows_are_compared_like_any_other() -> None:
    base = sentences(60)
    arabic = "ارتفعت أسعار النفط اليوم في الأسواق العالمية بعد اجتماع المنتجين"
    emoji = "👩‍👩‍👧‍👦 🎉🎉 family party tonight at the old town hall 🎉"
    bench = run(table([*base, arabic, emoji, arabic + " !", emoji]))
    assert [reason for _, reason in dropped(bench)] == ["near duplicate", "exact duplicate"]
    assert {arabic, emoji} <= set(kept(bench))


def test_conflicting_labels_are_counted() -> None:
    base = sentences(60)
    bench = run(table([*base, base[0], base[1]], labels=["a"] * 60 + ["b", "a"]))
    assert bench.saved["curation"]["label_conflicts"] == 1


def test_nothing_left_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing is left for the pool and the test split"):
        run(table(["a", "b"]))
    with pytest.raises(BadInput, match="must leave something for the pool"):
        CurateConfig.parse({"test_share": 0.7, "traffic_share": 0.4})


def test_overlap_is_refused_by_name() -> None:
    train, test = sentences(50), sentences(20, seed=3)
    refuse_overlap(table(train), table(test))
    leaking = table([*train, test[0], test[1].replace(" ", "  ").title()])
    with pytest.raises(BadInput, match="2 training rows repeat test rows") as caught:
        refuse_overlap(leaking, table(test))
    keys = leaking["row_key"].to_pylist()
    test_keys = table(test)["row_key"].to_pylist()
    assert caught.value.details["pairs"] == [(keys[50], test_keys[0], 1.0), (keys[51], test_keys[1], 1.0)]
    assert keys[50] in str(caught.value)


def test_overlap_of_tables_with_repeats_of_their_own() -> None:
    test = sentences(3, seed=4)
    train = sentences(5)
    refuse_overlap(table([*train, *train]), table([*test, *test]))
    refuse_overlap(table(train), table([]))
    with pytest.raises(BadInput, match="2 training rows"):
        refuse_overlap(table([test[0], test[0]]), table([*test, *test]))


def pieces(text: str) -> set[str]:
    plain = " ".join(text.casefold().split())
    return {plain[at : at + 5] for at in range(max(1, len(plain) - 4))}


def brute_force(texts: list[str], threshold: float) -> list[int]:
    """The same rule without hashes: keep a text unless an earlier kept one is similar enough."""
    survivors: list[int] = []
    gone: list[int] = []
    for at, text in enumerate(texts):
        mine = pieces(text)
        similar = (len(mine & pieces(texts[of])) / len(mine | pieces(texts[of])) for of in survivors)
        (gone if any(value >= threshold for value in similar) else survivors).append(at)
    return gone


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_near_duplicates_agree_with_comparing_every_pair(data: st.DataObject) -> None:
    base = sentences(8, seed=data.draw(st.integers(0, 50)))
    edits = st.tuples(st.integers(0, 7), st.integers(0, 60), st.text("xyz ", max_size=6))
    made = [base[at][:cut] + new + base[at][cut:] for at, cut, new in data.draw(st.lists(edits, max_size=12))]
    texts = base + made
    threshold = data.draw(st.sampled_from([0.5, 0.7, 0.8, 0.9, 1.0]))
    found = near.repeats(texts, threshold=threshold)
    assert [match.at for match in found] == brute_force(texts, threshold)
    assert all(match.of < match.at and match.jaccard >= threshold for match in found)


def test_texts_that_all_resemble_each_other_do_not_cost_their_square() -> None:
    draw = random.Random(1)
    lines = [
        f"user {draw.randrange(10**6)} logged in from address {draw.randrange(10**5)} with the mobile app" for _ in range(4000)
    ]
    began = time.process_time()
    near.repeats(lines, threshold=0.8)
    assert time.process_time() - began < 20, "comparing every pair takes over a minute"


def test_blocks_of_sketches_agree_with_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = sentences(200)
    texts += [f"{text} " + "again"[: at % 5] for at, text in enumerate(texts[:60])]
    whole = near.repeats(texts, threshold=0.8)
    monkeypatch.setattr(near, "_BLOCK", 64)
    assert near.repeats(texts, threshold=0.8) == whole
    assert len(whole) == 60


def test_the_same_input_gives_the_same_output() -> None:
    rows = table(sentences(200) + sentences(30))
    one, two = run(rows), run(rows)
    assert one.saved["curation"] == two.saved["curation"]
    assert all(one.saved[name].equals(two.saved[name]) for name in ("pool", "test", "traffic", "dropped"))
