"""`pickaxe key`: what it prints, and that rotating it works on a workspace in use."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from pickaxe.cli import group
from pickaxe.kernel.encryption.keyring import Locked
from pickaxe.kernel.errors import Conflict, NotFound
from pickaxe.kernel.workspace import Workspace


def said(*arguments: str) -> str:
    result = CliRunner().invoke(group, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    said("key", "new", str(tmp_path / "first"))
    monkeypatch.setenv("PICKAXE_SCRATCH", str(tmp_path))
    monkeypatch.setenv("PICKAXE_KEY", f"file:{tmp_path / 'first'}")
    with Workspace(tmp_path / "ws") as workspace:
        workspace.emit("log", "x", body={"text": "kept"})
    return tmp_path / "ws"


def test_a_new_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    said("key", "new", str(tmp_path / "key"))
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    content = (tmp_path / "key").read_text()
    with pytest.raises(Conflict, match="cannot be written"):
        said("key", "new", str(tmp_path / "key"))
    assert (tmp_path / "key").read_text() == content
    assert len(said("key", "new").strip()) == 44


def test_rotating_while_the_workspace_is_in_use(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = said("-w", str(folder), "key", "show")
    said("key", "new", str(tmp_path / "second"))
    with Workspace(folder) as writer:
        output = said("-w", str(folder), "key", "rotate", "--to", f"file:{tmp_path / 'second'}", "--renew")
        assert "2 data keys" in output
        writer.emit("log", "x", body={"text": "later"})
    after = said("-w", str(folder), "key", "show")
    assert after != before
    assert (tmp_path / "first").read_text().strip() not in after
    with pytest.raises(Locked):
        Workspace(folder, mode="r")
    monkeypatch.setenv("PICKAXE_KEY", f"file:{tmp_path / 'second'}")
    with Workspace(folder, mode="r") as reader:
        assert [event.body["text"] for event in reader.log.list(kind="log")] == ["kept", "later"]


def test_what_cannot_be_rotated_is_left_alone(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said("key", "new", str(tmp_path / "other"))
    to = ("--to", f"file:{tmp_path / 'other'}")
    with pytest.raises(NotFound):
        said("-w", str(tmp_path / "nowhere"), "key", "rotate", *to)
    assert not (tmp_path / "nowhere").exists()
    before = said("-w", str(folder), "key", "show")
    monkeypatch.setenv("PICKAXE_KEY", f"file:{tmp_path / 'other'}")
    with pytest.raises(Locked):
        said("-w", str(folder), "key", "rotate", *to)
    monkeypatch.delenv("PICKAXE_KEY")
    with pytest.raises(Conflict, match="no key to rotate from"):
        said("-w", str(folder), "key", "rotate", *to)
    assert said("-w", str(folder), "key", "show") == before
    Workspace(tmp_path / "plain").close()
    assert "not encrypted" in said("-w", str(tmp_path / "plain"), "key", "show")
