"""Endpoints: what is serving, by name, over which artifact versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.artifacts import Artifacts, checked_name
from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import endpoints
from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.kernel.nearest import did_you_mean, nearest
from pickaxe.kernel.nouns import Endpoint, Route
from pickaxe.kernel.system.clock import as_datetime
from pickaxe.kernel.system.retry import retried

_MOST_NAMED = 20


class Endpoints:
    """Reads and publishes the endpoints of one tenant."""

    def __init__(self, catalog: Catalog, tenant_id: str) -> None:
        self._catalog = catalog
        self._tenant_id = tenant_id

    def publish(
        self, connection: sa.Connection, name: str, routes: Sequence[Route], meta: Mapping[str, Any] | None = None
    ) -> None:
        """Create the endpoint, or move it to new routes, in the caller's transaction.

        Raises `BadInput` for routes without weight, `NotFound` for an artifact that the tenant does not have.
        """
        if not routes or any(route.weight < 0 for route in routes) or not any(route.weight > 0 for route in routes):
            raise BadInput(f"endpoint {name!r} needs routes", expected="one or more, weights >= 0, one of them > 0")
        checked_name(name)
        Artifacts(self._catalog, self._tenant_id).must_own(connection, {route.artifact_id for route in routes})
        values = {
            "routes": [{"artifact_id": route.artifact_id, "weight": route.weight} for route in routes],
            "state": "serving",
            "meta": dict(meta or {}),
        }
        here = (endpoints.c.tenant_id == self._tenant_id) & (endpoints.c.name == name)
        if connection.execute(endpoints.update().where(here).values(values)).rowcount == 0:
            connection.execute(
                endpoints.insert().values(
                    id=_endpoint_id(self._tenant_id, name),
                    tenant_id=self._tenant_id,
                    name=name,
                    created_ns=self._catalog.clock.now_ns(),
                    **values,
                )
            )

    @retried
    def get(self, name: str) -> Endpoint:
        query = sa.select(endpoints).where(endpoints.c.tenant_id == self._tenant_id, endpoints.c.name == name)
        with self._catalog.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            known = [endpoint.name for endpoint in self.list()]
            raise NotFound(
                f"no endpoint {name!r:.120}",
                expected=f"one of: {', '.join(known[:_MOST_NAMED])}" if known else "none yet; a passed gate publishes one",
                remedy=did_you_mean(name, known),
                see="endpoints",
                reason="no_endpoint",
                name=name[:120],
                near=" / ".join(nearest(name, known)),
            )
        return _endpoint(row)

    @retried
    def list(self) -> list[Endpoint]:
        query = sa.select(endpoints).where(endpoints.c.tenant_id == self._tenant_id).order_by(endpoints.c.name)
        with self._catalog.read() as connection:
            return [_endpoint(row) for row in connection.execute(query).all()]


def of_all_tenants(catalog: Catalog) -> Sequence[tuple[str, Endpoint]]:
    """Every endpoint with the id of its tenant, for the process that serves them all."""
    with catalog.read() as connection:
        rows = connection.execute(sa.select(endpoints).order_by(endpoints.c.tenant_id, endpoints.c.name)).all()
    return [(row.tenant_id, _endpoint(row)) for row in rows]


def _endpoint(row: Any) -> Endpoint:
    routes = tuple(Route(route["artifact_id"], route["weight"]) for route in row.routes)
    return Endpoint(row.id, row.name, routes, row.state, as_datetime(row.created_ns), row.meta)


def _endpoint_id(tenant_id: str, name: str) -> str:
    return f"endpoint-{name}" if tenant_id == LOCAL_TENANT else f"endpoint-{tenant_id}:{name}"
