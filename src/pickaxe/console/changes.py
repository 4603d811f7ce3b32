"""The log of changes as sentences: who did what, on which thing, from where, and how it ended.

What an entry of the audit log is called decides its words: ``did.toml`` has a sentence for each route that changes something,
``wanted.toml`` the same as something that was refused. A command of the command line is named as it was typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape
from starlette.routing import compile_path

from pickaxe.console import show
from pickaxe.console.site import link
from pickaxe.console.words import DEFAULT, Translate, catalogue, name_of
from pickaxe.kernel.access import audit
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.nouns import Event
from pickaxe.kernel.workspace import Workspace

SHOWN = 40
_TOGETHER = timedelta(hours=1)

ACTIONS = tuple(key.removeprefix("did.") for key in catalogue(DEFAULT) if key.startswith("did."))


@dataclass
class Change:
    """One line of the log. `times`: the same by the same person within the hour before is one line."""

    seq: int
    at: datetime
    who: str
    with_key: str
    sentence: Markup
    outcome: str
    code: int
    through: str
    origin: str
    times: int = 1


@dataclass(frozen=True)
class Log:
    """A page of changes, newest first; older ones come after number `following`. `reached`: how far back it was read, where reading
    ended before the page was full."""

    changes: Sequence[Change]
    following: int | None
    reached: datetime | None = None


def read(workspace: Workspace, asked: audit.Asked, t: Translate, language: str, *, after: int = 0, most: int = SHOWN) -> Log:
    """The newest changes before number `after` (0: the newest there are)."""
    words = _Words(workspace, t, language)
    found: list[Change] = []
    same: dict[tuple[str, ...], Change] = {}
    last = after
    for count, event in enumerate(audit.each(workspace.log, asked, after=after), 1):
        if asked.is_by(event):
            change = words.change(event)
            key = (change.who, change.with_key, str(change.sentence), change.outcome, change.origin)
            if key in same and same[key].at - change.at < _TOGETHER:
                same[key].times += 1
            elif len(found) == most:
                return Log(found, last)
            else:
                found.append(change)
                same[key] = change
        last = event.seq
        if count == audit.MOST_READ:
            return Log(found, last, event.at)
    return Log(found, None)


def actors(workspace: Workspace) -> dict[str, str]:
    """Id -> name of everybody who may have changed something."""
    return {person.id: person.name for person in Access.of(workspace.catalog).people(workspace.tenant_id)}


class _Words:
    """Entries in the reader's language, with the names of people and keys instead of their ids."""

    def __init__(self, workspace: Workspace, t: Translate, language: str) -> None:
        self._t, self._language = t, language
        self._people = actors(workspace)
        self._keys = {key.id: key.name for key in Access.of(workspace.catalog).keys.list(workspace.tenant_id)}

    def change(self, event: Event) -> Change:
        body, code = event.body, int(event.value or 0)
        outcome = _outcome(event.name, code)
        return Change(
            seq=event.seq,
            at=event.at,
            who=self._who(body),
            with_key=self._keys.get(str(body.get("key_id")), "") if body.get("as") == "key" else "",
            sentence=self._sentence(event, outcome),
            outcome=outcome,
            code=code,
            through={"key": "key", "person": "console"}.get(str(body.get("as")), str(body.get("through", ""))),
            origin=str(body.get("origin", "")),
        )

    def _who(self, body: Mapping[str, Any]) -> str:
        if body.get("as") == "local" and body.get("through") != "cli":
            return self._t("changes.local")
        return str(body.get("who") or self._t("changes.somebody"))

    def _sentence(self, event: Event, outcome: str) -> Markup:
        if event.name not in ACTIONS:
            return escape(self._t("changes.ran")).format(command=Markup("<code>{}</code>").format(event.name))
        if outcome != "done" and event.name != "sign-in refused":
            said = escape(self._t("changes.wanted")).format(what=self._t(f"wanted.{event.name}"))
            thing = self._thing(event)
            return said + Markup(": {}").format(_strong(thing)) if thing else said
        return escape(self._t(f"did.{event.name}")).format(**self._things(event))

    def _thing(self, event: Event) -> str:
        """What was not changed after all, where that is known."""
        known = self._people.get(event.subject) or self._keys.get(event.subject)
        named = (event.body.get(name) for name in ("queue", "endpoint", "artifact", "line", "run", "meter", "query"))
        return str(known or next((name for name in named if name), "") or _parameters(event).get("name", ""))

    def _things(self, event: Event) -> dict[str, object]:
        """Everything that a sentence may name, linked where it has a page."""
        body, inside = event.body, _parameters(event)
        queue = str(body.get("queue") or inside.get("name", "–"))
        trace, endpoint, line = inside.get("trace_id", "–"), body.get("endpoint", "–"), body.get("line", "–")
        role, meter = body.get("role"), str(body.get("meter", ""))
        return {
            "person": _strong(self._people.get(event.subject) or body.get("person") or self._t("changes.nobody")),
            "owner": _strong(self._people.get(str(body.get("owner")), "–")),
            "admin": _strong(body.get("admin", "–")),
            "tenant": _strong(event.subject.removeprefix("tenant-")),
            "role": self._t(f"layout.role_{role}") if role else "–",
            "changed": self._changed(body),
            "key": _strong(body.get("key") or self._keys.get(event.subject, event.subject)),
            "scopes": ", ".join(name_of(self._language, "settings", f"scope_{scope}") for scope in body.get("scopes", ())),
            "queue": _link(queue, "label", queue),
            "trace": _link(str(trace)[:12], "traces", trace),
            "endpoint": _link(endpoint, "endpoints", endpoint),
            "models": Markup(", ").join(_link(ref, "artifacts", ref) for ref in body.get("models", ())),
            "artifact": _link(body.get("artifact", event.subject), "artifacts", event.subject),
            "alias": _strong(f"@{body.get('alias')}"),
            "query": _strong(body.get("query", "–")),
            "line": _link(line, "tasks", line),
            "run": _link(body.get("run", event.subject), "runs", event.subject),
            "meter": name_of(self._language, "meter", meter),
            "price": f"{show.money(body.get('nano'))} / {show.quantity(meter, int(body.get('per', 0)))}",
        }

    def _changed(self, body: Mapping[str, Any]) -> str:
        said = {
            "role": lambda: self._t("changes.now", role=self._t(f"layout.role_{body['role']}")),
            "password": lambda: self._t("changes.new_password"),
            "disabled": lambda: self._t("changes.disabled" if body.get("disabled", True) else "changes.enabled"),
        }
        return ", ".join(said[what]() for what in body.get("changed", ()) if what in said)


def _outcome(action: str, code: int) -> str:
    """A status of HTTP, or the exit status of a command."""
    if action not in ACTIONS and not 100 <= code <= 599:
        return "done" if code == 0 else "failed"
    return "done" if code < 400 else "refused" if code < 500 else "failed"


def _parameters(event: Event) -> dict[str, str]:
    """What the action's path has between braces, of an entry whose subject is the address itself."""
    found = compile_path(event.name.rpartition(" ")[2])[0].match(event.subject) if event.name.startswith("POST /") else None
    return found.groupdict() if found else {}


def _link(text: object, *parts: object) -> Markup:
    return Markup('<a href="{}"><bdi>{}</bdi></a>').format(link(*parts), text)


def _strong(text: object) -> Markup:
    return Markup("<strong><bdi>{}</bdi></strong>").format(text)
