"""A lease on what is left over: a server holds one core while no run wants it, so that what it costs stands in the bill."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import PickaxeError

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

_LOOK_SECONDS = 0.1
SERVER = "server"
"""What holders of spare cores are called, before a number of their own."""


@contextmanager
def spare_core(workspace: Workspace, holder: str) -> Iterator[None]:
    """Lease one core of the pool to `holder` whenever it is free; a run that waits for cores gets it within a moment."""
    closing = threading.Event()
    keeper = threading.Thread(target=_keep, args=(workspace, holder, closing), name="spare-core", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        closing.set()
        keeper.join()


def _keep(workspace: Workspace, holder: str, closing: threading.Event) -> None:
    cores = workspace.stores.cores
    while not closing.wait(_LOOK_SECONDS):
        if not cores.take_spare():
            continue
        try:
            # A full disk costs the lease, not the server: the time then counts as idle.
            with suppress(PickaxeError):
                lease_id = workspace.ledger.grant(workspace.stores.pool_id, holder, 1)
                while not cores.wanting and not closing.wait(_LOOK_SECONDS):
                    pass
                with workspace.catalog.write() as connection:
                    workspace.ledger.release(connection, lease_id)
        finally:
            cores.give(1)
