"""Every backend of the kernel's stores. A new one is added to a list here, and every test of its suite runs on it.

A backend that cannot do something declares the test's name and the reason in `gaps`: the test must then fail, and the day it
passes the suite turns red until the gap is taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar, cast

from pickaxe.kernel.blobs.backend import Blobs
from pickaxe.kernel.blobs.kept import KeptBlobs
from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.depot.backend import FolderDepot
from pickaxe.kernel.depot.objects import ObjectDepot
from pickaxe.kernel.depot.sealed import SealedDepot
from pickaxe.kernel.encryption.vault import Vault
from pickaxe.kernel.tables.files import DepotFiles
from pickaxe.kernel.tables.lake import LakeTables, Tables
from pickaxe.kernel.tables.metadata import PostgresMetadata
from tests.kernel import object_server
from tests.postgres import shared_server

VAULT = Vault({1: bytes(range(32))})
Store = TypeVar("Store")


@dataclass(frozen=True)
class Backend(Generic[Store]):
    """`open(place, mode)` gives a store on `place`, an empty folder of the test; opened again, it is the same store.

    `spoil(place)` flips one bit in one stored data file and returns whether there was one to spoil.
    """

    name: str
    open: Callable[[Path, Literal["w", "r"]], Store]
    spoil: Callable[[Path], bool]
    gaps: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return self.name


def flip_a_bit(pattern: str) -> Callable[[Path], bool]:
    def spoil(place: Path) -> bool:
        files = sorted(file for file in place.rglob(pattern) if file.is_file() and file.stat().st_size)
        if not files:
            return False
        content = bytearray(files[0].read_bytes())
        content[len(content) // 2] ^= 1
        files[0].chmod(0o644)
        files[0].write_bytes(content)
        return True

    return spoil


def in_a_bucket(place: Path, mode: Literal["w", "r"]) -> Blobs:
    return KeptBlobs(ObjectDepot(object_server.url(place), "blobs"), LocalBlobs(place / f"cache-{mode}"))


def _on_postgres(place: Path, mode: Literal["w", "r"]) -> LakeTables:
    """A database per place; a moved place keeps its own, as its ``workspace.toml`` would say."""
    told = place / "database"
    if not told.exists():
        place.mkdir(parents=True, exist_ok=True)
        told.write_text(shared_server().fresh_url())
    return LakeTables(place, mode, metadata=PostgresMetadata(told.read_text()))


def sealed_in_a_folder(place: Path, mode: Literal["w", "r"]) -> Blobs:
    return KeptBlobs(SealedDepot(FolderDepot(place / "blobs"), VAULT), LocalBlobs(place / f"room-{mode}"))


def sealed_in_a_bucket(place: Path, mode: Literal["w", "r"]) -> Blobs:
    depot = SealedDepot(ObjectDepot(object_server.url(place), "blobs"), VAULT)
    return KeptBlobs(depot, LocalBlobs(place / f"room-{mode}"))


BLOBS: list[Backend[Blobs]] = [
    Backend("local", lambda place, mode: LocalBlobs(place), flip_a_bit("sha256/*/*")),
    Backend("s3", in_a_bucket, object_server.spoil),
    Backend("sealed", sealed_in_a_folder, flip_a_bit("sealed/*/*")),
    Backend("sealed-s3", sealed_in_a_bucket, object_server.spoil),
]


def lake_in_a_bucket(place: Path, mode: Literal["w", "r"], vault: Vault | None = None) -> Tables:
    depot = ObjectDepot(object_server.url(place), "tables")
    files = DepotFiles(depot, LocalBlobs(place / f"cache-{mode}"), place / "writing")
    return LakeTables(place, mode, files=files, vault=vault)


TABLES: list[Backend[Tables]] = [
    Backend("sqlite-lake", lambda place, mode: LakeTables(place, mode), flip_a_bit("*.parquet")),
    Backend("postgres-lake", _on_postgres, flip_a_bit("*.parquet")),
    Backend("s3-lake", lake_in_a_bucket, object_server.spoil),
    Backend("sealed-lake", lambda place, mode: LakeTables(place, mode, vault=VAULT), flip_a_bit("*.parquet")),
    Backend("sealed-s3-lake", lambda place, mode: lake_in_a_bucket(place, mode, VAULT), object_server.spoil),
]


def opened(place: Path, blobs: str, tables: str, mode: Literal["w", "r"] = "w") -> tuple[Blobs, LakeTables]:
    """A pair of stores by the names of their backends, side by side in one place."""
    [kept] = [one for one in BLOBS if one.name == blobs]
    [lake] = [one for one in TABLES if one.name == tables]
    return kept.open(place / "blobs", mode), cast(LakeTables, lake.open(place / "lake", mode))
