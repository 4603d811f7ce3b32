"""Writes docs/claims.md from the published claims and the solver; `--check` only says whether it is up to date (exit code 1 when not)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import click

from pickaxe.compute.planner.claim_solver import Needed, Solution, case_value, solve
from pickaxe.compute.planner.claims import Claim, in_unit_of, shipped_claims

TARGET = Path(__file__).parent / "claims.md"
HEAD = """# Published claims, with their arithmetic

Written by `make docs` from `compute/planner/data/claims.toml` and the claim solver; do not edit. Tests hold every verdict and every line of arithmetic.

- **true**: with the values that the statement names, and the usual ones for what it leaves open.
- **possible**: with other values that were plausible; one such point is shown.
- **impossible**: with no plausible values, proved by interval arithmetic over the whole range of each.

`pickaxe plan claim ID` prints one; `pickaxe plan claim FILE.toml` solves one of your own.
"""


def page() -> str:
    claims = list(shipped_claims().values())
    return HEAD + "".join(_overview(claims)) + "".join(_sections(claims))


def _overview(claims: list[Claim]) -> Iterator[str]:
    yield "\n| claim | said | computed | verdict |\n|---|---:|---:|---|\n"
    for claim in claims:
        found = solve(claim)
        yield f"| [{claim.title['en']}](#{claim.id}) | {said(claim)} | {claim.shown(found.value)} | {found.verdict} |\n"


def _sections(claims: list[Claim]) -> Iterator[str]:
    for group, members in groupby(claims, key=lambda claim: claim.group):
        yield f"\n## {group.capitalize()}\n"
        for claim in members:
            yield from _section(claim, solve(claim))


def _section(claim: Claim, found: Solution) -> Iterator[str]:
    yield f'\n<a id="{claim.id}"></a>\n\n### {claim.title["en"]}\n\n> {claim.says["en"]}\n\n'
    yield f"**{found.verdict.capitalize()}.** {_why(claim, found)}\n\n"
    if claim.note:
        yield f"{claim.note['en']}\n\n"
    yield f"`{claim.formula}`\n\n"
    stated = claim.constants | claim.given
    if stated:
        yield "Stated: " + ", ".join(f"{name} {claim.written(name, value)}" for name, value in stated.items()) + ".\n\n"
    if claim.assume:
        yield "| left open | usual | plausible | why |\n|---|---:|---:|---|\n"
        for name, item in claim.assume.items():
            usual, low, high = (claim.written(name, value) for value in (item.value, item.low, item.high))
            yield f"| {name} | {usual} | {low} – {high} | {item.why} |\n"
        yield "\n"
    if claim.cases:
        yield "| arithmetic | published | computed |\n|---|---:|---:|\n"
        for case in claim.cases:
            came = case_value(claim, case)
            name = case.solve if case.solve else ""
            yield f"| {case.text['en']}{f' (`{name}`)' if name else ''} | {in_unit_of(case.expect, case.unit)} | {in_unit_of(came, case.unit)} |\n"
        yield "\n"
    if found.needed:
        yield "One value changed, the others as they are: " + "; ".join(_needed(claim, need) for need in found.needed) + ".\n\n"
    yield f"Source: {claim.source}.\n"


def _why(claim: Claim, found: Solution) -> str:
    if found.verdict == "true":
        return f"It comes to {claim.shown(found.value)}; said is {said(claim)}."
    if found.point is not None:
        point = ", ".join(f"{name} {claim.written(name, value)}" for name, value in found.point.items())
        return f"The usual values give {claim.shown(found.value)}; it holds with {point}."
    factor = f", a factor of {found.off_by:.2f} away from the nearest of them" if found.off_by else ""
    return f"Plausible values give {claim.shown(found.lowest)} to {claim.shown(found.highest)}; said is {said(claim)}{factor}."


def said(claim: Claim) -> str:
    result = claim.result
    if result.about is not None:
        return claim.shown(result.about)
    if result.at_least is not None and result.at_most is not None:
        return f"{claim.shown(result.at_least)} – {claim.shown(result.at_most)}"
    return f"≥ {claim.shown(result.at_least)}" if result.at_least is not None else f"≤ {claim.shown(result.at_most or 0.0)}"


def _needed(claim: Claim, need: Needed) -> str:
    if need.value is None:
        return f"no {need.name} would do"
    return f"{need.name} {claim.written(need.name, need.value)}" + (
        " (stated otherwise)" if need.stated else "" if need.plausible else " (not plausible)"
    )


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv[1:]:
        current = TARGET.read_text(encoding="utf-8") if TARGET.is_file() else ""
        sys.exit(0 if current == text else f"{TARGET.name} is not what the claims say now; run: make docs")
    TARGET.write_text(text, encoding="utf-8")
    click.echo(f"wrote {TARGET.name}")
