"""Wrong passwords of the last quarter of an hour, so that nobody tries them by the thousand.

Counted per process and in memory: of several servers behind one address each allows as many. Whoever has signed in from an address
before is not kept out there by what others try elsewhere, or under other names.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from typing import Any

from pickaxe.kernel.errors import PickaxeError

WINDOW_SECONDS = 900.0
_PER_PERSON_AND_PLACE, _PER_PERSON, _PER_PLACE = 5, 50, 30
_KEPT = 20_000


class TooMany(PickaxeError):
    """Too many attempts; try again after `retry_after` seconds."""

    code, status = "too_many", 429

    def __init__(self, message: str, *, retry_after: int = 1, **rest: Any) -> None:
        super().__init__(message, retry_after=retry_after, **rest)


class Attempts:
    """Counts attempts by person and place, by person, and by place. An attempt counts as failed until it has succeeded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        self._at_home: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, person: str, place: str) -> None:
        """Raises `TooMany`."""
        now, place = time.monotonic(), _network(place)
        with self._lock:
            limits = _limits(person, place)
            for key, most in limits[:1] if (person, place) in self._at_home else limits:
                since, count = self._current(key, now)
                if count >= most:
                    wait = int(since + WINDOW_SECONDS - now) + 1
                    raise TooMany(
                        "too many passwords were wrong", remedy=f"try again in {-(-wait // 60)} minutes", retry_after=wait
                    )
            for key, _ in limits:
                since, count = self._current(key, now)
                self._counted[key] = since, count + 1
            while len(self._counted) > _KEPT:
                self._counted.popitem(last=False)

    def succeeded(self, person: str, place: str) -> None:
        """What this attempt added is taken back, and the person starts afresh from there."""
        now, place = time.monotonic(), _network(place)
        with self._lock:
            for key, _ in _limits(person, place):
                since, count = self._current(key, now)
                self._counted[key] = since, max(0, count - 1)
            self._counted.pop((person, place), None)
            self._at_home[person, place] = None
            self._at_home.move_to_end((person, place))
            while len(self._at_home) > _KEPT:
                self._at_home.popitem(last=False)

    def _current(self, key: tuple[str, str], now: float) -> tuple[float, int]:
        since, count = self._counted.get(key, (now, 0))
        return (now, 0) if now - since > WINDOW_SECONDS else (since, count)


def _limits(person: str, place: str) -> tuple[tuple[tuple[str, str], int], ...]:
    return (((person, place), _PER_PERSON_AND_PLACE), ((person, ""), _PER_PERSON), (("", place), _PER_PLACE))


def _network(place: str) -> str:
    """Who has one address of IPv6 has all that share its first half."""
    try:
        address = ipaddress.ip_address(place)
    except ValueError:
        return place
    if not isinstance(address, ipaddress.IPv6Address):
        return place
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
