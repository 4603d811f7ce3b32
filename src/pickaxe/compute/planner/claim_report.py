"""What the solver found about a claim, as plain data for a screen, a page or an API."""

from __future__ import annotations

from typing import Any

from pickaxe.compute.planner.claim_solver import Needed, Solution, case_value, solve, tradeoff
from pickaxe.compute.planner.claims import Claim, in_language, in_unit_of


def report(claim: Claim, language: str = "en") -> dict[str, Any]:
    """The claim, its verdict, what it takes, and each line of its arithmetic. Texts only: numbers carry their unit."""
    found = solve(claim)
    return {
        "kind": "claim",
        "id": claim.id,
        "title": in_language(claim.title, language),
        "says": in_language(claim.says, language),
        "source": claim.source,
        "formula": claim.formula,
        "verdict": found.verdict,
        "said": said(claim),
        "computed": claim.shown(found.value),
        "lowest": claim.shown(found.lowest),
        "highest": claim.shown(found.highest),
        "off_by": found.off_by,
        "note": in_language(claim.note, language) if claim.note else None,
        "stated": {name: claim.written(name, value) for name, value in (claim.constants | claim.given).items()},
        "assumptions": [
            {
                "name": name,
                "usual": claim.written(name, item.value),
                "low": claim.written(name, item.low),
                "high": claim.written(name, item.high),
                "why": item.why,
            }
            for name, item in claim.assume.items()
        ],
        "holds_with": None if found.point is None else {name: claim.written(name, value) for name, value in found.point.items()},
        "needed": [_needed(claim, need) for need in found.needed],
        "tradeoff": _tradeoff(claim),
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


def why(claim: Claim, found: Solution) -> str:
    """The verdict's reason in one sentence."""
    if found.verdict == "true":
        return f"It comes to {claim.shown(found.value)}; said is {said(claim)}."
    if found.point is not None:
        point = ", ".join(f"{name} {claim.written(name, value)}" for name, value in found.point.items())
        return f"The usual values give {claim.shown(found.value)}; it holds with {point}."
    low, high = claim.shown(found.lowest), claim.shown(found.highest)
    if not claim.assume:
        return f"It comes to {low}; said is {said(claim)}."
    factor = f", a factor of {found.off_by:.2f} away from the nearest of them" if found.off_by else ""
    if found.verdict == "undecided":
        return f"The usual values give {claim.shown(found.value)}; the search found no plausible values that fit, and no proof that none do."
    return f"Plausible values give {low} to {high}; said is {said(claim)}{factor}."


def needed_text(claim: Claim, need: Needed) -> str:
    """The value that one quantity would have to have, and whether it may."""
    if need.value is None:
        return f"no {need.name} would do"
    suffix = " (stated otherwise)" if need.stated else "" if need.plausible else " (not plausible)"
    return f"{need.name} {claim.written(need.name, need.value)}{suffix}"


def _tradeoff(claim: Claim) -> dict[str, Any] | None:
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
                "of": claim.written(fixed, at),
                "needs": None if value is None else claim.written(solved, value),
                "plausible": value is not None and bool(span.low <= value <= span.high),
            }
            for at, value in tradeoff(claim, fixed, solved)
        ],
    }


def _needed(claim: Claim, need: Needed) -> dict[str, Any]:
    return {
        "name": need.name,
        "usual": claim.written(need.name, need.usual),
        "value": None if need.value is None else claim.written(need.name, need.value),
        "stated": need.stated,
        "plausible": need.plausible,
    }


def _case(claim: Claim, index: int, language: str) -> dict[str, Any]:
    case = claim.cases[index]
    return {
        "text": in_language(case.text, language),
        "solves": case.solve,
        "published": in_unit_of(case.expect, case.unit),
        "computed": in_unit_of(case_value(claim, case), case.unit),
    }
