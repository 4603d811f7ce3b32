"""`pickaxe sign-in`: the way back in after the first person was added; the key is kept for one's own eyes, and ends with sign-out."""

from __future__ import annotations

import io
import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import pickaxe as library
from pickaxe.kernel.access import passwords
from pickaxe.kernel.access.principals import Access
from pickaxe.server.run import ServerThread
from tests.cli.conftest import Pickaxe, Said

PASSWORD = "a long password"


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(passwords, "_LOG_N", 5)  # cheaper
    for name in ("PICKAXE_URL", "PICKAXE_API_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PICKAXE_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config" / "keys.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    with library.open(folder) as workspace, ServerThread(workspace, whole=True) as server:
        workspace.stores.announce(server.url)
        yield server.url


@pytest.fixture
def typed(pickaxe: Pickaxe, monkeypatch: pytest.MonkeyPatch) -> Pickaxe:
    """A command with a password on its standard input."""

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
        return pickaxe(*words)

    return run


@pytest.mark.slow
def test_the_first_user_is_told_what_is_next_and_gets_back_in(
    pickaxe: Pickaxe, typed: Pickaxe, folder: Path, url: str, config: Path
) -> None:
    here = ("-w", folder)
    added = typed(*here, "user", "add", "ada", "--role", "admin")
    assert f"next: pickaxe sign-in {url}" in added.out
    locked = pickaxe(*here, "user", "list")
    assert locked.code != 0
    assert f"pickaxe sign-in {url}" in locked.err
    signed_in = typed("sign-in", url, "--name", "ada")
    assert f"signed in to {url} as ada" in signed_in.out
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert PASSWORD not in config.read_text(encoding="utf-8")
    (secret,) = json.loads(config.read_text(encoding="utf-8")).values()
    assert pickaxe(*here, "user", "list").out.count("ada") == 1
    assert pickaxe("--url", url.replace("127.0.0.1", "localhost"), "runs").code == 0, "another name of the same server"
    with library.connect(url) as remote:
        assert remote.members.people()
    assert "next:" not in typed(*here, "user", "add", "bob", "--role", "viewer").out
    assert "the key is revoked" in pickaxe(*here, "sign-out").out
    assert httpx.get(f"{url}/v1/me", headers={"authorization": f"Bearer {secret}"}).status_code == 401
    assert pickaxe(*here, "user", "list").code != 0
    again = pickaxe(*here, "sign-out")
    assert (again.code, "nobody is signed in" in again.err) == (3, True)


def test_signing_in_again_ends_the_key_before(pickaxe: Pickaxe, typed: Pickaxe, folder: Path, url: str, config: Path) -> None:
    typed("-w", folder, "user", "add", "ada", "--role", "admin")
    keys: list[str] = []
    for _ in range(2):
        assert typed("-w", folder, "sign-in", "--name", "ada").code == 0
        keys += json.loads(config.read_text(encoding="utf-8")).values()
    assert [httpx.get(f"{url}/v1/me", headers={"authorization": f"Bearer {key}"}).status_code for key in keys] == [401, 200]
    assert httpx.get(f"{url}/v1/me").status_code == 401, "no session is left behind"


def test_a_wrong_password_keeps_nothing(pickaxe: Pickaxe, typed: Pickaxe, folder: Path, url: str, config: Path) -> None:
    typed("-w", folder, "user", "add", "ada", "--role", "admin")
    refused = typed("sign-in", url, "--name", "eve")
    assert refused.code != 0
    assert "knows nobody called 'eve'" in refused.err
    assert not config.exists()


def test_a_key_instead_of_a_password(
    pickaxe: Pickaxe, folder: Path, url: str, config: Path, monkeypatch: pytest.MonkeyPatch, typed: Pickaxe
) -> None:
    typed("-w", folder, "user", "add", "ada", "--role", "admin")
    typed("-w", folder, "sign-in", "--name", "ada")
    made = pickaxe("-w", folder, "api-key", "create", "mine", "--scope", "read").out.strip()
    monkeypatch.setattr(sys, "stdin", io.StringIO(made + "\n"))
    assert "as ada" in pickaxe("sign-in", url, "--key").out
    assert list(json.loads(config.read_text(encoding="utf-8")).values()) == [made]
    monkeypatch.setenv("PICKAXE_API_KEY", "pickaxe_of_somebody_else")
    assert pickaxe("--url", url, "runs").code != 0, "what is set comes before what is kept"


def test_a_command_that_reads_a_held_folder_asks_as_whoever_is_signed_in(
    pickaxe: Pickaxe, typed: Pickaxe, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ("-w", folder)
    assert pickaxe(*here, "runs").code == 0, "nobody signs in"
    typed(*here, "user", "add", "ada", "--role", "admin")
    locked = pickaxe(*here, "runs")
    assert locked.code != 0
    assert f"pickaxe sign-in {url}, or show a key: PICKAXE_API_KEY" in locked.err
    typed(*here, "sign-in", "--name", "ada")
    assert pickaxe(*here, "runs").code == pickaxe(*here, "audit").code == 0, "by the kept key"
    made = pickaxe(*here, "api-key", "create", "reader", "--scope", "read").out.strip()
    typed(*here, "sign-out")
    assert pickaxe(*here, "runs").code != 0
    monkeypatch.setenv("PICKAXE_API_KEY", made)
    assert pickaxe(*here, "runs").code == 0, "by a key of its own"
    refused = pickaxe(*here, "audit")
    assert (refused.code == 0, "the scope 'admin'" in refused.err) == (False, True), "the files would have told"


def test_when_the_server_is_gone_commands_read_the_folder_again(pickaxe: Pickaxe, typed: Pickaxe, folder: Path) -> None:
    with library.open(folder) as workspace, ServerThread(workspace, whole=True) as server:
        workspace.stores.announce(server.url)
        typed("-w", folder, "user", "add", "ada", "--role", "admin")
        assert pickaxe("-w", folder, "runs").code != 0
    assert pickaxe("-w", folder, "runs").code == 0
    note = folder / "writer.lock"
    note.write_text(json.dumps({"pid": 1, "url": server.url}), encoding="utf-8")  # as one leaves it that was killed
    assert pickaxe("-w", folder, "runs").code == 0


def test_where_nobody_signs_in_a_key_of_another_time_is_no_hindrance(
    pickaxe: Pickaxe, typed: Pickaxe, url: str, config: Path
) -> None:
    from pickaxe.wire.native.kept_keys import keep_key

    keep_key(url, "pickaxe_0123456789abcdef_" + "x" * 43)
    assert pickaxe("--url", url, "runs").code == 0
    said = typed("sign-in", url, "--name", "ada")
    assert (said.code, "nobody has to sign in" in said.err) == (4, True)


def test_a_file_that_others_may_read_is_not_used(pickaxe: Pickaxe, url: str, config: Path) -> None:
    from pickaxe.wire.native.kept_keys import keep_key

    keep_key(url, "pickaxe_x_y")
    config.chmod(0o644)
    said = pickaxe("--url", url, "runs")
    assert said.code == 4
    assert f"chmod 600 {config}" in said.err
    config.chmod(0o600)
    config.write_text("[]", encoding="utf-8")
    assert "sign in again" in pickaxe("--url", url, "runs").err


def test_without_a_server_there_is_nothing_to_sign_in_to(pickaxe: Pickaxe, typed: Pickaxe, folder: Path) -> None:
    for words in (["sign-in", "--name", "ada"], ["sign-out"]):
        said = pickaxe("-w", folder, *words)
        assert (said.code, "no server has this workspace" in said.err) == (4, True)
    added = typed("-w", folder, "user", "add", "ada", "--role", "admin")
    assert "next: pickaxe up; then sign in at its address with a browser, and for commands: pickaxe sign-in" in added.out
    with library.open(folder) as workspace:
        assert not Access.of(workspace.catalog).open
    assert pickaxe("-w", folder, "user", "list").code == 0, "the folder itself asks nobody"
    assert "is no address" in pickaxe("sign-in", "shop").err
