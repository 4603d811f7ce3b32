"""How an Arrow table is laid out in the lake, and how it comes back as it was.

DuckLake knows fewer types than Arrow, treats names without regard to case, and keeps some for itself. So a column is stored
under a safe name and as the nearest lossless type, and the exact schema is kept beside the data (in the commit).
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ORDINAL = "_pickaxe_ordinal"
"""The hidden column that keeps the order of the rows: 0, 1, 2…, going on over appends."""

_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_])?")
_PLAIN_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
# DuckLake's virtual columns and internal fields; `row_id` is refused by it outright.
_RESERVED = {"row_id", "rowid", "snapshot_id", "filename", "file_row_number", "file_index", "begin_snapshot", "end_snapshot"}
_MAX_NAME = 200


def table_identifier(name: str) -> str:
    """The identifier of table `name` (slash-separated), unquoted.

    Identifiers are compared without case, so a capital is written with a caret before it. Raises `BadInput` for an empty,
    too long or unsafe name.
    """
    segments = name.split("/") if isinstance(name, str) else []  # pyright: ignore[reportUnnecessaryIsInstance]
    if not segments or len(name) > _MAX_NAME or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise BadInput(
            "not a table name",
            expected=f"letters, digits, '_', '-' and '.', in parts separated by '/', at most {_MAX_NAME} characters",
            got=f"{name!r:.200}",
        )
    return re.sub(r"[A-Z]", lambda capital: "^" + capital.group().lower(), name)


def quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def column_identifiers(names: list[str]) -> list[str]:
    """Where each column is stored: under its own name if that is safe, else under ``_c<position>``.

    Raises `BadInput` for a table without columns or with two columns of one name.
    """
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice or not names:
        raise BadInput(
            "the table's columns cannot be told apart" if twice else "the table has no columns",
            expected="at least one column, each with a name of its own",
            got=f"twice: {', '.join(map(repr, twice))}" if twice else "none",
            remedy="rename the columns",
        )
    taken: set[str] = set()
    identifiers: list[str] = []
    for position, name in enumerate(names):
        safe = _PLAIN_COLUMN.fullmatch(name) and name.lower() not in taken | _RESERVED
        identifiers.append(name if safe else f"_c{position}")
        taken.add(name.lower())
    return identifiers


def storage_table(table: pa.Table, identifiers: list[str], first_ordinal: int) -> pa.Table:
    """`table` as it is stored: safe names, storable types, and the ordinal column. Raises `BadInput` for what cannot be."""
    import numpy as np
    import pyarrow as pa

    columns: list[pa.ChunkedArray | pa.Array] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        try:
            columns.append(_as_type(column, _storage_type(field.type, field.name)))
            _refuse_broken_text(columns[-1], field.name)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BadInput(f"column {field.name!r} cannot be stored", got=f"{field.type}: {error}") from None
    columns.append(pa.array(np.arange(first_ordinal, first_ordinal + table.num_rows, dtype=np.int64)))
    return pa.table(columns, names=[*identifiers, ORDINAL])


def restored(stored: pa.Table, schema: pa.Schema) -> pa.Table:
    """What `storage_table` laid out, without the ordinal, in row order and in its own schema (fields of `schema`, in order)."""
    import numpy as np

    ordinals = stored.column(ORDINAL).to_numpy()
    if len(ordinals) and not (np.diff(ordinals) > 0).all():
        stored = stored.take(np.argsort(ordinals, kind="stable"))
    return as_types(stored.select(range(len(schema))), schema)


def as_types(stored: pa.Table, schema: pa.Schema) -> pa.Table:
    """Stored columns, in the order of `schema`'s fields, as what they were."""
    import pyarrow as pa

    columns = [_as_type(column, field.type) for column, field in zip(stored.columns, schema, strict=True)]
    return pa.table(columns, schema=schema)


def python_values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """The values; an instant for which Python has no object (the year 290000) is a text: its number, and of what."""
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):
        return [_python_value(scalar) for scalar in column]


def rows_of(table: pa.Table) -> list[list[Any]]:
    """The rows as Python's values."""
    return [list(row) for row in zip(*(python_values(column) for column in table.columns), strict=True)]


