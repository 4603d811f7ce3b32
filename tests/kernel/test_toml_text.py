"""TOML that somebody wrote: values, or one error that says what is wrong with it, however it is nested."""

from __future__ import annotations

from pathlib import Path

import pytest

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.toml_text import LONGEST, values_in, values_of

BOMBS = {
    "lists": "a = " + "[" * 50_000,
    "tables": "a = " + "{b = " * 10_000,
    "keys": ".".join(["a"] * 20_000) + " = 1",
    "digits": "a = " + "9" * 50_000,
    "length": "#" * (LONGEST + 1),
    "none": "a = \x00",
    "line": "a = = 1",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_cannot_be_read_is_refused(bomb: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the text cannot be read") as refused:
        values_of(BOMBS[bomb], what="the text", expected="a text")
    assert len(str(refused.value)) < 1_000
    (tmp_path / "a.toml").write_text(BOMBS[bomb])
    with pytest.raises(BadInput, match="cannot be read"):
        values_in(tmp_path / "a.toml", expected="a file")


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*No such file") as refused:
        values_in(tmp_path / "a.toml", expected="a file", remedy="write one")
    assert refused.value.remedy == "write one"
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="is not TOML"):
        values_in(tmp_path / "a.toml", expected="a file")
    with pytest.raises(BadInput, match="Is a directory"):
        values_in(tmp_path, expected="a file")


def test_values(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('a.b = [1, 2]\nc = "ü"\n')
    assert values_in(tmp_path / "a.toml", expected="a file") == {"a": {"b": [1, 2]}, "c": "ü"}
