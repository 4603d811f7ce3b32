"""`pickaxe produce --data`: what is wrong with a file is said with its remedy, and nothing is half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.workspace import Workspace
from tests.cli.conftest import Pickaxe

pytestmark = pytest.mark.slow

WORDS = ("amber", "basil", "cedar", "daisy", "elder", "fern", "ginger", "hazel", "iris", "juniper", "kelp", "lotus")


def table(rows: int, classes: tuple[str, ...]) -> str:
    lines = [
        f"{WORDS[row % 12]} {WORDS[row // 12 % 12]} and {row * 7919} of {WORDS[row % 7]},{classes[row % len(classes)]}"
        for row in range(rows)
    ]
    return "\n".join(["body,kind", *lines, ""])


CASES = {
    "no encoding": (
        table(40, ("a", "b")).encode(),
        ("--text", "body", "--label", "kind", "--encoding", "klingon"),
        ("klingon", "encoding"),
    ),
    "missing column": (table(40, ("a", "b")).encode(), ("--text", "boddy", "--label", "kind"), ("boddy", "body")),
    "missing label": (table(40, ("a", "b")).encode(), ("--text", "body", "--label", "king"), ("king", "kind")),
    "empty file": (b"", ("--text", "body", "--label", "kind"), ("empty",)),
    "only a header": (b"body,kind\n", ("--text", "body", "--label", "kind"), ("no usable row",)),
    "one class": (table(300, ("a",)).encode(), ("--text", "body", "--label", "kind"), ("one class", "a")),
    "budget 0": (table(300, ("a", "b")).encode(), ("--text", "body", "--classes", "a,b", "--labels", "0"), ("budget",)),
    "no classes": (table(300, ("a", "b")).encode(), ("--text", "body"), ("classes", "--classes")),
    "one class named": (table(40, ("a", "b")).encode(), ("--text", "body", "--classes", "a"), ("two different names",)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_clear_message_and_nothing_half_written(
    pickaxe: Pickaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    content, options, said_words = CASES[case]
    monkeypatch.chdir(tmp_path)
    Path("mail.csv").write_bytes(content)
    said = pickaxe("-w", "workspace", "produce", "--data", "mail.csv", *options)
    assert said.code == 2, said
    assert said.err.startswith("error: ")
    assert "what to do" in said.err
    assert "Traceback" not in said.err
    for word in said_words:
        assert word in said.err, said.err
    assert not Path("mail.html").exists()
    if not Path("workspace").exists():
        return
    with Workspace("workspace") as opened:
        assert list(opened.scratch.iterdir()) == []
        assert not opened.endpoints()
        for artifact in opened.artifacts.list():
            if artifact.stored == "table":
                assert opened.read_table(artifact).num_rows == artifact.meta["rows"]
        assert {run.state for run in opened.runs.list()} <= {RunState.SUCCEEDED, RunState.FAILED}


def test_missing_data(pickaxe: Pickaxe, tmp_path: Path) -> None:
    said = pickaxe(
        "-w", tmp_path / "workspace", "produce", "--data", tmp_path / "nothing.csv", "--text", "body", "--label", "kind"
    )
    assert said.code == 2
    assert "nothing.csv does not exist" in said.err
