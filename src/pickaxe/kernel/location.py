"""Where a workspace keeps its things: a folder, and what its ``workspace.toml`` or the environment says of databases and buckets.

Without either, everything is in the folder. The environment wins over the file. A value may hold a secret: write ``env:NAME`` in
the file and keep the secret in that variable.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self, cast
from urllib.parse import urlsplit, urlunsplit

from pickaxe.kernel.errors import BadInput, Conflict

FILE = "workspace.toml"
_USUAL = ".pickaxe"
_MARKS = ("catalog.db", "writer.lock", FILE)
"""By which a workspace is known, one whose making was cut short too."""
_OURS = ("scratch", "blobs", "tables", "checkpoints", "cache")
PRIVATE, PRIVATE_FILE = 0o700, 0o600
"""Modes of a new workspace's folder and of a backup: what is in them is for those whom their owner lets in."""


@dataclass(frozen=True, slots=True)
class Location:
    """A workspace's folder and stores.

    Attributes:
        folder: scratch space, caches and whatever is not elsewhere.
        catalog: URL of the catalog and of the tables' metadata, ``postgresql://…``; None: SQLite files in the folder.
        objects: URL of blobs and Parquet files, ``s3://bucket/prefix``; None: in the folder.
        engine: ``local``, or ``ray://…`` (``ray://local`` starts one here).
        key: where the encryption key is: ``file:PATH``, ``env:NAME`` or ``command:PROGRAM ARGUMENTS``; None: nothing is encrypted.
    """

    folder: Path
    catalog: str | None = None
    objects: str | None = None
    engine: str = "local"
    key: str | None = None

    @classmethod
    def of(cls, folder: Path, environment: Mapping[str, str] | None = None) -> Self:
        """Read ``workspace.toml`` in `folder`, if there is one, and the environment. Raises `BadInput`."""
        environment = os.environ if environment is None else environment
        folder = folder.absolute()
        said = _from_file(folder / FILE) | _from_environment(environment)
        values = {name: _resolved(name, text, environment) for name, text in said.items()}
        return replace(cls(folder), **values)  # type: ignore[arg-type] # the names were checked

    @property
    def elsewhere(self) -> bool:
        """Whether anything that lasts is outside the folder."""
        return bool(self.catalog or self.objects)

    def describe(self) -> dict[str, str]:
        """For people and logs, without passwords."""
        return {
            "folder": str(self.folder),
            "catalog": without_password(self.catalog) if self.catalog else "SQLite in the folder",
            "objects": without_password(self.objects) if self.objects else "in the folder",
            "engine": self.engine,
            "encrypted": "yes" if self.key else "no",
        }


def without_password(url: str) -> str:
    """`url` with its password, if any, replaced by ``***``."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")))


_NAMES = tuple(field.name for field in fields(Location) if field.name != "folder")
VARIABLES = {f"PICKAXE_{name.upper()}" for name in _NAMES}


def _from_file(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{path} is not TOML", got=str(error), remedy=f'lines such as catalog = "postgresql://…"; keys: {", ".join(_NAMES)}'
        ) from None
    for name, value in values.items():
        if name not in _NAMES:
            raise BadInput(f"unknown key {name!r} in {path}", expected=f"some of {', '.join(_NAMES)}")
        if not isinstance(value, str) or not value:
            raise BadInput(f"{name} in {path} is not usable", expected="a text", got=repr(value)[:80])
    return cast(dict[str, str], values)


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[f"PICKAXE_{name.upper()}"] for name in _NAMES if environment.get(f"PICKAXE_{name.upper()}")}


_SCHEMES = {
    "catalog": ("postgresql://", "postgres://"),
    "objects": ("s3://",),
    "engine": ("local", "ray://"),
    "key": ("file:", "env:", "command:"),
}


def _resolved(name: str, text: str, environment: Mapping[str, str]) -> str:
    # The encryption key's "env:" is read by the keyring when it is needed, so that the key itself never lies in a Location.
    if name != "key" and text.startswith("env:"):
        variable = text.removeprefix("env:")
        if not environment.get(variable):
            raise BadInput(f"{name} of the workspace is to come from ${variable}, which is not set", remedy=f"set {variable}")
        text = environment[variable]
    if not text.startswith(_SCHEMES[name]):
        raise BadInput(
            f"{name} of the workspace is not usable",
            expected=" or ".join(f"{start}…" for start in _SCHEMES[name]),
            got=text.partition("@")[0][:40],
        )
    return text


def refuse_foreign(folder: Path) -> None:
    """Raise `Conflict` where a new workspace would mix with what is somebody's own.

    That is a folder that has a workspace in it already, as a project's folder has, and one whose folders have the names of ours:
    what a writer finds in `scratch` and does not know in `blobs` it removes.
    """
    if any((folder / name).exists() for name in _MARKS):
        return
    if inner := inner_workspace(folder):
        raise Conflict(f"{folder} is no workspace, and has one in it", remedy=inner)
    for name in _OURS:
        if (folder / name).is_dir() and any((folder / name).iterdir()):
            raise Conflict(
                f"{folder} is no workspace, and has a folder {name} of its own",
                expected="a new folder, an empty one, or a workspace",
                remedy=f"choose a folder for it alone, for instance {folder / _USUAL}",
            )


def inner_workspace(folder: Path) -> str | None:
    """``did you mean FOLDER/.pickaxe?``, where that is a workspace."""
    return f"did you mean {folder / _USUAL}?" if (folder / _USUAL / "catalog.db").exists() else None
