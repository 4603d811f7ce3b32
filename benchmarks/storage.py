"""What encryption and a bucket cost: a table of a million rows and a file of 100 MB, in a folder, sealed, and on a local S3 server."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.blobs.kept import KeptBlobs
from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.depot.backend import FolderDepot
from pickaxe.kernel.depot.objects import ObjectDepot
from pickaxe.kernel.depot.sealed import SealedDepot
from pickaxe.kernel.encryption.vault import Vault
from pickaxe.kernel.tables.files import DepotFiles
from pickaxe.kernel.tables.lake import LakeTables
from tests.kernel import object_server

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.blobs.backend import Blobs

ROWS = 1_000_000
FILE_MB = 100
ROUNDS = 5
DOCUMENTS = 20_000
KINDS = ("plain", "sealed", "s3", "sealed-s3")


def main() -> dict[str, Any]:
    """Each figure is a median: seconds on the clock, and seconds of CPU, which other work on the machine does not lengthen."""
    vault = Vault({1: os.urandom(32)})
    with tempfile.TemporaryDirectory() as folder:
        tables = {kind: _table(Path(folder) / "tables" / kind, kind, vault) for kind in KINDS}
        blobs = {kind: _blob(Path(folder) / "blobs" / kind, kind, vault) for kind in KINDS}
    overhead = {act: tables["sealed"][act]["cpu_s"] / tables["plain"][act]["cpu_s"] - 1 for act in ("write", "read")}
    return {
        "versions": {
            **{name: version(name) for name in ("duckdb", "pyarrow", "cryptography", "obstore", "moto")},
        },
        "table": {"rows": ROWS, **tables},
        "file": {"megabytes": FILE_MB, **blobs},
        "document_us": _documents(vault),
        "bars": {
            f"an encrypted table costs < 25 % more CPU to {act}": {
                "bar": "25 %",
                "measured": f"{share:+.0%}",
                "met": share < 0.25,
            }
            for act, share in overhead.items()
        },
    }


def _table(place: Path, kind: str, vault: Vault) -> dict[str, Any]:
    """Three columns, written whole, then read by one who has its data files but has read none of them."""
    place.mkdir(parents=True)
    rows = _rows()
    writer = _lake(place, kind, vault)
    writer.write("first", rows.slice(0, 1))
    write = [_timed(lambda: writer.write("t", rows)) for _ in range(ROUNDS)]
    pin = writer.write("t", rows)
    read = [_timed(lambda: writer.read(pin)) for _ in range(ROUNDS)]
    column = [_timed(lambda: writer.read(pin, ["id"])) for _ in range(ROUNDS)]
    writer.close()
    shutil.rmtree(place / "cache", ignore_errors=True)
    reader = _lake(place, kind, vault)
    first = _timed(lambda: reader.read(pin))
    reader.close()
    return {
        "megabytes": pin.bytes / 1e6,
        "write": _median(write),
        "read": _median(read),
        "one_column": _median(column),
        "first_read_of_a_process": _median([first]),
    }


def _lake(place: Path, kind: str, vault: Vault) -> LakeTables:
    files = None
    if kind.endswith("s3"):
        depot = ObjectDepot(object_server.url(place), "tables")
        files = DepotFiles(depot, LocalBlobs(place / "cache"), place / "writing")
    return LakeTables(place, files=files, vault=vault if kind.startswith("sealed") else None)


def _rows() -> pa.Table:
    import numpy as np
    import pyarrow as pa

    chance = np.random.default_rng(7)
    texts = [f"headline number {at} about {at * 7919 % 99991}" for at in range(ROWS)]
    return pa.table({"id": np.arange(ROWS), "text": texts, "p": chance.random(ROWS)})


def _blob(place: Path, kind: str, vault: Vault) -> dict[str, Any]:
    """Random bytes, stored, then fetched by one who has no copy."""
    place.mkdir(parents=True)
    put: list[tuple[float, float]] = []
    get: list[tuple[float, float]] = []
    for at in range(3):
        (place / "file").write_bytes(os.urandom(FILE_MB * 1_000_000))
        store = _blobs(place, kind, vault, at)
        digests: list[str] = []
        put.append(_timed(lambda store=store, digests=digests: digests.append(store.put_file(place / "file")[0])))
        reader = _blobs(place, kind, vault, at)
        get.append(_timed(lambda reader=reader, digests=digests: reader.materialise(digests[0], "file")))
        with suppress(FileNotFoundError):
            shutil.rmtree(place / f"cache{at}")
    return {"put": _median(put), "first_read": _median(get)}


def _blobs(place: Path, kind: str, vault: Vault, at: int) -> Blobs:
    if kind == "plain":
        return LocalBlobs(place / f"blobs{at}")
    depot = FolderDepot(place / f"blobs{at}") if kind == "sealed" else ObjectDepot(object_server.url(place), f"blobs{at}")
    return KeptBlobs(SealedDepot(depot, vault) if kind.startswith("sealed") else depot, LocalBlobs(place / f"cache{at}"))


def _documents(vault: Vault) -> dict[str, float]:
    """Microseconds of CPU to seal and to open the body of a trace."""
    text = json.dumps(
        {"texts": ["a headline of about eighty characters, which is a usual length for one of them"], "labels": ["x"]}
    )
    sealed = vault.seal_text(text, "events.body")
    seal = _timed(lambda: [vault.seal_text(text, "events.body") for _ in range(DOCUMENTS)])[1]
    opened = _timed(lambda: [vault.open_text(sealed, "events.body") for _ in range(DOCUMENTS)])[1]
    return {"seal": seal / DOCUMENTS * 1e6, "open": opened / DOCUMENTS * 1e6}


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds on the clock and of this process's CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def _median(times: list[tuple[float, float]]) -> dict[str, float]:
    return {
        "wall_s": round(statistics.median(wall for wall, _ in times), 4),
        "cpu_s": round(statistics.median(cpu for _, cpu in times), 4),
    }
