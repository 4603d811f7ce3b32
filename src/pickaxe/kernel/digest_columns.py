"""The canonical byte streams of an Arrow column, and their digest.

Each column is fed, chunk by chunk, into separate streams: validity (only if there is a null), lengths (strings, lists) and
data. Streams concatenate over chunks, so chunk borders vanish; nulls are filled before hashing, so what lies under them does.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def type_name(kind: pa.DataType) -> str:
    """The canonical name of a type: how values are laid out (offset width, dictionary, view) is left out."""
    import pyarrow as pa

    t = pa.types
    if t.is_dictionary(kind):
        return type_name(kind.value_type)
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return "string"
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind):
        return "binary"
    if t.is_list(kind) or t.is_large_list(kind) or t.is_list_view(kind) or t.is_large_list_view(kind):
        return f"list<{type_name(kind.value_type)}>"
    if t.is_fixed_size_list(kind):
        return f"list<{type_name(kind.value_type)}>[{kind.list_size}]"
    if t.is_struct(kind):
        return "struct<" + ",".join(f"{field.name!r}:{type_name(field.type)}" for field in kind) + ">"
    if t.is_null(kind) or t.is_boolean(kind) or _is_fixed_width(kind):
        return str(kind)
    raise BadInput(
        f"a column of type {kind} has no canonical form",
        expected="numbers, booleans, strings, binary, dates, times, decimals, lists, structs, or dictionaries of them",
        remedy="convert the column (a map to a list of structs, an extension type to its storage)",
    )


def column_digest(column: pa.ChunkedArray) -> str:
    """The hex digest of one column's values; 8 bytes per number, the bytes of each text, a byte per row for nulls."""
    # A dictionary may hold a null itself, so nulls are counted after decoding.
    chunks = [_plain(chunk) for chunk in column.chunks]
    streams = _Streams(column.type, has_nulls=any(chunk.null_count for chunk in chunks))
    for chunk in chunks:
        streams.feed(chunk)
    return streams.hexdigest()


class _Streams:
    """The streams of one column or of one nested child."""

    def __init__(self, kind: pa.DataType, *, has_nulls: bool) -> None:
        self.name = type_name(kind)
        self.has_nulls = has_nulls
        self.validity = hashlib.sha256()
        self.lengths = hashlib.sha256()
        self.data = hashlib.sha256()
        # A nested null shows up only when its chunk comes by, so nested validity is always fed.
        self.children = [_Streams(child, has_nulls=True) for child in _child_types(kind)]

    def hexdigest(self) -> str:
        whole = hashlib.sha256(f"{self.name}|{self.has_nulls}|".encode())
        for part in (self.validity, self.lengths, self.data):
            whole.update(part.digest())
        for child in self.children:
            whole.update(child.hexdigest().encode())
        return whole.hexdigest()

    def feed(self, array: pa.Array) -> None:
        import pyarrow as pa

        if self.has_nulls:
            self.validity.update(_flat(_numpy(array.is_valid().cast(pa.uint8()))))
        kind, t = array.type, pa.types
        if t.is_null(kind):
            return
        if t.is_struct(kind):
            self._feed_children([_field(array, index) for index in range(kind.num_fields)])
        elif t.is_large_list(kind) or t.is_fixed_size_list(kind):
            if t.is_large_list(kind):
                self._feed_lengths(array)
            self._feed_children([array.flatten()])
        elif t.is_large_string(kind) or t.is_large_binary(kind):
            self._feed_text(array)
        else:
            self.data.update(_values(array))

    def _feed_lengths(self, array: pa.Array) -> None:
        lengths = _compute().list_value_length(array)
        self.lengths.update(_flat(_numpy(lengths.fill_null(0)).astype("<i8")))

    def _feed_children(self, arrays: list[pa.Array]) -> None:
        for child, array in zip(self.children, arrays, strict=True):
            child.feed(_plain(array))

    def _feed_text(self, array: pa.Array) -> None:
        import numpy as np

        if array.null_count:
            array = array.fill_null("" if array.type == _large_string() else b"")
        _, offsets_buffer, data = array.buffers()
        if not len(array):
            return
        offsets: np.ndarray = np.frombuffer(offsets_buffer, dtype="<i8")[array.offset : array.offset + len(array) + 1]
        self.lengths.update(_flat(np.diff(offsets)))
        if data is not None:
            self.data.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])


def _child_types(kind: pa.DataType) -> list[pa.DataType]:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _child_types(kind.value_type)
    if pa.types.is_struct(kind):
        return [field.type for field in kind]
    return [kind.value_type] if hasattr(kind, "value_type") else []


def _plain(array: pa.Array) -> pa.Array:
    """`array` without dictionary, view or 32-bit offsets at its top level."""
    import pyarrow as pa

    t, kind = pa.types, array.type
    if t.is_dictionary(kind):
        return _plain(array.cast(kind.value_type))
    if t.is_string(kind) or t.is_string_view(kind):
        return array.cast(pa.large_string())
    if t.is_binary(kind) or t.is_binary_view(kind):
        return array.cast(pa.large_binary())
    if t.is_list(kind) or t.is_list_view(kind) or t.is_large_list_view(kind):
        return array.cast(pa.large_list(kind.value_field))
    return array


def _field(array: pa.StructArray, index: int) -> pa.Array:
    """One field of a struct array, null where the struct is."""
    return _compute().struct_field(array, [index])


def _values(array: pa.Array) -> memoryview:
    """The values of a fixed-width array as little-endian bytes, zero under nulls, one NaN for all."""
    import numpy as np
    import pyarrow as pa

    kind, t = array.type, pa.types
    if t.is_boolean(kind):
        array = array.cast(pa.uint8())
        kind = array.type
    width = kind.bit_width // 8
    raw = array.buffers()[1]
    if raw is None or not len(array):
        return memoryview(b"")
    rows: np.ndarray = np.frombuffer(raw, dtype="u1")[array.offset * width : (array.offset + len(array)) * width]
    rows = rows.reshape(len(array), width)
    if array.null_count:
        rows = np.where(_numpy(array.is_valid().cast(pa.uint8())).astype(bool)[:, None], rows, np.uint8(0))
    if t.is_floating(kind):
        rows = _one_nan(np.ascontiguousarray(rows).view(f"<f{width}"))
    return _flat(rows)


def _one_nan(floats: np.ndarray) -> np.ndarray:
    import numpy as np

    missing = np.isnan(floats)
    return np.where(missing, np.array(np.nan, dtype=floats.dtype), floats) if missing.any() else floats


def _flat(array: np.ndarray) -> memoryview:
    """The array's own bytes, without a copy where it is contiguous."""
    return array.ravel().data


def _numpy(array: pa.Array) -> Any:
    return array.to_numpy(zero_copy_only=False)


def _compute() -> Any:
    # Its functions are made at import time, where no type checker sees them.
    import pyarrow.compute as pc

    return pc


def _large_string() -> pa.DataType:
    import pyarrow as pa

    return pa.large_string()


def _is_fixed_width(kind: pa.DataType) -> bool:
    import pyarrow as pa

    t = pa.types
    return t.is_integer(kind) or t.is_floating(kind) or t.is_temporal(kind) or t.is_decimal(kind) or t.is_fixed_size_binary(kind)
