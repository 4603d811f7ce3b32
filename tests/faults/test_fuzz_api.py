"""Strangers at every door of the assembled API: whatever the schema allows, and much that it does not.

Each operation of /openapi.json is asked by an admin of the workspace's own tenant and by one of another tenant, with requests
made by schemathesis from the schema and with hostile values in every parameter. Never a 5xx, never a word of the other tenant's,
never a file of the machine's. Half a minute on each kind of catalog here; ``FUZZ_SECONDS=1800`` for longer.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import pickaxe
from tests.postgres import lay_out, new_server
from tests.server.two_tenants import MARK, TRACE, Server, start

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))
OUTSIDE = "a secret of the machine, not of the workspace"
CALLERS = ("admin", "acme's admin")
HOSTILE = (
    "../../outside/secret",
    "..%2f..%2foutside%2fsecret",
    "/etc/passwd",
    "file:///etc/passwd",
    "\0",
    "a\0b",
    "\ud800",
    "\u202e",
    "x" * 5000,
    "-1",
    "9" * 40,
    "1e309",
    "NaN",
    "",
    " ",
    "art-",
    "run-",
    "only-here/rows:" + "9" * 30,
    "only-here/rows:0",
    "only-here/rows:-1",
    "only-here/rows:٣",
    "only-here/rows@",
    "@",
    ":",
    "a@b:c@d",
    "%",
    "'; DROP TABLE runs; --",
    "{{7*7}}",
    "<script>",
    "[]",
    "null",
)


_PATIENT = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]


@dataclass
class Findings:
    """What was wrong, once per operation and kind."""

    wrong: dict[str, str] = field(default_factory=dict[str, str])
    statuses: Counter[int] = field(default_factory=Counter[int])

    def judge(self, server: Server, caller: str, method: str, path: str, **more: Any) -> None:
        try:
            answer = server.ask(caller, method, path, **more)
        except (UnicodeError, ValueError):
            return  # the client could not even write it down
        self.statuses[answer.status_code] += 1
        told = answer.content
        route = f"{method} {more.pop('shown', path)}"
        for problem, is_so in (
            (f"answers {answer.status_code}", answer.status_code >= 500),
            ("shows another tenant's", caller.startswith("acme") and MARK.encode() in told),
            ("shows a file of the machine", OUTSIDE.encode() in told or b"root:x:0" in told or b"SQLite format 3" in told),
        ):
            if is_so:
                self.wrong.setdefault(f"{route} {problem}", f"{caller}: {path[:200]} {str(more)[:300]} -> {told[:400]!r}")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "outside").mkdir()
    (folder / "outside" / "secret").write_text(OUTSIDE, encoding="utf-8")
    database = new_server() if request.param == "postgresql" else None
    if database is not None:
        lay_out(folder / "workspace", database.empty_url())
    try:
        with pickaxe.open(folder / "workspace") as workspace:
            server = start(workspace, folder)
            with server.client:
                yield server
    finally:
        if database is not None:
            database.remove()


def beside(folder: Path) -> dict[str, bytes]:
    """Every file next to the workspace."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and folder / "workspace" not in path.parents
    }


def test_nothing_breaks_and_nothing_leaks(server: Server) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    folder = server.workspace.path.parent
    files = beside(folder)
    findings, until = Findings(), time.monotonic() + SECONDS
    schema = schemathesis.openapi.from_dict(server.app.openapi())
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 40
    hostile(server, findings, operations, time.monotonic() + SECONDS / 3)
    number = 0
    while time.monotonic() < until:
        random.Random(number).shuffle(operations)
        for operation in operations:
            generated(server, findings, operation, number, until)
        number += 1
    print(
        f"\n{sum(findings.statuses.values())} requests to {len(operations)} operations: {dict(sorted(findings.statuses.items()))}"
    )
    assert not findings.wrong, "\n".join(f"{what}\n    {how}" for what, how in sorted(findings.wrong.items()))
    assert beside(folder) == files
    assert server.ask("admin", "GET", "/healthz").status_code == 200


def generated(server: Server, findings: Findings, operation: Any, number: int, until: float) -> None:
    """A few requests that follow the schema, and some that break it on purpose."""
    import schemathesis

    for mode in schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE:
        if time.monotonic() > until:  # making a request from a large schema takes its time too
            return

        @seed(number)
        @settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=_PATIENT, database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            if time.monotonic() > until:
                return
            asked = case.as_transport_kwargs(base_url="http://localhost")
            more = {name: asked[name] for name in ("params", "json", "data") if asked.get(name) is not None}
            headers = {name: value for name, value in (asked.get("headers") or {}).items() if _plain(name, value)}
            for caller in CALLERS:
                findings.judge(server, caller, asked["method"], asked["url"], headers=headers, **more)

        try:
            ask()
        except Exception as error:
            if not type(error).__module__.startswith(("hypothesis", "schemathesis")):
                raise


def _plain(name: str, value: str) -> bool:
    """Headers that a client can send, and that do not say who calls."""
    return (
        name.lower() not in ("authorization", "cookie", "host", "origin", "user-agent")
        and value.isascii()
        and value.isprintable()
    )


def hostile(server: Server, findings: Findings, operations: list[Any], until: float) -> None:
    """Every parameter in turn with every hostile value, and known ids elsewhere; stops when its time is over."""
    known = {"name": "only-here", "trace_id": TRACE, "ref": server.ids["rows"], "run_id": server.ids["run"], "id": "key-x"}
    asked: list[tuple[str, Any, Any, str]] = [
        (caller, operation, parameter, value)
        for operation in operations
        for parameter in operation.iter_parameters()
        if str(parameter.location).lower().endswith(("path", "query"))
        for value in HOSTILE
        for caller in CALLERS
    ]
    random.Random(7).shuffle(asked)
    for caller, operation, parameter, value in asked:
        if time.monotonic() > until:
            return
        parts = {name: known.get(name, "x") for name in _names(operation.path)}
        query = {}
        if parameter.name in parts:
            parts[parameter.name] = value
        else:
            query[parameter.name] = value
        try:
            path = operation.path.format(**{name: quote(part, safe="/:@") for name, part in parts.items()})
        except UnicodeError:
            continue
        body = {} if operation.method.upper() == "GET" else {"json": {}}
        findings.judge(server, caller, operation.method.upper(), path, params=query, **body)


def _names(path: str) -> list[str]:
    return [part.split("}")[0] for part in path.split("{")[1:]]
