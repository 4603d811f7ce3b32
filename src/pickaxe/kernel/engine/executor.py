"""Where attempts run: an executor finds room for a run, and a slot of it carries out one attempt.

`LocalExecutor` starts worker processes here, under the cores of this process's pool. Others are found by the scheme of the
workspace's engine (``ray://…``) in the registry.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from pickaxe.kernel.engine.attempt import Attempt, Limits, Listener, Outcome

_CANCEL_POLL = 0.2


class Slot(Protocol):
    """Room for one attempt: cores of the pool that its lease is to be taken from."""

    pool_id: str

    def run(self, job: Mapping[str, Any], limits: Limits, listener: Listener, *, threads: int) -> Outcome:
        """Carry out `job` (see `pickaxe.kernel.engine.worker`) to its end; what it saved is then below ``job["outputs"]`` here.

        Raises only what keeps an attempt from being made at all.
        """
        ...


class Executor(Protocol):
    """Finds room for runs."""

    @property
    def largest(self) -> int:
        """Most cores that one run can be given."""
        ...

    def slot(self, cores: int, unless: Callable[[], bool]) -> AbstractContextManager[Slot | None]:
        """Wait for room and hold it for as long as the block lasts; None when `unless` came true while waiting."""
        ...

    def beat(self) -> None:
        """Called every few seconds: keep the pools of what is alive alive, and close the others."""
        ...

    def close(self) -> None: ...


class Cores:
    """The cores of this process's pool, shared by every tenant: whoever asks waits until enough are free."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._room = threading.Condition()
        self.wanting = 0
        """How many wait for cores at this moment."""

    @contextmanager
    def taken(self, cores: int, unless: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Hold `cores` for as long as the block lasts; False, with none held, when `unless` came true while waiting."""
        granted = self._take(cores, unless)
        try:
            yield granted
        finally:
            if granted:
                self.give(cores)

    def take_spare(self) -> bool:
        """Take one core if one is free and nobody waits for it; `give` it back."""
        with self._room:
            if self.wanting or not self._free:
                return False
            self._free -= 1
            return True

    def give(self, cores: int) -> None:
        with self._room:
            self._free += cores
            self._room.notify_all()

    def _take(self, cores: int, unless: Callable[[], bool]) -> bool:
        with self._room:
            self.wanting += 1
            try:
                while not self._room.wait_for(lambda: self._free >= cores, _CANCEL_POLL):
                    if unless():
                        return False
                self._free -= cores
                return True
            finally:
                self.wanting -= 1


class LocalExecutor:
    """Worker processes of this machine."""

    def __init__(self, cores: Cores, pool_id: str) -> None:
        self._cores = cores
        self._pool_id = pool_id

    @property
    def largest(self) -> int:
        return self._cores.total

    @contextmanager
    def slot(self, cores: int, unless: Callable[[], bool]) -> Iterator[Slot | None]:
        with self._cores.taken(cores, unless=unless) as granted:
            yield _LocalSlot(self._pool_id) if granted else None

    def beat(self) -> None:
        """The pool's heart is the workspace's own."""

    def close(self) -> None:
        """Workers end with their runs."""


class _LocalSlot:
    def __init__(self, pool_id: str) -> None:
        self.pool_id = pool_id

    def run(self, job: Mapping[str, Any], limits: Limits, listener: Listener, *, threads: int) -> Outcome:
        return Attempt(job, limits, listener, threads=threads).run()
