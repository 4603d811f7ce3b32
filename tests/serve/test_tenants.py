"""Two tenants with endpoints of the same name: what one asks, reads and corrects is never the other's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import pickaxe
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Role
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.service import Serving
from pickaxe.serve.tracecontext import trace_context
from tests.serve.fakes import write_model


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        access = Access.of(workspace.catalog)
        access.add_person(LOCAL_TENANT, "ada", Role.ADMIN, password="a long password")
        access.add_tenant("acme", admin="ada", password="a long password")
        yield workspace


def published(workspace: Workspace, folder: Path, word: str) -> str:
    model = workspace.import_files(write_model(folder, word=word), "headlines/student", kind="model")
    workspace.publish("headlines", [Route(model.id)])
    return model.id


def test_the_same_name_is_another_endpoint(workspace: Workspace, tmp_path: Path) -> None:
    acme = workspace.for_tenant("tenant-acme", "")
    models = {
        LOCAL_TENANT: published(workspace, tmp_path / "here", "area"),
        "tenant-acme": published(acme, tmp_path / "there", "senate"),
    }
    assert workspace.endpoint("headlines").id != acme.endpoint("headlines").id

    async def ask() -> None:
        serving = Serving(workspace)
        await serving.start()
        try:
            for tenant_id, model in models.items():
                answer = await serving.predict(tenant_id, "headlines", ["area man"], trace_context(None))
                assert answer.model.artifact.id == model
                assert answer.labels == ["sarcastic" if tenant_id == LOCAL_TENANT else "serious"]
            with pytest.raises(NotFound):
                await serving.predict("tenant-nobody", "headlines", ["x"], trace_context(None))
        finally:
            await serving.stop()

    asyncio.run(ask())
    for tenant_id, model in models.items():
        traces = workspace.for_tenant(tenant_id, "").events(kind="trace")
        assert [trace.body["artifact_id"] for trace in traces] == [model]


def test_nobody_publishes_another_tenants_model(workspace: Workspace, tmp_path: Path) -> None:
    theirs = published(workspace, tmp_path / "here", "area")
    acme = workspace.for_tenant("tenant-acme", "")
    with pytest.raises(NotFound):
        acme.publish("stolen", [Route(theirs)])
    assert acme.endpoints() == []
    assert acme.events(kind="publish") == []


@pytest.mark.parametrize(("tenant", "name"), [("a-b", "c"), ("a", "b-c")])
def test_ids_of_endpoints_do_not_meet(workspace: Workspace, tmp_path: Path, tenant: str, name: str) -> None:
    access = Access.of(workspace.catalog)
    for each in ("a", "a-b"):
        access.add_tenant(each, admin="ada", password="a long password")
    for each, endpoint in (("a-b", "c"), ("a", "b-c"), ("a", "c")):
        view = workspace.for_tenant(f"tenant-{each}", "")
        model = view.import_files(write_model(tmp_path / each / endpoint), "m/student", kind="model")
        view.publish(endpoint, [Route(model.id)])
    assert name in [endpoint.name for endpoint in workspace.for_tenant(f"tenant-{tenant}", "").endpoints()]
