"""DuckDB's extensions: signed binaries in wheels, loaded where they lie. Nothing is downloaded or copied to the home folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import Unavailable

if TYPE_CHECKING:
    import duckdb

Stamp = tuple[str, int, int, int]
"""Path, size, time and inode of a file."""

_CHECKED: set[Stamp] = set()
"""The files whose signatures DuckDB has checked in this process or the one that started it: 90 ms of CPU time each."""


def connect_with(names: list[str], config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """A new DuckDB with these extensions. Signatures are checked once, and again when a file changed: see `take_as_checked`.

    Raises `Unavailable` when one is not installed.
    """
    import duckdb

    files = [extension_file(name) for name in names]
    stamps = {_stamp(file) for file in files}
    connection = duckdb.connect(config={**config, "allow_unsigned_extensions": stamps <= _CHECKED})
    try:
        for file in files:
            connection.execute(f"LOAD {literal(str(file))}")
    except BaseException:
        connection.close()
        raise
    _CHECKED.update(stamps)
    return connection


def checked() -> list[Stamp]:
    """The files whose signatures need no second look, for a process that this one starts on the same machine."""
    return sorted(_CHECKED)


def take_as_checked(stamps: Iterable[Sequence[Any]]) -> None:
    """What `checked` said in the process that started this one. A file that has changed since is checked all the same."""
    _CHECKED.update((str(path), int(size), int(time), int(inode)) for path, size, time, inode in stamps)


def extension_file(name: str) -> Path:
    """Where the extension's wheel put its binary; raises `Unavailable` when there is none for this DuckDB."""
    import duckdb

    spec = find_spec(f"duckdb_extension_{name}")
    places = spec.submodule_search_locations if spec else None
    file = Path(places[0]) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension" if places else None
    if file is None or not file.is_file():
        raise Unavailable(
            f"DuckDB's extension {name} is not installed",
            expected=f"the package duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}",
            got="none" if file is None else f"one for another DuckDB than {duckdb.__version__}",
            remedy="install Pickaxe with its pinned constraints",
        )
    return file


def literal(text: str) -> str:
    """As a string in SQL."""
    return "'" + text.replace("'", "''") + "'"


def _stamp(file: Path) -> Stamp:
    stat = file.stat()
    return str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino
