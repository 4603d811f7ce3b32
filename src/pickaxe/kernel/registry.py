"""The whole extension surface: every kind of backend, by name, imported only when asked for.

Our own backends are listed here as import paths; another package adds its own through the entry-point groups of the same
name (``[project.entry-points."pickaxe.predictors"]``).
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nearest import nearest

PREDICTORS = "pickaxe.predictors"
SERVERS = "pickaxe.servers"
EXECUTORS = "pickaxe.executors"

_OWN: dict[str, dict[str, str]] = {
    PREDICTORS: {
        "encoder": "pickaxe.train.backends.encoder:load",
        "linear": "pickaxe.compress.backends.linear:load",
        "static": "pickaxe.compress.backends.static:load",
        "onnx": "pickaxe.compress.backends.onnx:load",
    },
    # By the scheme of the workspace's engine; "local" needs no entry.
    EXECUTORS: {"ray": "pickaxe.kernel.engine.executor_ray:RayExecutor"},
    # The server stands above everything; what lies below and has to start one finds it here.
    SERVERS: {
        "up": "pickaxe.server.up:up",
        "thread": "pickaxe.server.run:ServerThread",
    },
}


def names(group: str) -> list[str]:
    """Every name registered in `group`, ours first."""
    theirs = [point.name for point in entry_points(group=group)]
    return [*_OWN.get(group, {}), *(name for name in theirs if name not in _OWN.get(group, {}))]


def load_named(group: str, name: str | None, *, what: str) -> Any:
    """The object registered as `name`; raises `BadInput` with the nearest known name."""
    own = _OWN.get(group, {})
    if name in own:
        module, _, attribute = own[name].partition(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=group):
        if point.name == name:
            return point.load()
    known = names(group)
    near = nearest(str(name), known, most=1)
    raise BadInput(
        f"unknown {what} {name!r}",
        expected=f"one of {', '.join(known)}",
        remedy=f"did you mean {near[0]!r}?" if near else f"install the package that provides it (entry point {group!r})",
    )


def own_modules(group: str) -> list[str]:
    """The modules behind our own entries of `group`."""
    return sorted({target.partition(":")[0] for target in _OWN.get(group, {}).values()})
