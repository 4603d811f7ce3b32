"""Settings: who one is, one's keys, the tenant's people, what was changed lately, and where the workspace keeps its things."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pickaxe.console.site import Site
from pickaxe.kernel.access.audit import KIND as AUDIT
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, SCOPES, Role
from pickaxe.serve.access import caller_of

_CHANGES = 40


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/settings")
    def settings(request: Request) -> Response:
        workspace, caller = site.workspace_of(request), caller_of(request)
        access, admin = Access.of(workspace.catalog), caller.may("admin")
        keys = access.keys.list(caller.tenant_id, principal_id=None if admin else caller.principal_id)
        people = access.people(caller.tenant_id) if admin else []
        return site.page(
            request,
            "settings.html",
            caller=caller,
            keys=[key for key in keys if key.kind == "api"],
            people=people,
            names={person.id: person.name for person in people},
            roles=list(Role),
            scopes=[scope for scope in SCOPES if caller.may(scope)],
            changes=workspace.log.list(kind=AUDIT, limit=_CHANGES, newest_first=True) if admin else [],
            # Where the workspace is concerns whoever runs it, not every tenant.
            location=workspace.stores.location.describe() if admin and caller.tenant_id == LOCAL_TENANT else {},
        )

    return routes
