"""Writes docs/claims.md from the published claims and the solver; `--check` only says whether it is up to date (exit code 1 when not)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import click

from pickaxe.compute.planner.claims.claims import Claim, shipped_claims
from pickaxe.compute.planner.claims.report import needed_text, report
from pickaxe.compute.planner.claims.solver import solve

TARGET = Path(__file__).parent / "claims.md"
HEAD = """# Published claims, with their arithmetic

Written by `make docs` from `compute/planner/data/claims.toml` and the claim solver; do not edit. Tests hold every verdict and every line of arithmetic.

- **true**: with the values that the statement names, and the usual ones for what it leaves open.
- **possible**: with other values that were plausible; one such point is shown.
- **impossible**: with no plausible values, proved by interval arithmetic over the whole range of each.

`pickaxe plan claim ID` prints one, `--set NAME=VALUE` asks it with other values, and `pickaxe plan claim FILE.toml` solves one of your own. Training
runs whose hours were published are on a page of their own: [published runs](published-runs.md).
"""


def page() -> str:
    claims = list(shipped_claims().values())
    return HEAD + "".join(_overview(claims)) + "".join(_sections(claims))


def _overview(claims: list[Claim]) -> Iterator[str]:
    yield "\n| claim | said | computed | verdict |\n|---|---:|---:|---|\n"
    for row in map(report, claims):
        yield f"| [{row['title']}](#{row['id']}) | {row['said']} | {row['computed']} | {row['verdict']} |\n"


def _sections(claims: list[Claim]) -> Iterator[str]:
    for group, members in groupby(claims, key=lambda claim: claim.group):
        yield f"\n## {group.capitalize()}\n"
        for claim in members:
            yield from _section(claim)


def _section(claim: Claim) -> Iterator[str]:
    row, found = report(claim), solve(claim)
    yield f'\n<a id="{claim.id}"></a>\n\n### {row["title"]}\n\n> {row["says"]}\n\n'
    yield f"**{found.verdict.capitalize()}.** {row['why']}\n\n"
    if row["note"]:
        yield f"{row['note']}\n\n"
    yield f"`{claim.formula}`\n\n"
    if row["stated"]:
        yield "Stated: " + ", ".join(f"{name} {value}" for name, value in row["stated"].items()) + ".\n\n"
    if row["assumptions"]:
        yield "| left open | usual | plausible | why |\n|---|---:|---:|---|\n"
        for item in row["assumptions"]:
            yield f"| {item['name']} | {item['usual']} | {item['low']} – {item['high']} | {item['why']} |\n"
        yield "\n"
    if row["cases"]:
        yield "| arithmetic | published | computed |\n|---|---:|---:|\n"
        for case in row["cases"]:
            solved = f" (`{case['solves']}`)" if case["solves"] else ""
            yield f"| {case['text']}{solved} | {case['published']} | {case['computed']} |\n"
        yield "\n"
    if found.needed:
        yield (
            "One value changed, the others as they are: " + "; ".join(needed_text(claim, need) for need in found.needed) + ".\n\n"
        )
    yield f"Source: {claim.source}.\n"


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv[1:]:
        current = TARGET.read_text(encoding="utf-8") if TARGET.is_file() else ""
        sys.exit(0 if current == text else f"{TARGET.name} is not what the claims say now; run: make docs")
    TARGET.write_text(text, encoding="utf-8")
    click.echo(f"wrote {TARGET.name}")
