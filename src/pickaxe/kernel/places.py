"""Which stores a workspace has, by its location: in its folder or in a bucket, plain or sealed.

| | plain | encrypted |
|---|---|---|
| in the folder | files as they are | sealed files; a plain cache in the room |
| in a bucket | objects; a cache in the folder | sealed objects; sealed table files cached in the folder, a plain cache of blobs in the room |
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.kernel.blobs.kept import KeptBlobs
from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.sealed import give_vault
from pickaxe.kernel.depot.backend import Depot, FolderDepot
from pickaxe.kernel.depot.sealed import SealedDepot
from pickaxe.kernel.encryption.keyring import open_vault
from pickaxe.kernel.encryption.room import CHECKPOINTS, Room
from pickaxe.kernel.location import Location

if TYPE_CHECKING:
    from pickaxe.kernel.blobs.backend import Blobs
    from pickaxe.kernel.tables.files import DataFiles

CACHE = "cache"


class Places:
    """Opens the vault of an encrypted workspace, before anything is read or written. Raises `Locked`, and then changed nothing."""

    def __init__(self, location: Location, catalog: Catalog) -> None:
        self._location = location
        self.vault = open_vault(catalog, location)
        # A copy of the folder has the same keys, and must have a room of its own.
        self._room = None if self.vault is None else Room(self.vault.name(f"room of {location.folder.resolve()}"))
        if self.vault is not None:
            with catalog.read() as connection:
                give_vault(connection, self.vault)

    @property
    def working(self) -> Path:
        """Where plain files may be: scratch, checkpoints."""
        return self._location.folder if self._room is None else self._room.folder

    @property
    def checkpoints(self) -> Path:
        return self.working / CHECKPOINTS

    @cached_property
    def blobs(self) -> Blobs:
        folder, objects = self._location.folder, self._location.objects
        if self.vault is None and objects is None:
            return LocalBlobs(folder / "blobs")
        depot = self._depot("blobs")
        cache = LocalBlobs(self.working / CACHE / "blobs")
        return KeptBlobs(depot if self.vault is None else SealedDepot(depot, self.vault), cache, rereads=objects is None)

    def data_files(self, scratch: Path) -> DataFiles | None:
        """Where the tables' files are; None: below the folder. Before they are in a bucket they are in `scratch`."""
        from pickaxe.kernel.tables.files import DepotFiles

        if self._location.objects is None:
            return None
        cache = LocalBlobs(self._location.folder / CACHE / "tables")
        return DepotFiles(self._depot("tables"), cache, scratch / "tables")

    def close(self) -> None:
        if self._room is not None:
            self._room.leave()

    def _depot(self, part: str) -> Depot:
        if self._location.objects is None:
            return FolderDepot(self._location.folder / part)
        from pickaxe.kernel.depot.objects import ObjectDepot

        return ObjectDepot(self._location.objects, part)
