"""Every native route."""

from __future__ import annotations

from fastapi import APIRouter

from pickaxe.wire.native import (
    routes_access,
    routes_artifacts,
    routes_endpoints,
    routes_events,
    routes_forecast,
    routes_graph,
    routes_imports,
    routes_index,
    routes_jobs,
    routes_label,
    routes_money,
    routes_plan,
    routes_runs,
    routes_sql,
    routes_tasks,
)
from pickaxe.wire.native.door import Door

_NOUNS = (
    routes_access,
    routes_runs,
    routes_artifacts,
    routes_imports,
    routes_events,
    routes_jobs,
    routes_endpoints,
    routes_forecast,
    routes_label,
    routes_graph,
    routes_money,
    routes_plan,
    routes_sql,
    routes_tasks,
    routes_index,
)


def routers(door: Door) -> list[APIRouter]:
    """One router for each noun, to be included one by one: a router within a router costs its routes another start-up."""
    return [noun.router(door) for noun in _NOUNS]
