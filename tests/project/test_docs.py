"""Documents cannot drift: what README.md and docs/guides/ show is run, links lead somewhere, the CLI reference is generated."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.documents import blocks, run
from tests.project.tree import ROOT, relative, tracked

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs" / "guides").glob("*.md")])

# Blocks that are shown and not run, each for a reason: they need the ten-minute demo, a set-up, or an endless server.
NO_RUN: dict[str, int] = {
    "README.md": 6,
    "docs/guides/produce.md": 2,
    "docs/guides/serving.md": 2,
    "docs/guides/server.md": 2,
    "docs/guides/first-model.md": 1,
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_info_strings_are_known(document: Path) -> None:
    problems = [problem for block in blocks(document.read_text(encoding="utf-8")) if (problem := block.problem())]
    assert problems == []


def test_blocks_that_are_not_run_are_counted() -> None:
    counts = {
        relative(document): sum("no-run" in block.options for block in blocks(document.read_text(encoding="utf-8")))
        for document in DOCUMENTS
    }
    assert {name: count for name, count in counts.items() if count} == NO_RUN


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_blocks_run(document: Path, tmp_path: Path) -> None:
    expected = sum(block.runs for block in blocks(document.read_text(encoding="utf-8")))
    assert run(document, tmp_path) == expected


@pytest.mark.parametrize("document", tracked(".md"), ids=relative)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize(
    "writer", ["write_cli_reference.py", "write_task_reference.py", "write_claims.py", "write_published_runs.py"]
)
def test_generated_references_are_up_to_date(writer: str) -> None:
    ended = subprocess.run([sys.executable, f"docs/{writer}", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
