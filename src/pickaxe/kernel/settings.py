"""Process-wide settings: a handful of environment variables, read once, unknown ones refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.location import VARIABLES
from pickaxe.kernel.nearest import nearest

_PREFIX = "PICKAXE_"
_ELSEWHERE = VARIABLES | {
    "PICKAXE_CACHE",
    "PICKAXE_CONFIG",
    "PICKAXE_DEMO_DATA",
    "PICKAXE_SCRATCH",
    "PICKAXE_SERVER",
    "PICKAXE_TORCH",
    "PICKAXE_URL",
    "PICKAXE_API_KEY",
    "PICKAXE_OIDC_ISSUER",
    "PICKAXE_OIDC_CLIENT_ID",
    "PICKAXE_OIDC_CLIENT_SECRET",
    "PICKAXE_OIDC_TENANT",
    "PICKAXE_OIDC_ROLE",
}
"""Read by the location, the room, the demo's downloads, the traffic step, the set-up and the command line, not here."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the workspace is and how much of the machine it may use.

    Attributes:
        workspace: folder (PICKAXE_WORKSPACE), default ``.pickaxe`` in the current folder.
        cores: cores of the local pool (PICKAXE_CORES), default all this process may use.
    """

    workspace: Path = Path(".pickaxe")
    cores: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        environment = os.environ if environment is None else environment
        known = {_PREFIX + field.name.upper() for field in fields(cls)}
        for name in environment:
            if name.startswith(_PREFIX) and name not in known | _ELSEWHERE:
                near = nearest(name.removeprefix(_PREFIX), (one.removeprefix(_PREFIX) for one in known | _ELSEWHERE), most=1)
                raise BadInput(
                    f"unknown setting {name}",
                    expected=", ".join(sorted(known | _ELSEWHERE)),
                    remedy=f"did you mean {_PREFIX}{near[0]}?" if near else "unset it",
                )
        return cls(
            workspace=Path(environment.get("PICKAXE_WORKSPACE") or cls().workspace),
            cores=_positive(environment, "PICKAXE_CORES"),
        )


def _positive(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise BadInput(f"{name} is not usable", expected="a whole number from 1", got=repr(text))
    return int(text)
