"""What the application's routes declare: path, methods and the scope they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from re import Pattern
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from pickaxe.kernel.access.scopes import Scope
from pickaxe.kernel.errors import PickaxeError
from pickaxe.serve.access import Needs


class Undeclared(PickaxeError):
    """A defect of ours: a route that says nothing of who may call it."""

    code = "undeclared_route"


@dataclass(frozen=True)
class Declared:
    """One route. `scope` is None for a public one."""

    path: str
    methods: frozenset[str]
    scope: Scope | None
    endpoint: Callable[..., Any]
    pattern: Pattern[str]
    in_schema: bool
    """Whether it is part of the API that programs are told of."""


def declared(app: FastAPI) -> list[Declared]:
    """Every route of the application, however deep it was included. Raises `Undeclared` for one without `needs`."""
    return list(_each(app))


def _each(app: FastAPI) -> Iterator[Declared]:
    for route in iter_route_contexts(app.routes):
        path, endpoint = route.path or "", route.endpoint
        needed = list(_needs(getattr(route, "dependant", None)))
        if not needed or endpoint is None:
            raise Undeclared(
                f"the route {path!r} does not declare who may call it", expected='dependencies=[needs("read")], or needs(None)'
            )
        # A router's declaration comes before the route's own; the last word is the route's.
        in_schema = bool(getattr(route, "include_in_schema", True))
        yield Declared(path, frozenset(route.methods or ()), needed[-1].scope, endpoint, compile_path(path)[0], in_schema)


def _needs(dependant: Dependant | None) -> Iterator[Needs]:
    for dependency in dependant.dependencies if dependant else ():
        if isinstance(dependency.call, Needs):
            yield dependency.call
        yield from _needs(dependency)
