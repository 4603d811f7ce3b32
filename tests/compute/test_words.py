"""The planner's words in both languages: of fields, results, steps, notes and units."""

from __future__ import annotations

import re

import pytest

from pickaxe.compute.planner import words
from pickaxe.compute.planner.business import application, payback, pool
from pickaxe.compute.planner.scenario import KINDS, plan
from pickaxe.compute.planner.serving import traffic
from pickaxe.compute.planner.words import in_units
from tests.compute.test_scenario import EXAMPLES


def test_words_cover_every_field_and_result_in_both_languages() -> None:
    fields = [*traffic.FIELDS, *pool.FIELDS, *application.FIELDS, *payback.PAYBACK_FIELDS, *payback.OWN_FIELDS]
    results = {
        name
        for kind in KINDS
        if kind != "claim"
        for case in plan(kind, EXAMPLES[kind] | {"samples": 20})["cases"].values()
        for name in case["results"]
    }
    incumbent = plan("app", EXAMPLES["app"] | {"case": "incumbent", "base_revenue": "$1", "samples": 20})
    results |= set(incumbent["cases"]["incumbent"]["results"])
    for section, names in (("fields", {field.name for field in fields}), ("results", results)):
        assert names <= set(words.known(section))
        assert all(words.word(section, name, language) for name in names for language in words.LANGUAGES)
        assert all(words.word(section, name, "zh") != words.word(section, name, "en") for name in names - {"pue"})


def test_every_part_of_a_step_has_its_words() -> None:
    parts = plan("train", EXAMPLES["train"] | {"samples": 20})["cases"]["train"]["layouts"]["best"][0]["step"]
    assert set(parts) - {"total"} <= set(words.known("screen"))
    assert {*KINDS} <= set(words.known("screen"))


def test_notes_reasons_and_units_come_in_the_language() -> None:
    scenario = {"model": "llama-3.1-8b", "device": "H100", "devices": [8, 64], "tokens": "100B tokens", "deadline": "3 days"}
    english, chinese = (plan("train", scenario, language)["cases"]["train"] for language in ("en", "zh"))
    reasons = [[item["reason"] for item in case["layouts"]["fallen"]] for case in (english, chinese)]
    assert len(reasons[0]) == len(reasons[1]) >= 3
    assert any("takes longer than" in reason for reason in reasons[0])
    assert any("耗时超过 3 天" in reason for reason in reasons[1])
    assert chinese["layouts"]["best"][0]["text"].startswith("64 张卡：DP")
    assert chinese["results"]["time"]["text"].endswith(" 天")
    assert all("published" not in said for said in chinese["notes"])
    assert not any(re.search(r"[a-z]{4,}", re.sub(r"ZeRO|MegaScale|ByteRobust|PaLM", "", said)) for said in reasons[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2.4 days", "2.4 天"),
        ("$0.15/M tokens", "$0.15/百万词元"),
        ("484k tokens/s", "484k 词元/s"),
        ("3646 PFLOP/s-days", "3646 PFLOP/s-days"),
        ("$2.00/GPU-h", "$2.00/GPU-h"),
    ],
)
def test_words_of_units_are_said_and_symbols_stay(text: str, said: str) -> None:
    assert in_units(text, "zh") == said
    assert in_units(text, "en") == text
