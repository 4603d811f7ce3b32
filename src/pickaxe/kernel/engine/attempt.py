"""One attempt of a run: a worker process from its start to its reaping, with its limits, its messages and its meter."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pickaxe.kernel.engine.meter import Meter
from pickaxe.kernel.ledger import tokens
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.tables.extensions import checked

_TICK = 0.2
_SYSTEM_EVERY = 1.0
_LOG_LINE_LIMIT = 4_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What an attempt may take. None is no limit.

    Attributes:
        seconds: wall time.
        memory_bytes: resident size of the worker and its children.
    """

    seconds: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What a step saved, still in the attempt's scratch folder."""

    stored: str
    kind: str
    meta: Mapping[str, Any]
    path: Path


@dataclass(slots=True)
class Outcome:
    """How an attempt ended. `error` is set for every state but succeeded."""

    state: RunState = RunState.RUNNING
    error: dict[str, Any] | None = None
    outputs: dict[str, Output] = field(default_factory=dict[str, Output])
    readings: list[Usage] = field(default_factory=list[Usage])


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom an attempt tells how it goes on, and asks whether it should.

    Attributes:
        message: gets every message of the worker, and now and then ``{"system": {name: value}, "second": n}``.
        tick: is called a few times a second.
        cancelled: whether to stop.
    """

    message: Callable[[dict[str, Any]], None]
    tick: Callable[[], None]
    cancelled: Callable[[], bool]


class Attempt:
    """Runs a job in a worker of `threads` threads."""

    def __init__(self, job: Mapping[str, Any], limits: Limits, listener: Listener, *, threads: int) -> None:
        self._limits = limits
        self._listener = listener
        self._outcome = Outcome()
        self._started = time.monotonic()
        self._next_system = _SYSTEM_EVERY
        self._process, self._messages = _spawn(job, threads)
        self._meter = Meter(self._process.pid)
        self._partial: dict[int, bytes] = {}
        self._tokens = 0

    def run(self) -> Outcome:
        """Watch the worker until it is gone and reaped."""
        try:
            self._listen()
        finally:
            self._kill()
            self._drain()
            _, status, used = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._outcome.readings = [*self._meter.finish(used), *self._read_by_models()]
            self._close()
        self._judge(self._process.returncode)
        return self._outcome

    def _listen(self) -> None:
        """Read messages and captured output until the worker closes its message pipe or has to be stopped."""
        assert self._process.stdout is not None
        captured = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(self._messages, selectors.EVENT_READ)
            selector.register(captured, selectors.EVENT_READ)
            next_tick = 0.0
            while True:
                for key, _ in selector.select(_TICK):
                    lines, ended = self._read_lines(key.fd)
                    for line in lines:
                        self._take(json.loads(line) if key.fd == self._messages else _as_log(line))
                    if ended:
                        selector.unregister(key.fd)
                        if key.fd == self._messages:
                            return
                if time.monotonic() >= next_tick:
                    next_tick = time.monotonic() + _TICK
                    rss = self._meter.sample()
                    self._listener.tick()
                    self._tell_system()
                    if self._must_stop(rss):
                        return

    def _drain(self) -> None:
        """Take what a worker printed just before its end."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        os.set_blocking(descriptor, False)
        try:
            ended = False
            while not ended:
                lines, ended = self._read_lines(descriptor)
                for line in lines:
                    self._take(_as_log(line))
        except BlockingIOError:
            pass  # a grandchild still holds the pipe; what it prints belongs to nobody now

    def _read_by_models(self) -> list[Usage]:
        """Tokens; of a killed worker those up to its last message. Nothing for a step that runs no model on tokens."""
        return [Usage(tokens.METER, self._tokens, "measured", tokens.METHOD)] if self._tokens else []

    def _take(self, message: dict[str, Any]) -> None:
        self._tokens = message.pop(tokens.METER, self._tokens)
        if "output" in message:
            output = Output(message["stored"], message["kind"], message["meta"], Path(message["path"]))
            self._outcome.outputs[message["output"]] = output
        elif "error" in message:
            self._outcome.state, self._outcome.error = RunState.FAILED, message["error"]
            self._listener.message({"log": message["traceback"], "level": "error"})
        elif "done" in message:
            self._outcome.state = RunState.SUCCEEDED
        else:
            self._listener.message(message)

    def _tell_system(self) -> None:
        """What the worker takes of the machine, the more seldom the longer it runs: a curve of some hundred points at most."""
        seconds = time.monotonic() - self._started
        if seconds >= self._next_system:
            self._next_system = seconds + max(_SYSTEM_EVERY, seconds / 50)
            self._listener.message({"system": self._meter.system(), "second": round(seconds)})

    def _must_stop(self, rss: int) -> bool:
        seconds = time.monotonic() - self._started
        if self._listener.cancelled():
            return self._stop(RunState.CANCELLED, "cancelled", "cancelled on request", "start it again; it resumes")
        if self._limits.seconds is not None and seconds > self._limits.seconds:
            return self._stop(RunState.FAILED, "timeout", f"took longer than {self._limits.seconds:g} s", "raise the timeout")
        if self._limits.memory_bytes is not None and rss > self._limits.memory_bytes:
            text = f"used {rss / 1e6:,.0f} MB, more than the limit of {self._limits.memory_bytes / 1e6:,.0f} MB"
            return self._stop(RunState.FAILED, "memory_limit", text, "raise the memory limit or give it less data")
        return False

    def _stop(self, state: RunState, code: str, message: str, remedy: str) -> bool:
        self._outcome.state, self._outcome.error = state, {"code": code, "message": message, "remedy": remedy}
        return True

    def _judge(self, exit_code: int) -> None:
        """A worker that ended without a word was killed: by a person, by the system for memory, or by its own native code."""
        if self._outcome.state is not RunState.RUNNING:
            return
        if exit_code < 0:
            message = f"the worker process was killed ({signal.Signals(-exit_code).name})"
            self._stop(RunState.INTERRUPTED, "worker_killed", message, "start it again; it resumes from its last checkpoint")
        else:
            self._stop(RunState.FAILED, "worker_ended", f"the worker ended by itself (exit status {exit_code})", "see its log")

    def _read_lines(self, descriptor: int) -> tuple[list[bytes], bool]:
        chunk = os.read(descriptor, 1 << 16)
        *lines, rest = (self._partial.get(descriptor, b"") + chunk).split(b"\n")
        if descriptor != self._messages and (not chunk or len(rest) > _LOG_LINE_LIMIT) and rest:
            lines, rest = [*lines, rest], b""
        self._partial[descriptor] = rest
        return lines, not chunk

    def _kill(self) -> None:
        """End the worker's whole process group; one that has said its last word is given a moment to leave by itself."""
        said_all = self._outcome.state in (RunState.SUCCEEDED, RunState.FAILED)
        if said_all and self._leaves_within(2.0):
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _leaves_within(self, seconds: float) -> bool:
        """Wait without reaping, so that the resource usage stays readable."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
            time.sleep(0.005)
        return False

    def _close(self) -> None:
        os.close(self._messages)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                # A worker killed before it read its job leaves the job in the pipe's buffer, which closing tries to send.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _spawn(job: Mapping[str, Any], threads: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start the worker in a process group of its own; returns it and the descriptor to read its messages from."""
    ours, theirs = os.pipe()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
        "OMP_NUM_THREADS": str(threads),
        # Waiting threads sleep: on cores that others use too, spinning ones hold up the very thread they wait for.
        "GOMP_SPINCOUNT": "0",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "pickaxe.kernel.engine.worker", str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs],
            start_new_session=True,
            cwd=job["scratch"],
            env=environment,
        )
    finally:
        os.close(theirs)
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps({**job, "checked_extensions": checked()}).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it died at once; the empty message pipe says so
    return process, ours


def _as_log(line: bytes) -> dict[str, Any]:
    return {"log": line.decode("utf-8", "replace"), "level": "output"}
