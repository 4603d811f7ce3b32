"""What a stranger's query may do: take what it is given of time and memory, and no more; nothing else is within its reach."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from pickaxe.kernel.errors import BadInput, Unavailable
from pickaxe.kernel.tables import sandbox
from pickaxe.kernel.tables.sandbox import Sandbox, Sandboxes
from pickaxe.kernel.tables.sql import SqlLimits, answer
from pickaxe.kernel.tables.streamed import Streamed, Wanted

TABLES = {"t": pa.table({"a": list(range(1000)), "s": [f"x{n}" for n in range(1000)]})}
SMALL = SqlLimits(rows=1000, seconds=120.0, memory="200MB", threads=1, size=1 << 20)
SHORT = replace(SMALL, seconds=1.0)
_DOUBLED = "WITH c0 AS (SELECT 1 AS x), " + ", ".join(f"c{n} AS (SELECT * FROM c{n - 1} a, c{n - 1} b)" for n in range(1, 25))


@pytest.fixture
def alone() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.end()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT levenshtein(repeat('a', 300000), repeat('b', 300000))",
        "SELECT len(list_sort(list_transform(range(20000000), x -> hash(x))))",
        f"{_DOUBLED} SELECT count(*) FROM c24",
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = -1",
    ],
)
def test_no_query_outlives_its_time(query: str) -> None:
    start = time.monotonic()
    with pytest.raises(BadInput, match=r"took too long|needs more memory"):
        answer(query, TABLES, [], SHORT)
    assert time.monotonic() - start < 60, "start of a process included, on a busy machine"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT length(repeat('a', 3000000000))",
        "SELECT len(range(500000000))",
        "SELECT max(length(repeat(s, 1000000))) FROM t",
        "WITH RECURSIVE x(s) AS (SELECT 'a' UNION ALL SELECT s || s FROM x WHERE length(s) < 4000000000) SELECT max(length(s)) FROM x",
    ],
)
def test_no_query_takes_more_memory_than_it_may(alone: Sandbox, query: str) -> None:
    with pytest.raises(BadInput, match=r"needs more memory|took too long"):
        alone.ask(query, TABLES, [], SMALL)
    if alone.usable:
        peak = int(Path(f"/proc/{alone.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0])
        assert peak < 1_000_000, "kB; asked for were gigabytes"


def test_the_answer_has_a_size() -> None:
    with pytest.raises(BadInput, match="the answer is too large") as caught:
        answer("SELECT repeat(s, 1000) AS s FROM t", TABLES, [], SMALL)
    assert caught.value.expected == "at most 1 MiB"


def test_the_process_has_nothing_of_ours(alone: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not {"PICKAXE_OIDC_CLIENT_SECRET", "PICKAXE_API_KEY", "HOME"} & set(psutil.Process(alone.process.pid).environ())
    monkeypatch.setenv("PICKAXE_OIDC_CLIENT_SECRET", "planted-7391")
    with (tmp_path / "open").open("w"):
        another = Sandbox()
    try:
        process = psutil.Process(another.process.pid)
        assert "planted-7391" not in str(process.environ())
        assert "planted-7391" not in str(process.cmdline())
        assert process.open_files() == []
        assert process.cwd() == "/"
    finally:
        another.end()


def test_one_process_answers_again_and_again() -> None:
    processes = Sandboxes()
    try:
        for expected in (1, 2, 3):
            assert processes.ask(f"SELECT {expected} AS n", {}, [], SMALL).to_pylist() == [{"n": expected}]
        with pytest.raises(BadInput):
            processes.ask("SELECT nope FROM t", TABLES, [], SMALL)
        [waiting] = processes._idle
        assert processes.ask("SELECT sum(a) AS n FROM t", TABLES, [], SMALL).to_pylist() == [{"n": 499500}]
        assert processes._idle == [waiting]
        os.kill(waiting.process.pid, signal.SIGKILL)
        waiting.process.wait()
        assert processes.ask("SELECT 4 AS n", {}, [], SMALL).to_pylist() == [{"n": 4}], "another was started"
    finally:
        processes.close()
    assert waiting.process.returncode is not None


def test_nothing_of_a_query_is_left_for_the_next(alone: Sandbox) -> None:
    alone.ask("SELECT * FROM t", TABLES, [], SMALL)
    for query in ("SELECT * FROM t", 'SELECT * FROM "scan 0"'):
        with pytest.raises(BadInput):
            alone.ask(query, {}, [], SMALL)


def test_an_idle_process_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_IDLE_SECONDS", 0.05)
    processes = Sandboxes()
    processes.ask("SELECT 1", {}, [], SMALL)
    until = time.monotonic() + 120
    while processes._idle and time.monotonic() < until:
        time.sleep(0.02)
    assert not processes._idle


_ASKING = """
from pickaxe.kernel.tables.sandbox import Sandbox
from pickaxe.kernel.tables.sql import SqlLimits
sandbox = Sandbox()
print(sandbox.process.pid, flush=True)
sandbox.ask("SELECT levenshtein(repeat('a', 3000000), repeat('b', 3000000))", {}, [], SqlLimits(seconds=1.0, threads=1))
"""


@pytest.mark.slow
def test_a_query_does_not_outlive_a_parent_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _ASKING], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.5)
        parent.kill()
    with pytest.raises(psutil.NoSuchProcess):
        child.wait(600)
        child.cpu_times()


def test_what_goes_down_with_a_query_is_told(alone: Sandbox) -> None:
    def dies(wanted: Wanted) -> Iterator[pa.Table]:
        os.kill(alone.process.pid, signal.SIGKILL)
        yield TABLES["t"]

    with pytest.raises(BadInput, match="needs more memory"):
        alone.ask("SELECT max(a) FROM s", {"s": Streamed(TABLES["t"].schema, dies)}, [], SMALL)
    assert not alone.usable


def test_what_fails_in_the_reading_is_told_as_it_is(alone: Sandbox) -> None:
    def broken(wanted: Wanted) -> Iterator[pa.Table]:
        yield TABLES["t"]
        raise Unavailable("the database is gone")

    with pytest.raises(Unavailable, match="the database is gone"):
        alone.ask("SELECT max(a) FROM s", {"s": Streamed(TABLES["t"].schema, broken)}, [], SMALL)
    assert alone.ask("SELECT 1 AS n", {}, [], SMALL).to_pylist() == [{"n": 1}]


def test_only_what_is_wanted_leaves_this_process(alone: Sandbox) -> None:
    seen: list[Wanted] = []

    def read(wanted: Wanted) -> Iterator[pa.Table]:
        seen.append(wanted)
        yield TABLES["t"]

    found = alone.ask(
        "SELECT max(a) AS a FROM s WHERE a <= ? AND s IN ('x3', 'x4')", {"s": Streamed(TABLES["t"].schema, read)}, [4], SMALL
    )
    assert found.to_pylist() == [{"a": 4}]
    assert seen == [Wanted(frozenset({"a", "s"}), {"s": ["x3", "x4"]}, {}, {"a": 4})]


@pytest.mark.parametrize("params", [[1, "a", None, 2.5, True, [1, 2], {"a": 1}, 2**62, b"x"], []])
def test_parameters_arrive_as_they_are(params: list[object]) -> None:
    asked = ", ".join(f"? AS p{place}" for place in range(len(params))) or "1 AS p0"
    assert list(answer(f"SELECT {asked}", {}, params, SMALL).to_pylist()[0].values()) == (params or [1])


@pytest.mark.parametrize("params", [[2**70], [[1, "a"]], [object()]])
def test_parameters_that_are_none(params: list[object]) -> None:
    with pytest.raises(BadInput, match="parameter"):
        answer("SELECT ?", {}, params, SMALL)
