"""Keys of an encrypted workspace: random data keys in the catalog, each wrapped by the master key, which is never stored.

The master key comes from a file, an environment variable or a command (for a key management service). Rotation wraps the data keys
anew and rewrites nothing else; `renew` adds a data key, which seals what is written from then on.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import artifacts, events, keyring, runs
from pickaxe.kernel.encryption.vault import KEY_BYTES, Vault, derived
from pickaxe.kernel.errors import BadInput, Conflict, Corrupted, Unavailable
from pickaxe.kernel.location import Location
from pickaxe.kernel.settings import Settings

_COMMAND_SECONDS = 60.0
_NONCE = 12


class Locked(Unavailable):
    """The workspace is encrypted and the key that was given does not open it, or none was given. Nothing was changed."""

    code = "locked"


def new_master_key() -> str:
    """A fresh master key as text: base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def master_key(where: str, environment: Mapping[str, str] | None = None, *, trusted: bool = False) -> bytes:
    """The 32 bytes that ``file:PATH``, ``env:NAME`` or ``command:PROGRAM ARGUMENTS`` stands for.

    A command prints the key (base64 or hex) to standard output: one that asks a key management service, say. It is run without a
    shell, and only when the environment named it (or `trusted`): a workspace's own file, which may come from anywhere, must not
    start programs. A path must be absolute, as workers run in folders of their own.
    Raises `BadInput`, `Unavailable`.
    """
    environment = os.environ if environment is None else environment
    kind, _, rest = where.partition(":")
    if kind == "file":
        return parsed_key(_read_file(Path(rest).expanduser()), where)
    if kind == "env":
        if not environment.get(rest):
            raise Unavailable(f"the key is to come from ${rest}, which is not set", remedy=f"set {rest} to the key")
        return parsed_key(environment[rest], where)
    if kind == "command":
        if not trusted and environment.get("PICKAXE_KEY") != where:
            raise BadInput(
                "a workspace's own file may not name a command to run",
                expected="the command in the environment variable PICKAXE_KEY",
                got='key = "command:…" in workspace.toml',
            )
        return parsed_key(_output_of(rest), f"command:{shlex.split(rest)[0]}")
    raise BadInput("the place of the key is not usable", expected="file:PATH, env:NAME or command:PROGRAM ARGUMENTS", got=kind)


def parsed_key(text: str, where: str) -> bytes:
    """The 32 bytes that a text from `where` spells. Raises `BadInput`, which does not quote it."""
    text = text.strip()
    for decode in (bytes.fromhex, lambda text: base64.b64decode(text, validate=True)):
        try:
            key = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    raise BadInput(
        f"what {where} gives is not a key",
        expected="32 bytes as 64 hex digits or base64",
        got=f"a text of {len(text)} characters",
        remedy="make one: pickaxe key new",
    )


def open_vault(catalog: Catalog, location: Location) -> Vault | None:
    """The vault of a workspace, made when it is new and a key is configured; None when the workspace is not encrypted.

    Raises `Locked` (no key, another key), `Conflict` (a key for a workspace that has plain content already).
    """
    wrapped = data_keys(catalog)
    if location.key is None:
        if wrapped:
            raise Locked(
                "this workspace is encrypted",
                expected=f"the key {wrapped[0].master}",
                got="no key",
                remedy='set PICKAXE_KEY to file:PATH, env:NAME or command:…, or put key = "file:…" into workspace.toml',
            )
        return None
    master = master_key(location.key)
    if not wrapped:
        if not catalog.writable:
            raise _plain()
        _make(catalog, master)
        wrapped = data_keys(catalog)
    return Vault({row.id: _unwrapped(row, master) for row in wrapped})


def rotate(catalog: Catalog, old: bytes, new: bytes, *, renew: bool = False) -> int:
    """Wrap every data key with `new` instead of `old`, all at once; with `renew` add a data key. Returns how many there are.

    Raises `Locked` when `old` is not the key. No file and no row of content is rewritten.
    """
    with catalog.write() as connection:
        rows = connection.execute(sa.select(keyring).order_by(keyring.c.id)).all()
        keys = {row.id: _unwrapped(row, old) for row in rows}
        if not keys:
            raise Conflict("this workspace is not encrypted", remedy="pickaxe move carries it into a new one that is")
        for number, key in keys.items():
            values = {"wrapped": _wrapped(number, key, new), "master": key_id(new)}
            connection.execute(keyring.update().where(keyring.c.id == number).values(values))
        if renew:
            _add(connection, catalog, max(keys) + 1, new)
    return len(keys) + renew


