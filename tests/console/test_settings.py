"""Settings: everybody sees their own keys, an admin also people, changes and where the workspace is."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.testclient import TestClient

from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import Role
from pickaxe.kernel.workspace import Workspace
from tests.console.site import application, caller


def people(workspace: Workspace) -> None:
    access = Access.of(workspace.catalog)
    access.add_person("tenant-local", "root", Role.ADMIN, password="a long enough password")
    access.add_person("tenant-local", "grace", Role.LABELLER, password="a long enough password")


def page(workspace: Workspace, role: Role) -> str:
    app: FastAPI = application(workspace, caller(role))
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.get("/settings")
    assert answer.status_code == 200
    return answer.text


def test_an_admin_sees_people_and_the_place(empty: Workspace) -> None:
    people(empty)
    shown = page(empty, Role.ADMIN)
    assert "grace" in shown
    assert "SQLite in the folder" in shown


def test_others_see_neither(empty: Workspace) -> None:
    people(empty)
    for role in (Role.VIEWER, Role.LABELLER, Role.EDITOR):
        shown = page(empty, role)
        assert "grace" not in shown
        assert "SQLite in the folder" not in shown
        assert "scope_" not in shown
