"""Pickaxe: from raw data to a small, cheap model that is served and watched, with one lineage graph and one bill.

>>> import pickaxe
>>> with pickaxe.open("my-workspace") as workspace:            # doctest: +SKIP
...     pickaxe.produce("task.toml", workspace)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pickaxe.flows.produce import produce as produce
    from pickaxe.flows.workspace import Workspace as Workspace
    from pickaxe.kernel.config import Config as Config
    from pickaxe.kernel.errors import BadInput as BadInput
    from pickaxe.kernel.errors import GateFailed as GateFailed
    from pickaxe.kernel.errors import PickaxeError as PickaxeError
    from pickaxe.kernel.errors import RunFailed as RunFailed
    from pickaxe.kernel.nouns import Artifact as Artifact
    from pickaxe.kernel.nouns import Endpoint as Endpoint
    from pickaxe.kernel.nouns import Event as Event
    from pickaxe.kernel.nouns import Lease as Lease
    from pickaxe.kernel.nouns import Run as Run
    from pickaxe.kernel.step import StepContext as StepContext
    from pickaxe.wire.native.client import RemoteWorkspace as RemoteWorkspace

__version__ = "0.1.0"

_HOMES = {
    "Artifact": "pickaxe.kernel.nouns",
    "BadInput": "pickaxe.kernel.errors",
    "Config": "pickaxe.kernel.config",
    "Endpoint": "pickaxe.kernel.nouns",
    "Event": "pickaxe.kernel.nouns",
    "GateFailed": "pickaxe.kernel.errors",
    "Lease": "pickaxe.kernel.nouns",
    "PickaxeError": "pickaxe.kernel.errors",
    "Run": "pickaxe.kernel.nouns",
    "RemoteWorkspace": "pickaxe.wire.native.client",
    "RunFailed": "pickaxe.kernel.errors",
    "StepContext": "pickaxe.kernel.step",
    "Workspace": "pickaxe.flows.workspace",
    "produce": "pickaxe.flows.produce",
}

__all__ = [
    "Artifact",
    "BadInput",
    "Config",
    "Endpoint",
    "Event",
    "GateFailed",
    "Lease",
    "PickaxeError",
    "RemoteWorkspace",
    "Run",
    "RunFailed",
    "StepContext",
    "Workspace",
    "__version__",
    "connect",
    "open",
    "produce",
]


def open(path: str | Path | None = None, *, mode: str = "w") -> Workspace:
    """Open the workspace at `path` (default: PICKAXE_WORKSPACE, else ``.pickaxe`` here), made when new.

    One process writes at a time (``mode="w"``, raises `pickaxe.kernel.errors.WriterBusy`); any number read (``mode="r"``).
    """
    from pickaxe.flows.workspace import Workspace

    if mode not in ("w", "r"):
        from pickaxe.kernel.errors import BadInput

        raise BadInput("unknown mode", expected='"w" or "r"', got=repr(mode))
    return Workspace(path, mode="r" if mode == "r" else "w")


def connect(url: str, key: str | None = None) -> RemoteWorkspace:
    """The workspace behind a running server (`pickaxe up`), with the methods of the one that `open` gives.

    `key` is needed where people sign in (default: PICKAXE_API_KEY, else what `pickaxe sign-in` kept). Raises
    `pickaxe.kernel.errors.Unavailable` when nobody answers.
    """
    import os

    remote: type[RemoteWorkspace] = __getattr__("RemoteWorkspace")
    return remote(url, key or os.environ.get("PICKAXE_API_KEY"))


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import pickaxe` stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pickaxe' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
