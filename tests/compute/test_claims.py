"""Published claims: every verdict and every line of arithmetic, the inconsistent ones included; and claims of one's own."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner.claims.change import changed
from pickaxe.compute.planner.claims.claims import Claim, claim_from, claim_named, read_claim, shipped_claims
from pickaxe.compute.planner.claims.report import report
from pickaxe.compute.planner.claims.solver import case_value, solve, tradeoff
from pickaxe.kernel.errors import BadInput

CASES = [(claim, case) for claim in shipped_claims().values() for case in claim.cases]

INCONSISTENT = {
    "one-day-3740",
    "gpt3-v100-14m",
    "200b-yuan-100m-300b-tokens",
    "server-margin-80",
    "automation-1000x",
    "compute-300000-2020",
}


@pytest.mark.parametrize("claim", shipped_claims().values(), ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    assert claim.verdict is not None
    found = solve(claim)
    assert found.verdict == claim.verdict
    if found.point is not None:
        at = claim.usual | found.point
        assert claim.result.holds(claim.arithmetic.value({name: float(value) for name, value in at.items()}))
        assert all(claim.assume[name].low <= value <= claim.assume[name].high for name, value in found.point.items())


@pytest.mark.parametrize(("claim", "case"), CASES, ids=[f"{claim.id}: {case.text['en']}" for claim, case in CASES])
def test_arithmetic(claim: Claim, case: Any) -> None:
    came = case_value(claim, case)
    assert came.dimension == case.expect.dimension
    assert float(came) == pytest.approx(float(case.expect), rel=case.within)


def test_the_inconsistent_ones() -> None:
    assert {claim.id for claim in shipped_claims().values() if solve(claim).verdict == "impossible"} == INCONSISTENT


def test_impossible_says_how_far_off() -> None:
    assert solve(claim_named("gpt3-v100-14m")).off_by == pytest.approx(14 * 0.98 / 5.46, rel=0.001)


def test_what_it_takes_is_listed() -> None:
    needed = {need.name: need for need in solve(claim_named("gpt3-v100-14m")).needed}
    price = needed["price"]
    assert price.value is not None
    assert price.value.to("$/GPU-h") == pytest.approx(10, rel=1e-6)
    assert not price.plausible
    assert needed["utilisation"].stated
    assert "work" not in needed  # a law is not an assumption


def test_the_nearer_end_of_a_claimed_range_is_aimed_at() -> None:
    base = claim_named("gpt3-a100-million")  # 1.03 to 1.35 M
    dear, cheap = (solve(changed(base, {"price": price})) for price in ("$4/GPU-h", "$1/GPU-h"))
    prices = [next(need.value for need in found.needed if need.name == "price") for found in (dear, cheap)]
    assert [None if price is None else round(price.to("$/GPU-h"), 2) for price in prices] == [2.41, 1.84]


def test_tradeoff_of_price_and_utilisation() -> None:
    pairs = tradeoff(claim_named("gpt3-v100-12m"), "price", "utilisation", 5)
    assert [pair[1] for pair in pairs] == sorted(pair[1] for pair in pairs if pair[1] is not None)
    for price, utilisation in pairs:
        assert utilisation is not None
        cost = 6 * 175e9 * 300e9 / (125e12 * float(utilisation)) / 3600 * price.to("$/GPU-h")
        assert cost == pytest.approx(12e6, rel=1e-6)


def test_no_plausible_point_is_proved_not_sampled() -> None:
    """A thin target between two reachable values is found; one just outside is proved out of reach."""
    base: dict[str, Any] = {
        "id": "thin",
        "title": {"en": "t"},
        "says": {"en": "s"},
        "source": "test",
        "formula": "a * b",
        "assume": {name: {"value": 2, "low": 1, "high": 3, "why": "test"} for name in "ab"},
    }
    assert solve(claim_from(base | {"result": {"about": 8.9999, "within": 1e-7}})).verdict == "possible"
    assert solve(claim_from(base | {"result": {"about": 9.0001, "within": 1e-7}})).verdict == "impossible"
    assert solve(claim_from(base | {"formula": "a - a * b / b", "result": {"about": 0.5, "within": 0.1}})).verdict in (
        "impossible",
        "undecided",
    )


@given(price=st.floats(0.5, 12), utilisation=st.floats(0.05, 0.9))
def test_the_solver_finds_a_price_that_is_there(price: float, utilisation: float) -> None:
    """A claim made true by construction is never called impossible, and the needed price is the one that made it true."""
    cost = 6 * 175e9 * 300e9 / (125e12 * utilisation) / 3600 * price
    values = {
        "id": "made",
        "title": {"en": "t"},
        "says": {"en": "s"},
        "source": "test",
        "formula": "flop / (peak * utilisation) * price",
        "given": {"flop": "3.15e23 FLOP", "peak": "125 TFLOP/s/GPU", "utilisation": utilisation},
        "assume": {"price": {"value": "$3/GPU-h", "low": "$0.4/GPU-h", "high": "$13/GPU-h", "why": "test"}},
        "result": {"about": f"${cost!r}"},
    }
    found = solve(claim_from(values))
    assert found.verdict in ("true", "possible")
    if found.verdict == "possible":
        needed = next(need for need in found.needed if need.name == "price")
        assert needed.value is not None
        assert needed.value.to("$/GPU-h") == pytest.approx(price, rel=1e-6)


OWN = """
title = { en = "A run of mine" }
says = { en = "It cost $1,000." }
formula = "hours * price"
result = { about = "$1000" }
given = { hours = "500 GPU-h" }
[assume.price]
value = "$1/GPU-h"
low = "$0.5/GPU-h"
high = "$4/GPU-h"
why = "clouds"
"""


def test_a_claim_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(OWN, encoding="utf-8")
    found = solve(read_claim(file))
    assert found.verdict == "possible"
    assert found.point is not None
    assert found.point["price"].to("$/GPU-h") == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('hours = "500 GPU-h"', 'hours = "500 W"', "unit"),
        ('hours = "500 GPU-h"', 'hours = "many"', "hours"),
        ('hours = "500 GPU-h"', "hours = nan", "hours"),
        ("hours * price", "hour * price", "did you mean hours"),
        ('low = "$0.5/GPU-h"', 'low = "$5/GPU-h"', "not between"),
        ('low = "$0.5/GPU-h"', 'low = "0.5 h"', "units differ"),
        ('result = { about = "$1000" }', 'result = { about = "$1000", at_least = "$1" }', "about"),
        ('result = { about = "$1000" }', "result = {}", "about"),
        ('title = { en = "A run of mine" }', 'title = { zh = "我的训练" }', "English"),
        ('title = { en = "A run of mine" }', 'titel = { en = "A run of mine" }', "titel"),
        ('why = "clouds"', 'why = "clouds"\n[units]\nprice = "GB"', "GB"),
        ('formula = "hours * price"', 'formula = "hours * price * 0', "TOML"),
    ],
)
def test_a_bad_claim_file_names_the_place(tmp_path: Path, old: str, new: str, named: str) -> None:
    file = tmp_path / "mine.toml"
    assert old in OWN
    file.write_text(OWN.replace(old, new), encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        read_claim(file)
    assert named in str(refused.value)


def test_unknown_claims_and_files(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="did you mean gpt3-v100-14m"):
        claim_named("gpt3-v100-14")
    with pytest.raises(BadInput, match="cannot read"):
        read_claim(tmp_path / "nothing.toml")


def test_texts_have_chinese_too() -> None:
    assert all("zh" in claim.title and "zh" in claim.says for claim in shipped_claims().values())


def test_shipped_values_are_finite() -> None:
    assert all(math.isfinite(value) for claim in shipped_claims().values() for value in claim.usual.values())
    assert tomllib.loads(OWN)["given"]["hours"] == "500 GPU-h"


def test_a_claim_asked_with_other_values() -> None:
    base = claim_named("gpt3-v100-14m")
    cheaper = changed(base, {"result": "$5M"})
    assert solve(cheaper).verdict == "possible"
    opened = changed(base, {"utilisation": ["10%", "50%"], "price": "$3.06/GPU-h"})
    found = solve(opened)
    assert found.verdict == "possible"
    assert found.point is not None
    assert float(found.point["utilisation"]) == pytest.approx(0.153, rel=0.03)
    assert opened.cases == ()
    assert solve(changed(base, {"result": ["$4M", "$5M"]})).verdict == "true"
    assert changed(base, {}) == base


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"prise": "$3/GPU-h"}, "price"),
        ({"price": "$3"}, "price"),
        ({"result": "3 GB"}, "result"),
        ({"utilisation": ["50%", "10%"]}, "utilisation"),
        ({"utilisation": math.nan}, "utilisation"),
        ({"utilisation": 0}, "division by zero"),
        ({"price": {}}, "price"),
    ],
)
def test_bad_changes_are_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInput) as refused:
        solve(changed(claim_named("gpt3-v100-14m"), values))
    assert named in str(refused.value)


def test_the_report_shows_the_tradeoff_of_two_open_values() -> None:
    points = report(claim_named("gpt3-v100-12m"))["tradeoff"]["points"]
    assert any(point["plausible"] for point in points)
    assert not all(point["plausible"] for point in points)
    assert report(claim_named("gpt3-v100-14m"))["tradeoff"] is None
