"""Runs the fenced blocks of a Markdown document, in order, in one folder.

The info string of a block says what is done with it:

- ``python``: run, in one interpreter for the whole document (names stay);
- ``console``: each line that starts with ``$ pickaxe`` or ``$ python`` is run; the lines after it, if any, are its output, with
  ``...`` for what varies; a trailing ``exit=2`` in the info string says with which code the last command ends (0 otherwise);
- ``python no-run``, ``console no-run``: shown only; counted, so that it is a decision;
- ``python file=steps.py``: written to that file, for the blocks that follow to import or run;
- any of `SHOWN`: shown only, and with ``file=NAME`` written to that file first for the blocks that follow.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SHOWN = {"text", "toml", "json", "jsonl", "csv", "make", "mermaid", "sh", "sql", "diff"}
RUN = {"python", "console"}
FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
SECONDS = 900


@dataclass(frozen=True)
class Block:
    language: str
    options: tuple[str, ...]
    body: str
    line: int

    @property
    def runs(self) -> bool:
        return self.language in RUN and "no-run" not in self.options and self.option("file") is None

    def option(self, name: str) -> str | None:
        return next((value for key, _, value in (option.partition("=") for option in self.options) if key == name), None)

    def problem(self) -> str | None:
        """What is wrong with the info string, if anything."""
        if self.language not in RUN | SHOWN:
            return f"line {self.line}: unknown info string {self.language!r}: one of {sorted(RUN | SHOWN)}"
        known = {"python": {"no-run", "file"}, "console": {"no-run", "exit"}}.get(self.language, {"file"})
        unknown = [option for option in self.options if option.partition("=")[0] not in known]
        return (
            f"line {self.line}: unknown option {unknown} of a {self.language} block: one of {sorted(known)}" if unknown else None
        )


def blocks(document: str) -> list[Block]:
    found: list[Block] = []
    for match in FENCE.finditer(document):
        language, *options = match["info"].split() or [""]
        found.append(Block(language, tuple(options), match["body"], document.count("\n", 0, match.start()) + 1))
    return found


def run(document: Path, folder: Path) -> int:
    """Runs what runs; returns how many blocks did. Raises AssertionError with the line of the first that fails."""
    ran = 0
    with Interpreter(folder) as interpreter:
        for block in blocks(document.read_text(encoding="utf-8")):
            if name := block.option("file"):
                (folder / name).write_text(block.body, encoding="utf-8")
            if not block.runs:
                continue
            where = f"{document.name}:{block.line}"
            if block.language == "python":
                interpreter.run(block.body, where)
            else:
                run_console(block, folder, where)
            ran += 1
    return ran


def run_console(block: Block, folder: Path, where: str) -> None:
    steps = list(commands(block.body))
    assert steps, f"{where}: a console block without a line that starts with '$ '"
    for number, (command, expected) in enumerate(steps):
        code = int(block.option("exit") or 0) if number == len(steps) - 1 else 0
        ended = subprocess.run(
            argv(command, where), cwd=folder, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == code, f"{where}: $ {command}\nexit code {ended.returncode}, not {code}\n{said[-3000:]}"
        assert not expected.strip() or same(expected, said), (
            f"{where}: $ {command}\nsays\n{said}\nbut the document says\n{expected}"
        )


def commands(body: str) -> Iterator[tuple[str, str]]:
    """(command, expected output) pairs; a backslash at the end continues a command."""
    for part in re.split(r"^\$ ", body.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def argv(command: str, where: str) -> list[str]:
    program, *arguments = shlex.split(command, comments=True)
    programs = {"pickaxe": ["-c", "import sys; from pickaxe.cli import main; sys.argv[0] = 'pickaxe'; main()"], "python": []}
    assert program in programs, f"{where}: only pickaxe and python are run here; mark the block 'console no-run': $ {command}"
    return [sys.executable, *programs[program], *arguments]


def same(expected: str, said: str) -> bool:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected.strip() + "\n", said.strip() + "\n", flags)


def environment() -> dict[str, str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": paths, "COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}


class Interpreter:
    """One Python process for a document's python blocks: names stay, and nothing leaks into the tests."""

    LOOP = """
import json, sys, traceback
names = {"__name__": "__main__"}
sys.path.insert(0, "")
replies, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    block = json.loads(line)
    try:
        exec(compile(block["code"], block["where"], "exec"), names)
        reply = None
    except BaseException:
        reply = traceback.format_exc()
    print(json.dumps(reply), file=replies, flush=True)
"""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def run(self, code: str, where: str) -> None:
        process = self.process = self.process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"code": code, "where": where}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        problem: Any = json.loads(line) if line else f"the interpreter ended with {process.wait()}"
        assert problem is None, f"{where}: {problem}"

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", self.LOOP]
        return subprocess.Popen(
            command, cwd=self.folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
