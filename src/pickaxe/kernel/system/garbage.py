"""How often a process of ours looks for garbage in cycles: seldom, because most of what it makes at first is kept."""

from __future__ import annotations

import gc

_NEW_OBJECTS = 50_000
_YOUNG_BEFORE_MIDDLE = 20
_MIDDLE_BEFORE_ALL = 100


def collect_seldom() -> None:
    """For processes that load much and keep it: workers.

    Python looks after some hundred new containers, and at older ones again and again. Importing makes a million of them, hardly one
    of which is garbage: a tenth of the CPU time of loading an encoder went into looking. Commands gain nothing that can be measured.
    """
    gc.set_threshold(_NEW_OBJECTS, _YOUNG_BEFORE_MIDDLE, _MIDDLE_BEFORE_ALL)
