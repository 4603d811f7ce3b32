"""How often a process of ours looks for garbage in cycles: seldom, because most of what it makes at first is kept."""

from __future__ import annotations

import gc

_NEW_OBJECTS = 50_000
_YOUNG_BEFORE_MIDDLE = 20
_MIDDLE_BEFORE_ALL = 100


def collect_seldom() -> None:
    """For processes that are ours from their beginning: workers, commands, servers.

    Python looks after some hundred new containers. Importing makes a million of them, hardly one of which is garbage: loading an encoder
    spent a quarter of its CPU time on looking, a command a sixth. The price is some megabytes that are given back later.
    """
    gc.set_threshold(_NEW_OBJECTS, _YOUNG_BEFORE_MIDDLE, _MIDDLE_BEFORE_ALL)