def _python_value(scalar: Any) -> Any:
    import pyarrow as pa

    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        if isinstance(scalar, (pa.ListScalar, pa.LargeListScalar, pa.FixedSizeListScalar, pa.MapScalar)):
            return python_values(scalar.values)
        if isinstance(scalar, pa.StructScalar):
            return {name: _python_value(value) for name, value in scalar.items()}
        return f"{getattr(scalar, 'value', '?')} {scalar.type}"


def _as_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([_array_as_type(chunk, kind) for chunk in column.chunks], kind)


def _array_as_type(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Arrow's cast, taken apart where it stumbles.

    It casts nothing to the null type, and trips over what lies under a null: an index into an empty dictionary, a list of another
    length. So nested arrays are cast from the inside, after a parent's nulls are handed on to its children.
    """
    import numpy as np
    import pyarrow as pa

    t = pa.types
    if t.is_null(kind):
        return pa.nulls(len(array))
    if t.is_fixed_size_list(kind):
        # A null row has places of its own here, and none as it is stored: they are taken from nowhere.
        places = np.repeat(array.is_valid().to_numpy(zero_copy_only=False), kind.list_size)
        values = array.flatten().take(pa.array(np.cumsum(places) - 1, pa.int64(), mask=~places))
        return pa.FixedSizeListArray.from_arrays(_array_as_type(values, kind.value_type), type=kind, mask=array.is_null())
    if t.is_list(kind) or t.is_large_list(kind):
        lengths = _list_lengths(array)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))
        values = _array_as_type(array.flatten(), kind.value_type)
        lists = pa.LargeListArray.from_arrays(offsets, values, mask=array.is_null())
        return lists.cast(kind)
    if t.is_struct(kind):
        fields = [_array_as_type(child, field.type) for child, field in zip(array.flatten(), kind, strict=True)]
        return pa.StructArray.from_arrays(fields, fields=list(kind), mask=array.is_null())
    return array.cast(kind)


def _list_lengths(array: pa.Array) -> np.ndarray:
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made at import time, where no type checker sees them
    return compute.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)


def schema_text(schema: pa.Schema) -> str:
    """The schema as ASCII (base64 of Arrow's own serialisation), without custom metadata."""
    return base64.b64encode(schema.remove_metadata().serialize().to_pybytes()).decode("ascii")


def schema_from_text(text: str) -> pa.Schema:
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def _storage_type(kind: pa.DataType, column: str) -> pa.DataType:
    """The nearest type that DuckLake keeps without loss."""
    import pyarrow as pa

    t = pa.types
    if t.is_null(kind):
        return pa.int8()
    if t.is_dictionary(kind):
        return _storage_type(kind.value_type, column)
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return pa.large_string()
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return pa.large_binary()
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return pa.large_list(_storage_type(kind.value_type, column))
    if t.is_struct(kind) and kind.num_fields and len({field.name.lower() for field in kind}) == kind.num_fields:
        return pa.struct([(field.name, _storage_type(field.type, column)) for field in kind])
    if t.is_boolean(kind) or t.is_integer(kind) or t.is_float32(kind) or t.is_float64(kind) or t.is_date32(kind):
        return kind
    if t.is_float16(kind):
        return pa.float32()
    if t.is_timestamp(kind):
        # DuckDB's zoned time is in microseconds: other units would be cut, so they are kept without the zone.
        return pa.timestamp("us", "UTC") if kind.tz and kind.unit == "us" else pa.timestamp(kind.unit)
    if t.is_date64(kind) or t.is_time64(kind) or t.is_duration(kind):
        return pa.int64()
    if t.is_time32(kind):
        return pa.int32()
    if t.is_decimal128(kind):
        return kind
    raise _unstorable(kind, column)


def _unstorable(kind: pa.DataType, column: str) -> BadInput:
    return BadInput(
        f"column {column!r} has a type that tables cannot keep",
        expected="booleans, numbers, decimals (128 bits), strings, binary, dates, times, lists, structs, or dictionaries of them",
        got=str(kind),
        remedy="convert the column before saving (a map to a list of structs, an extension type to its storage)",
    )


def _refuse_broken_text(column: pa.ChunkedArray | pa.Array, name: str) -> None:
    """DuckDB reads text as UTF-8 without looking; Arrow's full validation looks."""
    import pyarrow as pa

    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise BadInput(
            f"column {name!r} holds bytes that are not valid text or lists",
            got=str(error),
            remedy="decode the text (UTF-8) before saving it",
        ) from None
