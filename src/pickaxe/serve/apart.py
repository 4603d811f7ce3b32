"""A model in a process of its own, for formats whose files say what is computed: such a model may loop for ever, or take all memory.

onnxruntime can be asked to end a run, and heeds it between two steps of the graph; within one, as long as that may take, it does not.
A process can be ended at any moment, and the system limits what it takes. It is started again for the next call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import from_dict
from pickaxe.kernel.ledger.tokens import count_tokens
from pickaxe.kernel.system.confined import started_apart
from pickaxe.kernel.system.frames import Frame, receive, send
from pickaxe.serve.errors import ModelFailed, ModelOverrun, TimedOut

if TYPE_CHECKING:
    import numpy as np

    from pickaxe.serve.config import ServeConfig

_FOLDER_ROOM = 3
"""Times the size of a model's files that loading them may take."""


class Apart:
    """A predictor that is started at its first call, and again after a call that did not end.

    Args:
        ref: what it is called in messages.
        folder: where its files are; asked at every start.
    """

    def __init__(self, ref: str, folder: Callable[[], Path], config: ServeConfig) -> None:
        self._ref, self._folder, self._config = ref, folder, config
        self._process: _Process | None = None
        self._changing = threading.Lock()
        self._closed = False
        self.classes: Sequence[str] = ()
        """Known once it is loaded."""

    def load(self) -> None:
        """Raises as `predict_proba` does."""
        self._ready()

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities, shape (len(texts), len(classes)), float32.

        Raises `TimedOut` and `ModelOverrun` when it takes more than it may, `ModelFailed` when it raises, `BadInput` when it cannot be loaded.
        """
        import numpy as np

        process = self._ready()
        seconds = self._config.predict_seconds
        answer = self._asked(process, Frame({"texts": list(texts), "seconds": seconds}), seconds)
        if "error" in answer.said:
            error = from_dict(answer.said["error"])
            raise ModelFailed(f"model {self._ref} raised {error.message}", got=error.got)
        count_tokens(answer.said["tokens"])
        return np.frombuffer(answer.body, dtype=np.float32).reshape(answer.said["shape"])

    def close(self) -> None:
        """End its process, whatever it is doing, and start none any more."""
        with self._changing:
            self._closed, process, self._process = True, self._process, None
        if process is not None:
            process.end()

    def __del__(self) -> None:  # whoever lets go of a model need not know how it runs
        self.close()

    def _ready(self) -> _Process:
        with self._changing:
            if self._process is not None:
                return self._process
        folder = self._folder()
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        process = _Process()
        with self._changing:
            if self._closed:
                process.end()
                raise ModelFailed(f"model {self._ref} is not served any more")
            self._process = process
        memory, seconds = self._config.model_bytes + _FOLDER_ROOM * size, self._config.load_seconds
        begun = self._asked(process, Frame({"folder": str(folder), "memory": memory, "seconds": seconds}), seconds)
        if "error" in begun.said:
            self._ended(process)
            raise from_dict(begun.said["error"])
        self.classes = tuple(begun.said["classes"])
        return process

    def _asked(self, process: _Process, frame: Frame, seconds: float) -> Frame:
        """Its answer, unless it takes too much: then it is ended, and started again for the next call."""
        try:
            answer = process.ask(frame, seconds)
        except TimeoutError:
            self._ended(process)
            raise TimedOut(
                f"model {self._ref} was not done after {seconds:g} s, and was ended",
                remedy="send fewer or shorter texts in one request; if it is so with any text, publish another version",
            ) from None
        except OSError:
            answer = None
        if answer is None or answer.said.get("no_memory"):
            self._ended(process)
            raise self._gone()
        return answer

    def _gone(self) -> ModelFailed:
        if self._closed:
            return ModelFailed(f"model {self._ref} is not served any more")
        return ModelOverrun(
            f"model {self._ref} took more memory than it may, or went down",
            expected=f"at most {self._config.model_bytes / 1e9:.1f} GB beside its files",
            remedy="send fewer or shorter texts in one request; if it is so with any text, publish another version",
        )

    def _ended(self, process: _Process) -> None:
        with self._changing:
            if self._process is process:
                self._process = None
        process.end()


class _Process:
    """One process, from its start to its end."""

    def __init__(self) -> None:
        self._process, self._socket = started_apart("pickaxe.serve.apart_process")
        self._started_by = os.getpid()
        self._noted = 0.0
        with _lock:
            _living[self] = 0

    def ask(self, frame: Frame, seconds: float) -> Frame:
        """Its answer. Raises `TimeoutError`, and `OSError` when it is not there any more."""
        self._socket.settimeout(seconds)
        send(self._socket, frame)
        answer = receive(self._socket)
        if answer is None:
            raise ConnectionResetError
        self._note(answer.said["cpu"], answer.said["peak"])
        return answer

    def end(self) -> None:
        """At once. A forked child leaves its parent's process alone."""
        with _lock:
            if _living.pop(self, None) is None:
                return
        if self._started_by != os.getpid():
            return
        with suppress(Exception):  # it may be gone
            self._note(_cpu_seconds(self._process.pid), 0)
        with suppress(OSError):
            self._process.kill()  # which wakes the thread that waits for its answer
        self._process.wait()

    def __del__(self) -> None:
        self._socket.close()  # not sooner: another thread may be reading from it

    def _note(self, cpu: float, peak: int) -> None:
        global _cpu
        with _lock:
            _cpu, self._noted = _cpu + cpu - self._noted, cpu
            if self in _living:
                _living[self] = peak


_lock = threading.Lock()
_living: dict[_Process, int] = {}
"""The processes of this one's models, each with the most memory that it had, in bytes."""
_cpu = 0.0


def cpu_of_models_apart() -> float:
    """Seconds of the processor that this process's models took in processes of their own, as far as they have answered."""
    return _cpu


def memory_of_models_apart() -> int:
    """The most bytes that each of them had, added up."""
    with _lock:
        return sum(_living.values())


def _cpu_seconds(pid: int) -> float:
    import psutil

    used: Any = psutil.Process(pid).cpu_times()
    return used.user + used.system
