"""Taking turns at what is expensive: so many at once, of each as of all, and a short line."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pickaxe.kernel.errors import Unavailable


class Turns:
    """At most `each` at once of one and the same, `most` of all; `waiting` more of each wait, `seconds` at most."""

    def __init__(self, *, each: int, most: int, waiting: int, seconds: float, what: str) -> None:
        self._each, self._most, self._line, self._seconds, self._what = each, most, waiting, seconds, what
        self._changed = threading.Condition()
        self._busy, self._waiting = Counter[str](), Counter[str]()

    @contextmanager
    def of(self, whose: str) -> Iterator[None]:
        """One turn. Raises `Unavailable` when there is none to be had."""
        with self._changed:
            self._wait(whose)
            self._busy[whose] += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= Counter([whose])  # what has come to nothing is forgotten
                self._changed.notify_all()

    def _wait(self, whose: str) -> None:
        if self._waiting[whose] >= self._line:
            raise self._refused()
        self._waiting[whose] += 1
        try:
            if not self._changed.wait_for(lambda: self._free(whose), self._seconds):
                raise self._refused()
        finally:
            self._waiting -= Counter([whose])

    def _free(self, whose: str) -> bool:
        return self._busy[whose] < self._each and self._busy.total() < self._most

    def _refused(self) -> Unavailable:
        return Unavailable(
            f"too many {self._what} are under way",
            expected=f"at most {self._each} at once of one tenant",
            remedy="try again in a moment",
            retry_after=2,
        )
