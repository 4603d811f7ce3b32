"""What `pickaxe.connect` gives has every public name of what `pickaxe.open` gives, with the same signature; what cannot be is named here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import pickaxe
from pickaxe.server.run import ServerThread

Pair = tuple[pickaxe.Workspace, pickaxe.RemoteWorkspace]

_STORES = "the stores themselves, and where they lie: only the process beside them reaches them"
_ENGINE = "what carries out steps: a step is code of its own process"
_SERVER = "one server looks after all tenants; who comes through it is one caller"
_NARROW = "a narrow read of the catalog for rooms beside it; through a server `sql` asks the same of the records"


def named(names: tuple[str, ...], reason: str) -> dict[str, str]:
    return dict.fromkeys(names, reason)


Reasons = Mapping[str, Mapping[str, str]]

ONLY_HERE: Reasons = {
    "": named(("settings", "stores", "catalog", "blobs", "tables", "content", "scratch", "checkpoints", "path"), _STORES)
    | {"stream": _STORES, "serving": "`publish`, `endpoint` and `endpoints` are its face"}
    | named(("engine", "watcher", "spec", "result", "store", "measured_outputs", "interrupted"), _ENGINE)
    | named(("for_caller", "for_tenant", "every_endpoint"), _SERVER),
    "runs": named(("queue", "start", "beat", "succeed", "end"), _ENGINE),
    "artifacts": named(("add", "must_own"), _ENGINE) | {"pin": _STORES},
    "log": {"turn": _ENGINE}
    | dict.fromkeys(
        ("names", "newest_by_name", "newest_seqs", "values", "columns", "parts", "seq_before", "newest_seq", "count"), _NARROW
    ),
    "ledger": named(("grant", "release", "record"), _ENGINE) | named(("used", "held", "hosts", "lives"), _NARROW),
    "members": {},
    "jobs": {},
}
ONLY_THERE: Reasons = {
    "": named(("url", "api"), "where the server is, instead of `path`")
    | named(("sign_in", "sign_out"), "files need no server's leave"),
}
OTHERWISE: Reasons = {
    "": named(("run", "submit"), f"always refused, whatever is given: {_ENGINE}"),
    "log": {"emit_many": "takes part in a transaction of the catalog: `connection`"},
}
"""There on both sides, with another signature."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with (
        pickaxe.open(tmp_path_factory.mktemp("pair") / "workspace") as here,
        ServerThread(here, whole=True) as server,
        pickaxe.connect(server.url) as there,
    ):
        yield here, there


def part(pair: Pair, name: str) -> tuple[Any, Any]:
    here, there = pair
    return (getattr(here, name), getattr(there, name)) if name else (here, there)


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize("name", ONLY_HERE)
def test_the_names_are_the_same(pair: Pair, name: str) -> None:
    here, there = map(public, part(pair, name))
    assert here - there == ONLY_HERE[name].keys()
    assert there - here == ONLY_THERE.get(name, {}).keys()


@pytest.mark.parametrize("name", ONLY_HERE)
def test_the_signatures_are_the_same(pair: Pair, name: str) -> None:
    here, there = part(pair, name)
    differing = {
        each: (told_here, told_there)
        for each in public(here) & public(there)
        if (told_here := signature(here, each)) != (told_there := signature(there, each))
    }
    assert differing.keys() == OTHERWISE.get(name, {}).keys(), differing


def signature(thing: Any, name: str) -> list[tuple[str, str, Any]] | None:
    """Of a method its parameters; None for a value."""
    found = getattr(thing, name)
    if not inspect.ismethod(found):
        return None
    return [(each.name, each.kind.name, each.default) for each in inspect.signature(found).parameters.values()]


def test_every_part_is_compared(pair: Pair) -> None:
    """A value that has methods of ours and is on both sides stands in the lists above."""
    here, there = pair
    parts = {
        name
        for name in public(here) & public(there)
        if not callable(found := getattr(here, name)) and type(found).__module__.startswith("pickaxe.") and public(found)
    }
    assert parts == ONLY_HERE.keys() - {""}


def test_plain_values_are_the_same(pair: Pair) -> None:
    here, there = pair
    assert (there.mode, there.tenant_id, there.principal_id) == (here.mode, here.tenant_id, here.principal_id)


def test_what_the_documents_call_a_workspace_is_what_open_gives(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        assert type(workspace) is pickaxe.Workspace
