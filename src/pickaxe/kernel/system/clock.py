"""Time that never runs backwards, whatever happens to the wall clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """Nanoseconds since the epoch, anchored once and carried on by the monotonic clock.

    `floor_ns` is the latest instant already recorded in the workspace: after the wall clock was moved back, time goes on from
    there, so that no lease gets a negative length and no newer event sorts before an older one. `wall_ns` is what time it is by a
    clock that all writers share (their database's); without one, this machine's.
    """

    def __init__(self, floor_ns: int = 0, wall_ns: int | None = None) -> None:
        self._anchor = max(time.time_ns() if wall_ns is None else wall_ns, floor_ns) - time.monotonic_ns()

    def now_ns(self) -> int:
        return self._anchor + time.monotonic_ns()


def as_datetime(ns: int) -> datetime:
    """The microsecond that the instant lies in."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def as_ns(at: datetime) -> int:
    """The beginning of the microsecond, so what was before an instant by `as_datetime` is before it here too."""
    return (at - _EPOCH) // _MICROSECOND * 1000
