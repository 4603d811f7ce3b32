"""A lease on what is left over: a server holds one core while no run wants it, so that what it costs stands in the bill."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pickaxe.kernel.catalog.schema import leases
from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.paging import beginning
from pickaxe.kernel.peers import living_pools

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


def servers(workspace: Workspace, own_pool: str | None = None) -> int:
    """How many servers answer now, at least one: pools that live and had a core to spare for a server; `own_pool` is a server's too."""
    living = living_pools(workspace.catalog)
    with workspace.catalog.read() as connection:

        def is_server(pool_id: str) -> bool:
            lease = sa.select(leases.c.id).where(leases.c.pool_id == pool_id, *beginning(leases.c.holder, f"{SERVER}-"))
            return connection.execute(lease.limit(1)).first() is not None

        return max(1, sum(pool_id == own_pool or is_server(pool_id) for pool_id in living))
