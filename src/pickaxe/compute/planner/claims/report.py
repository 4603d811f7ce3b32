"""What the solver found about a claim, as plain data for a screen, a page or an API."""

from __future__ import annotations

from typing import Any

from pickaxe.compute.planner.claims.claims import Claim, in_language, in_unit_of
from pickaxe.compute.planner.claims.solver import Needed, Solution, case_value, solve, tradeoff
from pickaxe.compute.planner.quantities.units import Quantity
from pickaxe.compute.planner.words import in_units, note, word


def report(claim: Claim, language: str = "en") -> dict[str, Any]:
    """The claim, its verdict, what it takes, and each line of its arithmetic. Texts only: numbers carry their unit."""
    found = solve(claim)

    def shown(value: float) -> str:
        return in_units(claim.shown(value), language)

    def written(name: str, value: Quantity) -> str:
        return in_units(claim.written(name, value), language)

    return {
        "kind": "claim",
        "id": claim.id,
        "title": in_language(claim.title, language),
        "says": in_language(claim.says, language),
        "source": claim.source,
        "formula": claim.formula,
        "verdict": found.verdict,
        "verdict_text": word("notes", f"verdict_{found.verdict}", language),
        "why": why(claim, found, language),
        "said": in_units(said(claim), language),
        "computed": shown(found.value),
        "lowest": shown(found.lowest),
        "highest": shown(found.highest),
        "off_by": found.off_by,
        "note": in_language(claim.note, language) if claim.note else None,
        "stated": {name: written(name, value) for name, value in (claim.constants | claim.given).items()},
        "assumptions": [
            {
                "name": name,
                "usual": written(name, item.value),
                "low": written(name, item.low),
                "high": written(name, item.high),
                "why": item.why,
            }
            for name, item in claim.assume.items()
        ],
        "holds_with": None if found.point is None else {name: written(name, value) for name, value in found.point.items()},
        "needed": [_needed(claim, need, language) for need in found.needed],
        "tradeoff": _tradeoff(claim, language),
        "cases": [_case(claim, index, language) for index in range(len(claim.cases))],
    }


def said(claim: Claim) -> str:
    """What the statement says comes out."""
    result = claim.result
    if result.about is not None:
        return claim.shown(result.about)
    if result.at_least is not None and result.at_most is not None:
        return f"{claim.shown(result.at_least)} – {claim.shown(result.at_most)}"
    return f"≥ {claim.shown(result.at_least)}" if result.at_least is not None else f"≤ {claim.shown(result.at_most or 0.0)}"


def why(claim: Claim, found: Solution, language: str = "en") -> str:
    """The verdict's reason in one sentence."""
    computed, low, high = (claim.shown(value) for value in (found.value, found.lowest, found.highest))
    if found.verdict == "true" or (not claim.assume and found.verdict == "impossible"):
        return note("claim_comes_to", computed=computed, said=said(claim)).said(language)
    if found.point is not None:
        point = ", ".join(f"{name} {claim.written(name, value)}" for name, value in found.point.items())
        return note("claim_holds_with", computed=computed, point=point).said(language)
    if found.verdict == "undecided":
        return note("claim_undecided", computed=computed).said(language)
    factor = note("claim_factor", factor=f"{found.off_by:.2f}") if found.off_by else ""
    return note("claim_out_of_reach", low=low, high=high, said=said(claim), factor=factor).said(language)


def needed_text(claim: Claim, need: Needed, language: str = "en") -> str:
    """The value that one quantity would have to have, and whether it may."""
    if need.value is None:
        return word("screen", "none_would_do", language).format(name=need.name)
    key = "stated_otherwise" if need.stated else "" if need.plausible else "is_not_plausible"
    written = in_units(claim.written(need.name, need.value), language)
    return f"{need.name} {written}{word('screen', key, language) if key else ''}"


def _tradeoff(claim: Claim, language: str) -> dict[str, Any] | None:
    """Where two things are left open: for values of the first, the value of the second that makes the claim true."""
    if len(claim.assume) < 2:
        return None
    fixed, solved = list(claim.assume)[:2]
    span = claim.assume[solved]
    return {
        "of": fixed,
        "needs": solved,
        "points": [
            {
                "of": in_units(claim.written(fixed, at), language),
                "needs": None if value is None else in_units(claim.written(solved, value), language),
                "plausible": value is not None and bool(span.low <= value <= span.high),
            }
            for at, value in tradeoff(claim, fixed, solved)
        ],
    }


def _needed(claim: Claim, need: Needed, language: str) -> dict[str, Any]:
    return {
        "name": need.name,
        "usual": in_units(claim.written(need.name, need.usual), language),
        "value": None if need.value is None else in_units(claim.written(need.name, need.value), language),
        "stated": need.stated,
        "plausible": need.plausible,
    }


def _case(claim: Claim, index: int, language: str) -> dict[str, Any]:
    case = claim.cases[index]
    return {
        "text": in_language(case.text, language),
        "solves": case.solve,
        "published": in_units(in_unit_of(case.expect, case.unit), language),
        "computed": in_units(in_unit_of(case_value(claim, case), case.unit), language),
    }
