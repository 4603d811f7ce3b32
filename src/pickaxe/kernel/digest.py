"""What content is called: ``sha256:`` and 64 hex digits, the same for the same content however it is laid out in memory.

A table's digest is taken over its values, not over its bytes in memory: chunks, slices, dictionary encoding, 32- or 64-bit
offsets, an all-valid bitmap and the garbage under a null leave it alone. Column names, their order, types, values, nulls and
the order of the rows decide it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict, cast

from pickaxe.kernel.errors import BadInput, NotFound

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "sha256:"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ManifestEntry(TypedDict):
    """One file of a folder."""

    path: str
    digest: str
    size: int


def hex_of(digest: str) -> str:
    """The 64 hex digits of `digest`; `BadInput` for anything that is not a digest (it becomes part of a path)."""
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput("not a digest", expected="sha256: and 64 lower-case hex digits", got=f"{digest!r:.100}")
    return digest[len(PREFIX) :]


def bytes_digest(content: bytes | bytearray | memoryview) -> str:
    return PREFIX + hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """The digest of one file's bytes. Raises `NotFound`, or `BadInput` when `path` is not a regular file."""
    if not path.exists():
        raise NotFound(f"there is no file {path.name!r}", got=str(path))
    if not path.is_file():
        raise BadInput(f"{path.name!r} is not a regular file", got=str(path))
    with path.open("rb") as stream:
        return PREFIX + hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digest(path: Path) -> tuple[str, list[ManifestEntry]]:
    """The digest of a folder and its manifest: every file with its relative POSIX path, digest and size, sorted by path.

    The digest is that of `manifest_bytes`. Empty folders, permissions and times are not content. A link to a file counts as
    that file; a link to a folder, a dangling link, a device or a pipe is refused with `BadInput`.
    """
    manifest: list[ManifestEntry] = [
        {"path": name, "digest": file_digest(file), "size": file.stat().st_size} for name, file in folder_files(path)
    ]
    return bytes_digest(manifest_bytes(manifest)), manifest


def folder_files(path: Path) -> list[tuple[str, Path]]:
    """Every regular file below `path`, as (relative POSIX path, file), sorted by that path; see `folder_digest`."""
    if not path.exists():
        raise NotFound(f"there is no folder {path.name!r}", got=str(path))
    if not path.is_dir():
        raise BadInput(f"{path.name!r} is not a folder", got=str(path))
    return sorted(_walk(path, ""))


def manifest_bytes(manifest: Sequence[ManifestEntry]) -> bytes:
    """The one spelling of a manifest; a folder's digest is the digest of these bytes."""
    return canonical_json({"format": "pickaxe-folder-1", "files": [dict(entry) for entry in manifest]})


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                raise BadInput("a file name is not UTF-8", got=ascii(name), remedy="rename the file") from None
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), name + "/")
            elif _is_regular(entry):
                yield name, Path(entry.path)
            else:
                raise BadInput(
                    f"{name!r} cannot be stored",
                    expected="regular files, folders and links to files",
                    got="a dangling link, a link to a folder, a device, a socket or a pipe",
                )


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False


def json_digest(obj: Any) -> str:
    return bytes_digest(canonical_json(obj))


def canonical_json(obj: Any) -> bytes:
    """One spelling for one document: sorted keys, no spaces, UTF-8, shortest floats.

    Raises `BadInput` for what JSON cannot say without loss: NaN, infinities, keys that are not strings, lone surrogates,
    other Python objects, circular references. Tuples are written as lists.
    """
    try:
        _check_keys(obj)
        text = json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            "the document is not plain JSON",
            expected="objects with string keys, lists, strings, finite numbers, booleans and null",
            got=f"{type(error).__name__}: {error}",
        ) from None


def _check_keys(obj: Any) -> None:
    # json.dumps would spell the key 1 as "1" and True as "true": two documents, one digest.
    if isinstance(obj, Mapping):
        for key, value in cast(Mapping[Any, Any], obj).items():
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is not a string")
            _check_keys(value)
    elif isinstance(obj, (list, tuple)):
        for value in cast(Sequence[Any], obj):
            _check_keys(value)


def table_digest(table: pa.Table) -> str:
    """The canonical digest of a table's content (see the module).

    Floats are compared bit by bit (0.0 and -0.0 differ), except that every NaN is the same NaN. Times are compared as stored:
    type and zone name count. Raises `BadInput` for a type without a canonical form (map, union, run-end encoded, extension).
    """
    from pickaxe.kernel.digest_columns import column_digest, type_name

    columns: list[list[str]] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        try:
            columns.append([field.name, type_name(field.type), column_digest(column)])
        except UnicodeEncodeError:
            _refuse_name(field.name)
    return json_digest({"format": "pickaxe-table-1", "rows": table.num_rows, "columns": columns})


def _refuse_name(name: str) -> NoReturn:
    raise BadInput("a column name is not valid Unicode", got=ascii(name), remedy="rename the column")
