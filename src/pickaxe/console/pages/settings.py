"""Settings: who one is, one's keys, the tenant's people, what was changed, and where the workspace keeps its things."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from pickaxe.console import changes
from pickaxe.console.site import Site
from pickaxe.console.words import Translate, catalogue
from pickaxe.kernel.access import audit
from pickaxe.kernel.access.passwords import LONGEST, SHORTEST
from pickaxe.kernel.access.principals import Access, Person
from pickaxe.kernel.access.scopes import LOCAL_TENANT, SCOPES, Role
from pickaxe.kernel.location import Location
from pickaxe.serve.access import caller_of

_LATEST = 8

Day = Annotated[date | None, BeforeValidator(lambda typed: typed or None)]
"""Of a form, where nothing chosen comes as an empty text."""


def router(site: Site) -> APIRouter:
    routes, reading, managing = APIRouter(), site.router(), site.router("admin")

    @reading.get("/settings")
    def settings(request: Request) -> Response:
        workspace, caller = site.workspace_of(request), caller_of(request)
        access, admin = Access.of(workspace.catalog), caller.may("admin")
        keys = access.keys.list(caller.tenant_id, principal_id=None if admin else caller.principal_id)
        people = access.people(caller.tenant_id) if admin else []
        t, language = site.words_of(request), site.language_of(request)
        return site.page(
            request,
            "settings.html",
            caller=caller,
            keys=[key for key in keys if key.kind == "api"],
            people=people,
            only_admin=_only_admin(people),
            names={person.id: person.name for person in people},
            roles=list(Role),
            scopes=[scope for scope in SCOPES if caller.may(scope)],
            codes={key.removeprefix("error."): text for key, text in catalogue(language).items() if key.startswith("error.")},
            shortest=SHORTEST,
            longest=LONGEST,
            latest=changes.read(workspace, audit.Asked(routine=False), t, language, most=_LATEST).changes if admin else [],
            # Where the workspace is concerns whoever runs it, not every tenant.
            location=_places(workspace.stores.location, t) if admin and caller.tenant_id == LOCAL_TENANT else {},
        )

    @managing.get("/settings/changes")
    def log(
        request: Request,
        who: Annotated[str, Query(max_length=100)] = "",
        kind: Annotated[str, Query(max_length=20)] = "",
        routine: bool = False,
        since: Day = None,
        until: Day = None,
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    ) -> Response:
        """Who changed what, on the days from `since` to `until`; `after` is the number of the last entry seen."""
        workspace = site.workspace_of(request)
        asked = audit.Asked(who, kind, routine, since=_begin(since), until=_begin(until, later=1))
        return site.page(
            request,
            "changes.html",
            found=changes.read(workspace, asked, site.words_of(request), site.language_of(request), after=after),
            asked=asked,
            after=after,
            days={"since": since, "until": until},
            query={"who": who, "kind": kind, "routine": "1" if routine else "", "since": since, "until": until},
            people=changes.actors(workspace),
            kinds=audit.KINDS,
            most_read=audit.MOST_READ,
        )

    for part in (reading, managing):
        routes.routes.extend(part.routes)
    return routes


def _begin(day: date | None, *, later: int = 0) -> datetime | None:
    """Of the day that comes `later` days after; None without one, and for the end of time."""
    return datetime.combine(day, time(), UTC) + timedelta(days=later) if day and day.year < 9999 else None


def _places(location: Location, t: Translate) -> dict[str, str]:
    """Where things are: addresses as they are, what is as it comes in words."""
    usual = {
        "catalog": t("settings.in_sqlite") if location.catalog is None else None,
        "objects": t("settings.in_folder") if location.objects is None else None,
        "engine": t("settings.engine_local") if location.engine == "local" else None,
        "encrypted": t("settings.yes" if location.key else "settings.no"),
    }
    return location.describe() | {name: text for name, text in usual.items() if text is not None}


def _only_admin(people: Sequence[Person]) -> str | None:
    """Id of the one admin who can sign in, whom nobody may take that from; None where there are several, or none."""
    admins = [
        person.id for person in people if person.role is Role.ADMIN and person.signs_in != "no" and person.disabled_at is None
    ]
    return admins[0] if len(admins) == 1 else None
