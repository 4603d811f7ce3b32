"""People at a real (pseudo) terminal: each answer is kept the moment it is given; a killed sitting goes on."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from pathlib import Path
from typing import Self

import pytest

import pickaxe
from tests.flows.tiny import Files, as_toml, merged, read
from tests.train.tiny_task import GOOD

pytestmark = pytest.mark.slow

TEST_LABELS, POOL_LABELS = 50, 20
MENU = "[q]uit"


class Sitting:
    """`pickaxe label` in a terminal of its own; the person answers right."""

    def __init__(self, task: Path, workspace: Path) -> None:
        self._terminal, inside = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from pickaxe.cli import main; main()", "-w", str(workspace), "label", str(task)],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "dumb", "COLUMNS": "250"},
        )
        os.close(inside)
        self.screen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.close(self._terminal)

    def question(self) -> str | None:
        """The screen since the last key, once it asks; None when the command has ended."""
        self.screen = ""
        until = time.monotonic() + 600
        while MENU not in self.screen or self._echoes():
            assert time.monotonic() < until, self.screen
            if select.select([self._terminal], [], [], 0.01)[0]:
                try:
                    self.screen += os.read(self._terminal, 65536).decode("utf-8", "replace")
                except OSError:  # the other side is closed
                    self._process.wait(300)
                    return None
        return self.screen

    def _echoes(self) -> bool:
        """Whether the terminal still reads whole lines: a key pressed before single keys are read is thrown away."""
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ICANON)

    def press(self, key: str) -> None:
        os.write(self._terminal, key.encode())

    def answer(self, count: int) -> int:
        """Answer up to `count` questions rightly and wait for the next; how many were answered."""
        for given in range(count):
            if self.question() is None:
                return given
            text = self.screen[self.screen.rindex("╭") :]
            self.press("2" if any(f" {word} " in text for word in GOOD) else "1")
        return count

    def kill(self) -> None:
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def exit_code(self) -> int:
        return self._process.wait(600)


def answers(workspace: Path) -> list[dict[str, object]]:
    with pickaxe.open(workspace, mode="r") as opened:
        return [dict(event.body) for event in opened.events(kind="annotation")]


def test_killed_in_the_middle_and_started_again_no_answer_is_lost_or_asked_twice(files: Files, tmp_path: Path) -> None:
    task, workspace = tmp_path / "people.toml", tmp_path / "workspace"
    values = {"name": "people", "annotators": "people", "test_labels": TEST_LABELS, "traffic": None, "ingest": {"label": None}}
    values["gate"] = {"min_test_rows": TEST_LABELS}
    budget = {"classes": ["bad", "good"], "max_labels": POOL_LABELS, "rounds": 2}
    task.write_text(as_toml(merged(read(files.task), values | {"label": budget})), encoding="utf-8")

    with Sitting(task, workspace) as sitting:
        for given in range(4):  # the next question comes when the answer before is safe
            assert sitting.question() is not None
            assert len(answers(workspace)) == given
            sitting.press("1" if given else "2")
        assert sitting.question() is not None
        sitting.kill()
    assert len(answers(workspace)) == 4

    with Sitting(task, workspace) as sitting:
        assert sitting.answer(TEST_LABELS - 4 + 6) == TEST_LABELS - 4 + 6
        assert sitting.question() is not None
        sitting.press("u")  # the last answer was a slip
        assert sitting.answer(1) == 1
        assert sitting.question() is not None
        sitting.kill()
    before = answers(workspace)
    assert len(before) == TEST_LABELS + 7
    assert before[-1]["row_key"] == before[-2]["row_key"]

    with Sitting(task, workspace) as sitting:
        assert sitting.answer(POOL_LABELS) == POOL_LABELS - 6
        assert sitting.exit_code == 0
        assert f"{POOL_LABELS + 1} answers on record" in sitting.screen

    told = answers(workspace)
    assert told[: len(before)] == before
    assert len(told) == TEST_LABELS + POOL_LABELS + 1
    assert Counter(Counter(answer["row_key"] for answer in told).values()) == {1: TEST_LABELS + POOL_LABELS - 1, 2: 1}
    assert {answer["simulated"] for answer in told} == {False}
    with pickaxe.open(workspace, mode="r") as opened:
        kept = opened.read_table(opened.artifact("people/annotations")).to_pylist()
        assert len({row["row_key"] for row in kept}) == POOL_LABELS
        test = opened.read_table(opened.artifact("people/test/test_sample"))
        assert test.num_rows == TEST_LABELS
        assert test["label"].null_count == 0
        gold = opened.read_table(opened.artifact("people/gold")).to_pylist()
        assert all(row["label"] == ("good" if any(f" {word} " in row["text"] for word in GOOD) else "bad") for row in gold)
        run = opened.runs.get(opened.artifact("people/annotations").run_id or "")
        (people,) = [charge for charge in opened.ledger.charges([run.id]) if charge.meter == "human_ms"]
        assert people.basis == "measured"
        assert people.quantity == pytest.approx(sum(1000 * row["seconds"] for row in kept), abs=POOL_LABELS)


def test_without_a_terminal_nobody_can_be_asked(files: Files, tmp_path: Path) -> None:
    values = {"annotators": "people", "traffic": None, "label": {"classes": ["bad", "good"]}, "ingest": {"label": None}}
    (tmp_path / "people.toml").write_text(as_toml(merged(read(files.task), values)), encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        "from pickaxe.cli import main; main()",
        "-w",
        str(tmp_path / "w"),
        "label",
        str(tmp_path / "people.toml"),
    ]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 10, done.stderr
    assert "needs a terminal" in done.stderr
