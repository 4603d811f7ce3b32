"""The first look at a file: what it holds, which column is likely what, and what is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pickaxe.data.look import look
from pickaxe.kernel.errors import BadInput


def test_columns_rows_and_guesses(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    lines = [f'{n},"the printer is on fire, again {n}",{"urgent" if n % 3 else "not urgent"}' for n in range(60)]
    file.write_text("id,body,kind\n" + "\n".join(lines) + '\n61,"broken\n', encoding="utf-8")
    found = look(file, "tickets.csv")
    assert (found.format, found.rows, found.whole, found.text, found.label) == ("csv", 60, True, "body", "kind")
    assert [column.name for column in found.columns] == ["id", "body", "kind"]
    kind = found.column("kind")
    assert kind is not None
    assert kind.classes == {"urgent": 40, "not urgent": 20}
    assert found.columns[0].classes is None, "a number for each row names no class"
    assert found.sample[0] == ("0", "the printer is on fire, again 0", "not urgent")
    assert sum(found.rejected.values()) == 1


def test_only_the_beginning_of_a_large_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for n in range(20_000):
            out.write(json.dumps({"text": f"some words {n % 7} here", "stars": n % 5, "lang": "en"}) + "\n")
    found = look(file, "many.jsonl")
    assert not found.whole
    assert 18_000 < found.rows < 22_000
    assert (found.text, found.label) == ("text", "stars")


def test_hostile_values_are_only_shown(tmp_path: Path) -> None:
    file = tmp_path / "hostile.jsonl"
    values = [{"text": "<script>alert(1)</script> \ud800 \u0000" + "x" * 900, "label": "\udc00", "\ud800": 1} for _ in range(9)]
    wide = {f"k{n}": n for n in range(500)} | {"text": "a b c", "label": "fine"}
    file.write_text("\n".join(map(json.dumps, [*values, wide])), encoding="utf-8")
    found = look(file, "hostile.jsonl")
    json.dumps([found.sample, [(column.name, column.classes) for column in found.columns]], ensure_ascii=False).encode("utf-8")
    assert len(found.columns) <= 40
    assert all(value is None or len(value) < 600 for row in found.sample for value in row)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"text,label\n", "a header and nothing else"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"PAR1 but no more", "not a readable Parquet file"),
        (b"[{\"text\": 1}]", "JSON array"),
        (bytes(range(128, 256)) * 400, "no usable row"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_texts_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=said) as refused:
        look(file, "file")
    assert refused.value.remedy or refused.value.expected


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        look(tmp_path, "uploads")
