"""What an upload holds, taken out of it without trusting it: a folder from a tar, a table from an Arrow IPC stream."""

from __future__ import annotations

import errno
import struct
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from pickaxe.kernel.errors import BadInput
from pickaxe.serve.errors import TooLarge

if TYPE_CHECKING:
    import pyarrow as pa

MOST_OF_A_TABLE = 1 << 30
"""Bytes of a table: it is taken into memory, unlike a file."""
_MOST_ENTRIES = 100_000
_LONGEST_NAME = 255
_VALUES_A_BYTE = 8
_UNUSABLE = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EINVAL, errno.EILSEQ, errno.ENOTEMPTY}
"""What the system says of a name that cannot be a file's, or is two things at once."""
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2


def plain_name(filename: str) -> str:
    """One path part; raises `BadInput`."""
    parts = PurePosixPath(filename).parts
    long = len(filename.encode("utf-8", "surrogatepass")) > _LONGEST_NAME
    if len(parts) != 1 or filename in (".", "..", "/") or "\\" in filename or long or not filename.isprintable():
        raise BadInput(
            f"{filename!r:.100} is not a file name",
            expected=f"a name without slashes and control characters, {_LONGEST_NAME} bytes at most",
        )
    return filename


def unpacked(spool: BinaryIO, folder: Path) -> None:
    """Regular files and folders that stay inside (Python's ``data`` filter, PEP 706); raises `BadInput` for anything else."""
    folder.mkdir()
    try:
        with tarfile.open(fileobj=spool, mode="r:") as archive:
            for count, member in enumerate(archive):
                # A sparse file is short in the archive and as long as it says once it is unpacked.
                if not (member.isfile() or member.isdir()) or member.issparse() or count >= _MOST_ENTRIES:
                    raise BadInput(
                        f"{member.name!r:.100} may not be uploaded", expected=f"at most {_MOST_ENTRIES} plain files and folders"
                    )
                if not member.name.isprintable():
                    raise BadInput(f"{member.name!r:.100} is not a file name", expected="printable characters in UTF-8")
                archive.extract(member, folder, filter="data")
    except OSError as error:
        if error.errno not in _UNUSABLE:
            raise
        raise _no_tar(error.strerror or str(error)) from None
    except (tarfile.TarError, ValueError) as error:
        raise _no_tar(str(error)[:200]) from None


def _no_tar(said: str) -> BadInput:
    return BadInput(
        "the body is not a tar that can be unpacked", expected="files and folders with relative paths, each once", got=said
    )


def table_of(spool: BinaryIO, size: int) -> pa.Table:
    """The table of an Arrow IPC stream of `size` bytes. Raises `BadInput` for what would be larger in memory than it came."""
    import pyarrow as pa

    if size > MOST_OF_A_TABLE:
        raise TooLarge(
            "the table is too large to be taken as a stream",
            expected=f"at most {MOST_OF_A_TABLE} bytes",
            got=str(size),
            remedy="upload it as a Parquet file, or in parts",
        )
    try:
        _refuse_compressed(spool)
        spool.seek(0)
        with pa.ipc.open_stream(spool) as reader:
            table = reader.read_all()
        table.validate()
        values, content = _held(table.columns)
    except (pa.ArrowException, OSError, struct.error, OverflowError, ValueError, IndexError) as error:
        raise BadInput("the body is not an Arrow IPC stream", got=f"{error!s:.200}") from None
    if values > size * _VALUES_A_BYTE or content > MOST_OF_A_TABLE:
        raise BadInput(
            "the table would be larger than it came",
            expected=f"at most {MOST_OF_A_TABLE} bytes of text, and no more values than the bytes of the body can hold",
            got=f"{content} bytes of text and {values} values in {size} bytes",
        )
    return table


def _held(columns: Iterable[pa.ChunkedArray | pa.Array]) -> tuple[int, int]:
    """Values and bytes of text, each as often as it stands there: a dictionary has its own once, a view may point where another does."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made at import time, where no type checker sees them
    t, values, content = pa.types, 0, 0
    for column in columns:
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            array: Any = chunk
            kind, inside = array.type, list[Any]()
            if t.is_dictionary(kind):
                if t.is_string(kind.value_type) or t.is_large_string(kind.value_type) or t.is_binary(kind.value_type):
                    content += compute.sum(compute.binary_length(array.dictionary).take(array.indices)).as_py() or 0
                elif kind.value_type.num_fields or t.is_large_binary(kind.value_type) or "view" in str(kind.value_type):
                    raise BadInput("a dictionary of such values cannot be taken", expected="plain columns", got=str(kind)[:200])
            elif t.is_string_view(kind) or t.is_binary_view(kind):
                # A view is four numbers (Arrow columnar format, "Variable-size Binary View Layout"), the first its length.
                content += int(
                    np.frombuffer(array.buffers()[1], np.int32)[4 * array.offset :: 4][: len(array)].sum(dtype=np.int64)
                )
            elif t.is_string(kind) or t.is_binary(kind):
                content += compute.sum(compute.binary_length(array)).as_py() or 0
            elif t.is_fixed_size_list(kind):
                values += len(array) * kind.list_size
                inside = [array.values]
            elif t.is_list(kind) or t.is_large_list(kind):
                inside = [array.values]
            elif t.is_struct(kind):
                inside = [array.field(index) for index in range(kind.num_fields)]
            elif kind.num_fields or t.is_run_end_encoded(kind):
                raise BadInput("such a column cannot be taken", expected="plain columns", got=str(kind)[:200])
            more = _held(inside)
            values, content = values + len(array) + more[0], content + more[1]
    return values, content


def _refuse_compressed(spool: BinaryIO) -> None:
    """A compressed buffer says how long it will be, and may say what it likes."""
    import pyarrow as pa

    for message in pa.ipc.MessageReader.open_stream(spool):
        if _is_compressed(message.metadata.to_pybytes()):
            raise BadInput("the body is compressed", expected="an Arrow IPC stream without compression")


def _is_compressed(metadata: bytes) -> bool:
    """Whether a message (flatbuffers; `Message.fbs` and `Schema.fbs` of the Arrow format) has a compressed body."""
    table: int = struct.unpack_from("<I", metadata)[0]
    kind, header = _field(metadata, table, 1), _field(metadata, table, 2)
    if not kind or not header or metadata[kind] not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return False
    batch = _followed(metadata, header)
    if metadata[kind] == _DICTIONARY_BATCH:
        data = _field(metadata, batch, 1)
        if not data:
            return False
        batch = _followed(metadata, data)
    return bool(_field(metadata, batch, 3))


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where the field of a flatbuffers table stands; 0 when it is left out."""
    slots = table - struct.unpack_from("<i", metadata, table)[0]
    length: int = struct.unpack_from("<H", metadata, slots)[0]
    place = 4 + 2 * number
    offset: int = struct.unpack_from("<H", metadata, slots + place)[0] if place < length else 0
    return table + offset if offset else 0


def _followed(metadata: bytes, place: int) -> int:
    return place + struct.unpack_from("<I", metadata, place)[0]
