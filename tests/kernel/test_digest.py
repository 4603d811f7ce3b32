"""A digest follows the content and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from pickaxe.kernel.digest import (
    bytes_digest,
    canonical_json,
    file_digest,
    folder_digest,
    hex_of,
    json_digest,
    manifest_bytes,
    table_digest,
)
from pickaxe.kernel.errors import BadInput, NotFound
from tests.kernel.arrow_tables import arrow_tables, rechunked, typed_values

BASE = pa.table(
    {
        "text": ["a", "b", None, ""],
        "n": [1, 2, 3, 4],
        "x": [0.5, float("nan"), None, -0.0],
        "ok": [True, None, False, True],
        "probs": [[0.1, 0.9], [], None, [0.5, None]],
        "tags": [["x"], ["y", "z"], [], None],
        "at": pa.array([1, 2, None, 4], pa.timestamp("us", "UTC")),
    }
)


@settings(max_examples=150, deadline=None)
@given(arrow_tables(), st.lists(st.integers(0, 8), max_size=3))
def test_chunks_and_slices_leave_the_digest_alone(table: pa.Table, cuts: list[int]) -> None:
    whole = table_digest(table)
    assert table_digest(rechunked(table, cuts)) == whole
    assert table_digest(table.combine_chunks()) == whole
    longer = pa.concat_tables([table, table]).combine_chunks()
    assert table_digest(longer.slice(table.num_rows)) == whole


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_equal_digest_means_equal_content(data: st.DataObject) -> None:
    kind, values = data.draw(typed_values())
    one, other = (pa.table({"x": pa.array(data.draw(st.lists(values, max_size=3)), kind)}) for _ in range(2))
    try:
        same = repr(one.to_pylist()) == repr(other.to_pylist())
    except ValueError:  # nanoseconds that Python's datetime cannot hold
        reject()
    assert (table_digest(one) == table_digest(other)) is same


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.cast(pa.schema([pa.field(f.name, pa.large_string() if f.name == "text" else f.type) for f in t.schema])),
        lambda t: t.set_column(0, "text", t["text"].cast(pa.string_view())),
        lambda t: t.set_column(0, "text", t["text"].dictionary_encode()),
        lambda t: t.set_column(4, "probs", t["probs"].cast(pa.large_list(pa.float64()))),
        lambda t: t.set_column(4, "probs", t["probs"].cast(pa.list_(pa.field("element", pa.float64())))),
        lambda t: t.replace_schema_metadata({"pandas": "noise"}),
        lambda t: t.slice(0, 4),
        lambda t: pa.concat_tables([t.slice(0, 1), t.slice(1, 0), t.slice(1)]),
    ],
    ids=["large_string", "string_view", "dictionary", "large_list", "list child's name", "metadata", "slice", "chunks"],
)
def test_layout_is_not_content(make: Any) -> None:
    assert table_digest(make(BASE)) == table_digest(BASE)


def test_what_lies_under_a_null_is_not_content() -> None:
    numbers = np.array([1, 2, 3], dtype=np.int64)
    garbage = np.array([1, 99, 3], dtype=np.int64)
    mask = np.array([False, True, False])
    assert table_digest(pa.table({"n": pa.array(numbers, mask=mask)})) == table_digest(
        pa.table({"n": pa.array(garbage, mask=mask)})
    )
    texts = pa.array(["a", "bb", "c"])
    hidden = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x05"), *texts.buffers()[1:]])
    assert hidden.to_pylist() == ["a", None, "c"]
    assert table_digest(pa.table({"t": hidden})) == table_digest(pa.table({"t": ["a", None, "c"]}))


def test_an_all_valid_bitmap_is_not_content() -> None:
    bare = pa.array([1, 2, 3])
    with_bitmap = pa.Array.from_buffers(pa.int64(), 3, [pa.py_buffer(b"\xff"), bare.buffers()[1]])
    assert table_digest(pa.table({"n": bare})) == table_digest(pa.table({"n": with_bitmap}))


def test_no_chunk_and_an_empty_chunk_are_the_same() -> None:
    for kind in (pa.int64(), pa.string(), pa.list_(pa.float64()), pa.bool_(), pa.struct([("a", pa.string())])):
        none = pa.table({"x": pa.chunked_array([], kind)})
        empty = pa.table({"x": pa.array([], kind)})
        assert table_digest(none) == table_digest(empty)


def test_every_nan_is_the_same_nan() -> None:
    bits = np.array([0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64).view(np.float64)
    assert len({table_digest(pa.table({"x": bits[i : i + 1]})) for i in range(3)}) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.rename_columns(["Text", *t.column_names[1:]]),
        lambda t: t.select([1, 0, 2, 3, 4, 5, 6]),
        lambda t: t.select([0, 1, 2, 3, 4, 5]),
        lambda t: t.take([1, 0, 2, 3]),
        lambda t: t.slice(0, 3),
        lambda t: t.set_column(1, "n", t["n"].cast(pa.int32())),
        lambda t: t.set_column(0, "text", pa.array(["a", "b", "", ""])),
        lambda t: t.set_column(0, "text", pa.array(["ab", "", None, ""])),
        lambda t: t.set_column(2, "x", pa.array([0.5, float("nan"), None, 0.0])),
        lambda t: t.set_column(4, "probs", pa.array([[0.1], [0.9], None, [0.5, None]])),
        lambda t: t.set_column(4, "probs", pa.array([[0.1, 0.9], None, [], [0.5, None]])),
        lambda t: t.set_column(5, "tags", pa.array([["x"], ["yz", ""], [], None])),
        lambda t: t.set_column(6, "at", t["at"].cast(pa.timestamp("us", "Europe/Paris"))),
    ],
    ids=[
        "name",
        "column order",
        "column gone",
        "row order",
        "row gone",
        "type",
        "null or empty",
        "text border",
        "signed zero",
        "list border",
        "null or empty list",
        "text border in a list",
        "zone",
    ],
)
def test_content_changes_the_digest(make: Any) -> None:
    assert table_digest(make(BASE)) != table_digest(BASE)


def test_a_digest_is_the_same_tomorrow() -> None:
    """Digests are stored: a change of this value is a change of format and needs a migration."""
    assert table_digest(BASE) == "sha256:5966bdd437b7c5e9fe0ebc382f4531a74f98cc31fb7312433b3797a07a184e83"


@pytest.mark.parametrize("kind", [pa.map_(pa.string(), pa.int64()), pa.run_end_encoded(pa.int32(), pa.int64())])
def test_a_type_without_a_canonical_form_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(BadInput, match="no canonical form"):
        table_digest(pa.table({"x": pa.nulls(1, kind)}))


def test_speed_on_thirty_thousand_texts_with_vectors_and_a_million_numbers() -> None:
    rng = np.random.default_rng(7)
    vectors = pa.ListArray.from_arrays(np.arange(0, 30_001 * 64, 64, dtype=np.int32), rng.random(30_000 * 64))
    texts = pa.table({"text": [f"a headline about {i}" for i in range(30_000)], "v": vectors})
    numbers = pa.table({"n": rng.integers(0, 9, 1_000_000)})
    assert _cpu_seconds(texts) < 1.5
    assert _cpu_seconds(numbers) < 1.5


def _cpu_seconds(table: pa.Table) -> float:
    start = time.process_time()
    table_digest(table)
    return time.process_time() - start


# -- documents


def test_json_has_one_spelling() -> None:
    assert canonical_json({"b": [1, 2.5, None, True], "a": "é"}) == '{"a":"é","b":[1,2.5,null,true]}'.encode()
    assert json_digest({"a": 1, "b": 2}) == json_digest({"b": 2, "a": 1})
    assert json_digest([1]) != json_digest([1.0])


@pytest.mark.parametrize(
    "document",
    [
        float("nan"),
        {"x": [float("inf")]},
        {1: "a"},
        {"a": {None: 1}},
        {"a": object()},
        {"a": {1, 2}},
        "\ud800",
        b"x",
        np.float32(1),
    ],
)
def test_what_json_cannot_say_is_refused(document: Any) -> None:
    with pytest.raises(BadInput, match="not plain JSON"):
        canonical_json(document)


def test_a_circle_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(BadInput, match="not plain JSON"):
        canonical_json(circle)


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "a" * 64, "sha256:" + "a" * 64 + "\n", 7]
)
def test_only_a_digest_is_a_digest(text: Any) -> None:
    with pytest.raises(BadInput, match="not a digest"):
        hex_of(text)


# -- files and folders


def test_a_folder_is_its_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, names in ((one, ["b.txt", "a/x.bin"]), (other, ["a/x.bin", "b.txt"])):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(name.encode())
    (other / "empty").mkdir()
    os.utime(other / "b.txt", (0, 0))
    digest, manifest = folder_digest(one)
    assert [entry["path"] for entry in manifest] == ["a/x.bin", "b.txt"]
    assert manifest[1] == {"path": "b.txt", "digest": bytes_digest(b"b.txt"), "size": 5}
    assert digest == folder_digest(other)[0] == bytes_digest(manifest_bytes(manifest))
    (other / "b.txt").rename(other / "c.txt")
    assert folder_digest(other)[0] != digest


def test_links_to_files_count_as_files_and_other_things_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside").write_text("x")
    (folder / "link").symlink_to(tmp_path / "outside")
    assert folder_digest(folder)[1][0]["digest"] == bytes_digest(b"x")
    for make in (
        lambda place: place.symlink_to(folder),
        lambda place: place.symlink_to(tmp_path / "nowhere"),
        lambda place: os.mkfifo(place),
    ):
        make(folder / "odd")
        with pytest.raises(BadInput, match="cannot be stored"):
            folder_digest(folder)
        (folder / "odd").unlink()


def test_missing_files_and_wrong_kinds_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        file_digest(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="not a regular file"):
        file_digest(tmp_path)
    with pytest.raises(NotFound):
        folder_digest(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="not a folder"):
        folder_digest(tmp_path / "file")
