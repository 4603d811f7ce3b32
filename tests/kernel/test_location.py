"""Where a workspace may be made: not on top of what is somebody's own."""

from __future__ import annotations

from pathlib import Path

import pytest

import pickaxe
from pickaxe.kernel.errors import Conflict, NoWorkspace


@pytest.mark.parametrize("name", ["scratch", "blobs", "tables", "checkpoints"])
def test_a_folder_with_such_a_folder_of_its_own_is_left_alone(tmp_path: Path, name: str) -> None:
    own = tmp_path / name / "thesis.txt"
    own.parent.mkdir()
    own.write_text("precious")
    with pytest.raises(Conflict, match=f"a folder {name} of its own") as caught:
        pickaxe.open(tmp_path)
    assert str(tmp_path / ".pickaxe") in str(caught.value.remedy)
    assert own.read_text() == "precious"
    assert [item.name for item in tmp_path.iterdir()] == [name]


def test_a_project_that_has_a_workspace_in_it_is_none_itself(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / ".pickaxe"):
        pass
    for mode, error in (("w", Conflict), ("r", NoWorkspace)):
        with pytest.raises(error) as caught:
            pickaxe.open(tmp_path, mode=mode)  # pyright: ignore[reportArgumentType] - both modes in turn
        assert caught.value.remedy == f"did you mean {tmp_path / '.pickaxe'}?"
    assert [item.name for item in tmp_path.iterdir()] == [".pickaxe"]


def test_other_files_and_what_a_killed_first_writer_left_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text\nhello\n")
    (tmp_path / "scratch").mkdir()
    with pickaxe.open(tmp_path):
        pass
    (tmp_path / "catalog.db").unlink()  # it died before there was one
    (tmp_path / "scratch" / "half").write_text("")
    with pickaxe.open(tmp_path):
        pass