def data_keys(catalog: Catalog) -> Sequence[Any]:
    """Rows of the keyring: `id`, `wrapped`, `master` (a name for the key it is sealed with), `created_ns`."""
    with catalog.read() as connection:
        return connection.execute(sa.select(keyring).order_by(keyring.c.id)).all()


@contextmanager
def opened_catalog(folder: str | None, *, writable: bool) -> Iterator[tuple[Catalog, Location]]:
    """A workspace's catalog alone: what is sealed in it stays so. Raises `NotFound`."""
    location = Location.of(Path(folder or Settings.from_environment().workspace))
    place = location.catalog or location.folder / "catalog.db"
    for mode in (False, True) if writable else (False,):  # opened to read first, so that none is made where none is
        catalog = Catalog(place, writable=mode)
        try:
            if mode == writable:
                yield catalog, location
        finally:
            catalog.close()


def write_key_file(path: Path, text: str) -> None:
    """A new file that only its owner may read. Raises `Conflict` when there is one: it may hold the only copy of a key."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Conflict(
            f"the key cannot be written to {path}", got=error.strerror or str(error), remedy="choose another file"
        ) from None
    with os.fdopen(fd, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def key_id(master: bytes) -> str:
    """A short name for a master key, which says nothing about it."""
    return derived(master, b"key id", 8).hex()


def _make(catalog: Catalog, master: bytes) -> None:
    with catalog.write() as connection:
        if connection.execute(sa.select(keyring.c.id).limit(1)).first():
            return  # another process was quicker
        if any(connection.execute(sa.select(column).limit(1)).first() for column in (runs.c.id, artifacts.c.id, events.c.seq)):
            raise _plain()
        _add(connection, catalog, 1, master)


def _plain() -> Conflict:
    return Conflict(
        "this workspace is not encrypted, and a key is configured",
        expected="a new workspace, or neither PICKAXE_KEY nor key in workspace.toml",
        remedy="unset the key; pickaxe move carries the workspace into a new one that is encrypted",
    )


def _add(connection: sa.Connection, catalog: Catalog, number: int, master: bytes) -> None:
    wrapped = _wrapped(number, secrets.token_bytes(KEY_BYTES), master)
    row = {"id": number, "wrapped": wrapped, "master": key_id(master), "created_ns": catalog.clock.now_ns()}
    connection.execute(keyring.insert().values(row))


def _wrapped(number: int, key: bytes, master: bytes) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE)
    sealed = AESGCM(derived(master, b"wrap")).encrypt(nonce, key, b"data key %d" % number)
    return base64.b64encode(nonce + sealed).decode()


def _unwrapped(row: Any, master: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        sealed = base64.b64decode(row.wrapped)
        return AESGCM(derived(master, b"wrap")).decrypt(sealed[:_NONCE], sealed[_NONCE:], b"data key %d" % row.id)
    except (InvalidTag, ValueError):
        if row.master == key_id(master):
            raise Corrupted(
                f"data key {row.id} in the catalog is damaged",
                got="something that the right key does not open",
                remedy="restore the catalog from a backup: nothing can be read without this key",
            ) from None
        raise Locked(
            "this is not the key of this workspace",
            expected=f"the key {row.master}",
            got=f"the key {key_id(master)}",
            remedy="give the key that it was made with, or rotated to last. Nothing was changed",
        ) from None


def _read_file(path: Path) -> str:
    if not path.is_absolute():
        raise BadInput("the path of the key file is not absolute", expected="file:/… or file:~/…", got=f"file:{path}")
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not a text"
        raise Unavailable(f"the key file {path} cannot be read", got=said, remedy="check its path and permissions") from None


def _output_of(command: str) -> str:
    try:
        done = subprocess.run(  # the user's own command, without a shell
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise Unavailable(
            "the command for the key cannot be run", got=f"{type(error).__name__}", remedy="try it by hand"
        ) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise Unavailable("the command for the key failed", got=f"exit status {done.returncode}: {said}", remedy="try it by hand")
    return done.stdout.decode("ascii", "replace")
