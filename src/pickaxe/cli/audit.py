"""`pickaxe audit`: the log of changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pickaxe.cli.screen import Opened
    from pickaxe.kernel.access.audit import Asked
    from pickaxe.kernel.nouns import Event

_KINDS = ("people", "signing", "labelling", "lines", "things", "commands")
_MOST_A_PAGE = 1000


class _Instant(click.ParamType):
    """A day, or an instant; in UTC where it does not say where. `end`: a day means its end."""

    name = "time"

    def __init__(self, *, end: bool = False) -> None:
        self._end = end

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: expected a day such as 2026-11-22, or 2026-11-22T09:30", param, ctx)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return at + timedelta(days=1) if self._end and len(value) == len("2026-11-22") else at


@click.command()
@click.option("--by", metavar="NAME", help="Only by this person: name or id.")
@click.option("--kind", type=click.Choice(_KINDS), help="Only of this kind.")
@click.option("--since", type=_Instant(), help="From this day or instant on (UTC).")
@click.option("--until", type=_Instant(end=True), help="Up to the end of this day, or before this instant (UTC).")
@click.option("--routine", is_flag=True, help="Also what happens all the time: items taken and left, questions in SQL.")
@click.option("--before", type=click.IntRange(min=1), metavar="NUMBER", help="Go on with what is older than entry NUMBER.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Newest first.")
@click.pass_obj
def audit(
    workspace: str | None,
    by: str | None,
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    routine: bool,
    before: int | None,
    limit: int,
) -> None:
    """Who changed what, when, from where, and how it ended, newest first. What was refused is here too.

    An action is called as the API or the command line calls it; its outcome is an HTTP status, or the exit status of a command.
    """
    from pickaxe.cli.screen import print_table, reading
    from pickaxe.kernel.access.audit import Asked

    asked = Asked(kind=kind or "", routine=routine, since=since, until=until)
    with reading(workspace) as ws:
        found, more = _entries(ws, asked, by, before or 0, limit)
    print_table(
        ["number", "at (UTC)", "by", "action", "on", "outcome", "from"],
        [_line(event) for event in found],
        right={0, 5},
        empty="nothing like this was changed",
    )
    if more:
        click.echo(f"older ones: the same with --before {found[-1].seq}", err=True)


def _entries(ws: Opened, asked: Asked, by: str | None, after: int, limit: int) -> tuple[list[Event], bool]:
    """Up to `limit` entries, and whether there may be more; a page of the log may be short before its end."""
    found: list[Event] = []
    while True:
        page = ws.members.changes(asked, who=by, after=after, limit=min(limit - len(found), _MOST_A_PAGE))
        found += page.events
        if page.following is None or len(found) == limit:
            return found, page.following is not None
        after = page.following


def _line(event: Event) -> list[str]:
    body = event.body
    who = str(body.get("who") or "–")
    return [
        str(event.seq),
        f"{event.at:%Y-%m-%d %H:%M:%S}",
        f"{who} (key)" if body.get("as") == "key" else who,
        event.name,
        event.subject,
        f"{event.value or 0:.0f}",
        str(body.get("origin", "")),
    ]
