"""The keys that somebody signed in with on the command line, by server: one file in their own configuration folder, which only they
may read. What a program shows by itself (`PICKAXE_API_KEY`) comes before."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from pickaxe.kernel.errors import BadInput, Conflict

CONFIG_VARIABLE = "PICKAXE_CONFIG"
_OTHERS = 0o077


def config_folder() -> Path:
    """``$PICKAXE_CONFIG``, else ``$XDG_CONFIG_HOME/pickaxe``, else ``~/.config/pickaxe``."""
    if chosen := os.environ.get(CONFIG_VARIABLE):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "pickaxe"


def key_file() -> Path:
    return config_folder() / "keys.json"


def kept_key(url: str) -> str | None:
    """The key for the server at `url`. Raises `Conflict` when others may read the file, `BadInput` when it is damaged."""
    return _read().get(place_of(url))


def keep_key(url: str, key: str | None) -> None:
    """Keep `key` for the server at `url`; None forgets the one there is. The file appears whole, readable by its owner only."""
    keys = {place: known for place, known in _read().items() if place != place_of(url)}
    if key is not None:
        keys[place_of(url)] = key
    file = key_file()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=file.parent, prefix=".keys-")  # made with mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(keys, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        Path(part).replace(file)
    except OSError as error:
        raise Conflict(
            f"the key cannot be kept in {file}",
            got=error.strerror or str(error),
            remedy=f"make the folder writable, or name another: {CONFIG_VARIABLE}",
        ) from None


def place_of(url: str) -> str:
    """One name for each server: ``http://localhost:8080/`` and ``http://127.0.0.1:8080`` are the same. Raises `BadInput`."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        raise BadInput(f"{url!r:.100} is no address of a server", expected="such as http://127.0.0.1:8080")
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _read() -> dict[str, str]:
    file = key_file()
    try:
        if file.stat().st_mode & _OTHERS:
            raise Conflict(f"others may read {file}, which holds keys", expected="mode 0600", remedy=f"chmod 600 {file}")
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} cannot be read", got=str(error)[:200], remedy="remove it, and sign in again") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found.values()):
        raise BadInput(f"{file} does not hold keys by server", remedy="remove it, and sign in again")
    return found
