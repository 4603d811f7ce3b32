"""People, keys and tenants from the command line: on a folder, and through the server that holds it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

import pickaxe
from pickaxe.cli import group
from pickaxe.kernel.access import passwords
from pickaxe.server.run import ServerThread

PASSWORD = "a long password\n"


@pytest.fixture(autouse=True)
def _cheaper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_LOG_N", 5)
    monkeypatch.delenv("PICKAXE_URL", raising=False)
    monkeypatch.delenv("PICKAXE_API_KEY", raising=False)


def command(folder: Path, *words: str, said: str = "", status: int = 0) -> str:
    result = CliRunner().invoke(group, ["-w", str(folder), *words], input=said, prog_name="pickaxe")
    assert (result.exit_code == 0) == (status == 0), (result.output, result.exception)
    return result.stdout


def test_people_keys_and_tenants(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    command(folder, "user", "add", "bob", "--role", "viewer", said=PASSWORD, status=2)
    command(folder, "user", "add", "ada", "--role", "admin", said="short\n", status=2)
    assert "ada is admin of tenant-local" in command(folder, "user", "add", "ada", "--role", "admin", said=PASSWORD)
    command(folder, "user", "add", "eve@example.org", "--role", "labeller", "--no-password")
    command(folder, "user", "role", "eve@example.org", "editor")
    command(folder, "user", "disable", "ada", status=4)
    people = command(folder, "user", "list")
    assert "eve@example.org" in people
    assert "editor" in people
    secret = command(folder, "api-key", "create", "nightly", "--scope", "read", "--days", "1", "--for", "eve@example.org").strip()
    listed = command(folder, "api-key", "list")
    assert "nightly" in listed
    assert secret not in listed
    command(folder, "api-key", "revoke", "key-" + secret.split("_")[1])
    command(folder, "api-key", "revoke", "key-nothing", status=3)
    assert "tenant acme" in command(folder, "tenant", "add", "acme", "--admin", "zoe", said=PASSWORD)
    assert "tenant-acme" in command(folder, "tenant", "list")
    with pickaxe.open(folder) as workspace:
        entries = [event for event in workspace.log.list(kind="audit") if event.body["through"] == "cli"]
    assert [(event.name, event.value) for event in entries][:3] == [
        ("pickaxe user add", 2),
        ("pickaxe user add", 2),
        ("pickaxe user add", 0),
    ]
    assert all(entry.body["who"] and entry.body["origin"] for entry in entries)
    assert "password" not in str([dict(event.body) for event in entries])


def test_through_the_server_that_holds_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "workspace"
    command(folder, "user", "add", "ada", "--role", "admin", said=PASSWORD)
    secret = command(
        folder, "api-key", "create", "k", "--scope", "read", "--scope", "admin", "--scope", "write", "--for", "ada"
    ).strip()
    with pickaxe.open(folder) as workspace, ServerThread(workspace, whole=True) as server:
        assert httpx.get(f"{server.url}/v1/me").status_code == 401
        monkeypatch.setenv("PICKAXE_URL", server.url)
        monkeypatch.setenv("PICKAXE_API_KEY", secret)
        runner = CliRunner()

        def there(*words: str, said: str = "") -> str:
            result = runner.invoke(group, list(words), input=said)
            assert result.exit_code == 0, (result.output, result.exception)
            return result.stdout

        assert "bob is viewer" in there("user", "add", "bob", "--role", "viewer", said=PASSWORD)
        assert "bob is editor" in there("user", "role", "bob", "editor")
        assert "bob" in there("user", "list")
        made = there("api-key", "create", "theirs", "--scope", "read", "--for", "bob").strip()
        bearer = {"authorization": f"Bearer {made}"}
        assert httpx.get(f"{server.url}/v1/me", headers=bearer).json()["data"]["name"] == "bob"
        there("api-key", "revoke", "key-" + made.split("_")[1])
        assert httpx.get(f"{server.url}/v1/me", headers=bearer).status_code == 401, "at once"
        assert "theirs" in there("api-key", "list")
        there("tenant", "add", "acme", "--admin", "zoe", said=PASSWORD)
        assert "acme" in there("tenant", "list")
        assert "disabled" in there("user", "disable", "bob")
        assert "bob may sign in again" in there("user", "enable", "bob")
