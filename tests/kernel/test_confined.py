"""Functions that run apart take no more than they may, and what they say comes back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.kernel.system.confined import confined

HERE = "tests.kernel.test_confined"


def doubled(number: int) -> dict[str, Any]:
    return {"is": number * 2, "cwd": str(Path.cwd()), "secret": os.environ.get("PICKAXE_API_KEY")}


def missing(name: str) -> None:
    raise NotFound(f"no {name}", remedy="look elsewhere")


def grows(gigabytes: int) -> int:
    return len(bytearray(gigabytes << 30))


def dies() -> None:
    os.abort()


def never() -> None:
    while True:
        pass


def run(name: str, *arguments: Any, seconds: float = 120.0) -> Any:
    return confined(f"{HERE}:{name}", arguments, what="it", seconds=seconds, memory_bytes=200_000_000)


def test_what_it_says_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICKAXE_API_KEY", "planted-7391")
    assert run("doubled", 21) == {"is": 42, "cwd": "/", "secret": None}
    with pytest.raises(NotFound, match="no it") as caught:
        run("missing", "it")
    assert caught.value.remedy == "look elsewhere"


@pytest.mark.parametrize(("name", "arguments"), [("grows", [2]), ("dies", []), ("never", [])])
def test_what_takes_too_much_is_ended(name: str, arguments: list[Any]) -> None:
    with pytest.raises(BadInput, match="takes more to read than it may"):
        run(name, *arguments, seconds=1.0)
