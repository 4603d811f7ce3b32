"""Doing again what certainly did not happen."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pickaxe.kernel.errors import Unavailable

PATIENCE_SECONDS = 30.0
"""How long work goes on trying to reach a database that restarts before it gives up."""

P = ParamSpec("P")
T = TypeVar("T")


class NotDone(Unavailable):
    """A transaction that certainly did not happen: the connection broke or a conflict undid it. Doing it again is safe."""


def retried(work: Callable[P, T]) -> Callable[P, T]:
    """Do `work` again while its transaction was `NotDone`, for up to `PATIENCE_SECONDS`; then raise a plain `Unavailable`.

    For functions of one transaction each: what they did before it would be done twice. What is given up here is not `NotDone` to
    whoever called: this may have been the question whether their own transaction came through.
    """

    @functools.wraps(work)
    def until_done(*args: P.args, **kwargs: P.kwargs) -> T:
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, 0.02
        while True:
            try:
                return work(*args, **kwargs)
            except NotDone as error:
                if time.monotonic() + pause > deadline:
                    raise Unavailable(error.message, got=error.got, remedy=error.remedy) from error
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    return until_done
