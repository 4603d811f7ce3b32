"""Lists go on where they stopped, whatever comes in between."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pickaxe
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.workspace import Workspace


def imported(workspace: Workspace, folder: Path, numbers: range) -> None:
    for number in numbers:
        file = folder / "word.txt"
        file.write_text(f"word {number}", encoding="utf-8")
        workspace.import_files(file, f"words/{'even' if number % 2 == 0 else 'odd'}", kind=f"kind{number % 3}")


def test_every_artifact_comes_once_newest_first(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        imported(workspace, tmp_path, range(11))
        first, after = workspace.artifacts.page(limit=4)
        imported(workspace, tmp_path, range(11, 14))  # what is new does not shift the pages that follow
        seen = list(first)
        while after is not None:
            page, after = workspace.artifacts.page(after=after, limit=4)
            seen += page
        assert [item.id for item in seen] == [item.id for item in workspace.artifacts.list()][:11][::-1]
        odd, rest = workspace.artifacts.page(name="words/odd", kind="kind1")
        assert ([item.version for item in odd], rest) == ([7, 4, 1], None)
        workspace.alias(odd[0], "best")
        assert workspace.artifacts.page(name="words/odd", kind="kind1")[0][0].aliases == ("best",)


@pytest.mark.parametrize("cursor", ["", "x", "é", "bnVsbA", base64.urlsafe_b64encode(b'["a", 1]').decode(), "W10"])
def test_a_cursor_that_is_none_is_refused(tmp_path: Path, cursor: str) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace, pytest.raises(BadInput, match="not a cursor"):
        workspace.runs.page(after=cursor)


@settings(max_examples=200)
@given(st.text(max_size=50))
def test_no_cursor_breaks_the_reader(cursor: str) -> None:
    from pickaxe.kernel.paging import _decoded

    try:
        at, id = _decoded(cursor)
    except BadInput:
        return
    assert isinstance(at, int)
    assert isinstance(id, str)
