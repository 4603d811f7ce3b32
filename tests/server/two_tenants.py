"""The whole server over a workspace of two tenants: `local` has one of everything, marked; `acme` knows every id of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, SCOPES, Role
from pickaxe.kernel.artifacts import artifact_id
from pickaxe.kernel.catalog.schema import metadata
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.runs import RunSpec
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.declared import Declared, declared
from pickaxe.server.up import whole_app
from tests.serve.fakes import write_model

MARK = "planted-7391"
PASSWORD = "a long password"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ROW = "a1b2c3d4e5f60718"
ORIGIN = "http://localhost"


@dataclass
class Server:
    """The application, who may be asked to call it, and the ids of what `local` has."""

    workspace: Workspace
    access: Access
    app: FastAPI
    client: TestClient
    headers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """caller -> the headers that it sends"""
    scopes: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """caller -> what it may do"""
    ids: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def routes(self) -> list[Declared]:
        return declared(self.app)

    def ask(self, caller: str, method: str, path: str, **more: Any) -> Any:
        self.client.cookies.clear()
        headers = self.headers[caller] | more.pop("headers", {})
        return self.client.request(method, path, headers=headers, follow_redirects=False, **more)

    def let_in(self, tenant: str, name: str, role: Role) -> None:
        """A session for somebody new, or for the tenant's first admin."""
        tenant_id = f"tenant-{tenant}"
        if name != "admin":
            self.access.add_person(tenant_id, name, role, password=PASSWORD)
        caller = name if tenant == "local" else f"{tenant}'s {name}"
        signed_in = self.access.sign_in(tenant, name, PASSWORD)
        assert signed_in is not None
        self.headers[caller] = {"cookie": f"pickaxe-session={signed_in[1]}", "origin": ORIGIN}
        self.scopes[caller] = role.scopes

    def let_key_in(self, caller: str, tenant_id: str, owner: str, scope: str) -> str:
        key, secret = self.access.keys.create(tenant_id, self.access.person(tenant_id, owner).id, "k", [scope])
        self.headers[caller], self.scopes[caller] = bearer(secret), frozenset({scope})
        return key.id

    def fingerprint(self, tenant_id: str) -> dict[str, str]:
        """A digest of every table's rows that are the tenant's, and of prices, which are everybody's."""
        found: dict[str, str] = {}
        with self.workspace.catalog.read() as connection:
            for table in metadata.sorted_tables:
                rows = sa.select(table)
                if "tenant_id" in table.c:
                    rows = rows.where(table.c.tenant_id == tenant_id)
                elif table.name != "prices":
                    continue
                lines = sorted(repr(tuple(row)) for row in connection.execute(rows))
                found[table.name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return found


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def start(workspace: Workspace, folder: Path) -> Server:
    """Everything in place; call it inside ``with server.client``."""
    access, app = Access.of(workspace.catalog), whole_app(workspace)
    app.state.drain()  # streams end at once instead of waiting for what comes
    server = Server(workspace, access, app, TestClient(app, base_url=ORIGIN, raise_server_exceptions=False))
    access.add_person(LOCAL_TENANT, "admin", Role.ADMIN, password=PASSWORD)
    access.add_tenant("acme", admin="admin", password=PASSWORD)
    for tenant in ("local", "acme"):
        for role in Role:
            server.let_in(tenant, str(role), role)
    for scope in SCOPES:
        server.let_key_in(f"key to {scope}", LOCAL_TENANT, "admin", scope)
    _let_nobody_in(server)
    _plant(server, folder)
    return server


def _let_nobody_in(server: Server) -> None:
    """Those who showed something once, or something that never was."""
    access = server.access
    server.headers |= {
        "stranger": {},
        "stranger with a made-up key": bearer("pickaxe_0123456789abcdef_" + "A" * 43),
        "stranger with a password": {"authorization": "Basic YWRtaW46YSBsb25nIHBhc3N3b3Jk"},
        "stranger with a made-up session": {"cookie": "pickaxe-session=pickaxe_0123456789abcdef_" + "A" * 43, "origin": ORIGIN},
    }
    revoked = server.let_key_in("revoked key", LOCAL_TENANT, "admin", "admin")
    assert server.ask("revoked key", "GET", "/v1/people").status_code == 200, "remembered before it is revoked"
    access.keys.revoke(LOCAL_TENANT, revoked)
    admin = access.person(LOCAL_TENANT, "admin").id
    _, secret = access.keys.create(LOCAL_TENANT, admin, "brief", SCOPES, lasts=timedelta(seconds=1))
    server.headers["expired key"] = bearer(secret)
    access.add_person(LOCAL_TENANT, "gone", Role.ADMIN, password=PASSWORD)
    server.let_key_in("key of somebody disabled", LOCAL_TENANT, "gone", "admin")
    signed_in = access.sign_in("local", "gone", PASSWORD)
    assert signed_in is not None
    server.headers["session of somebody disabled"] = {"cookie": f"pickaxe-session={signed_in[1]}", "origin": ORIGIN}
    access.change_person(LOCAL_TENANT, "gone", disabled=True)
    for caller in server.headers:
        server.scopes.setdefault(caller, frozenset())
    server.scopes["revoked key"] = server.scopes["key of somebody disabled"] = frozenset()


def _plant(server: Server, folder: Path) -> None:
    """One of everything for `local`, each with the mark in it, under ids and names that `acme` is told."""
    ws = server.workspace
    columns = {"row_key": [ROW], "text": [MARK], "annotator": [MARK], "seconds": [1.0], "simulated": [False], "label": [MARK]}
    rows = ws.import_table(pa.table(columns), "only-here/rows", kind="annotations")
    spec = RunSpec("5ec7e7" * 8, "only-here/step", f"{MARK}:step", {"secret": MARK}, {"rows": rows})
    ws.runs.queue(spec)
    ws.runs.start(spec.run_id)
    stored = ws.content.store_tables({"out": (pa.table(columns), "dataset", {"note": MARK})})
    with ws.catalog.write() as connection:
        ws.runs.succeed(connection, spec, stored)
    ws.emit("log", spec.run_id, body={"text": MARK})
    model = ws.import_files(write_model(folder / "model", classes=["serious", MARK]), "only-here/model", kind="model")
    document = ws.import_json({"note": MARK}, "only-here/note", kind="report")
    ws.publish("only-here", [Route(model.id)], {"note": MARK})
    body = {
        "endpoint": "only-here",
        "artifact_id": model.id,
        "span_id": "00f067aa0ba902b7",
        "texts": [MARK],
        "labels": [MARK],
        "probs": [[0.1, 0.9]],
        "ms": 1.0,
        "status": 200,
    }
    ws.emit("trace", TRACE, name="only-here", body=body)
    key = server.let_key_in("spare", LOCAL_TENANT, "editor", "read")
    queue = {"name": "only-here", "rows": rows.id, "labels": [MARK, "other"], "guidelines": MARK}
    made = server.ask("admin", "POST", "/v1/queues", json=queue)
    assert made.status_code == 201, made.text
    task = {
        "name": "only-here",
        "data": f"artifact:{rows.id}",
        "annotators": "file",
        "ingest": {"text": "text", "label": "label"},
    }
    ws.emit(
        "job",
        "job-0123456789abcdef01234567",
        name="queued",
        body={"kind": "produce", "by": MARK, "as": ws.principal_id, "pool": ws.stores.pool_id, "spec": task | {"x": MARK}},
    )
    ws.emit("job", "job-0123456789abcdef01234567", name="ended", body={"state": "failed", "error": {"message": MARK}})
    server.ids = {
        "rows": rows.id,
        "run": spec.run_id,
        "made": artifact_id(spec.key, "out"),
        "model": model.id,
        "document": document.id,
        "key": key,
        "person": server.access.person(LOCAL_TENANT, "editor").id,
        "job": "job-0123456789abcdef01234567",
        "trace": TRACE,
        "name": "only-here",
    }
