"""Tables, their columns and versions, SQL with charts and saved queries; and what must not come out of it."""

from __future__ import annotations

from html import unescape
from importlib import import_module

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from pickaxe.kernel.workspace import Workspace
from tests.console.browser import Browser

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def tables(empty: Workspace) -> Workspace:
    for version in (1, 2):
        rows = {"n": list(range(120 * version)), "s": [HOSTILE, None] * 60 * version, "x": [0.5] * 120 * version}
        empty.import_table(pa.table(rows), "shop/rows")
    return empty


def test_an_empty_workspace_is_taught(client: TestClient) -> None:
    assert "No tables yet" in client.get("/data").text


def test_tables_rows_and_versions(tables: Workspace, client: TestClient) -> None:
    assert "shop/rows" in client.get("/data").text
    first = client.get("/data/shop/rows").text
    assert "240" in first
    assert HOSTILE not in first
    assert HOSTILE in unescape(first)
    assert ">49<" in first
    assert ">50<" not in first
    assert ">119<" in client.get("/data/shop/rows:1?begin=100").text
    assert client.get("/data/shop/rows:1?begin=100000").status_code == 200
    assert client.get("/data/shop/rows:3").status_code == 404


def test_columns_come_with_their_spread(tables: Workspace, client: TestClient) -> None:
    shown = client.get("/data/-/columns/shop/rows").text
    assert "<svg" in shown
    assert "Of the first 240 rows" in shown


def test_sql_answers_draws_and_is_saved(tables: Workspace, client: TestClient) -> None:
    text = 'SELECT n % 3 AS k, count(*) AS c FROM "shop/rows" GROUP BY k ORDER BY k'
    answered = client.get("/data/-/sql", params={"q": text, "chart": "bar", "x": "k", "y": "c"}).text
    assert ">80<" in answered
    assert "data-chart" in answered
    saved = client.post("/data/-/queries", data={"name": "by-three", "q": text})
    assert saved.status_code == 200
    assert "by-three" in client.get("/data").text


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE runs",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "ATTACH 'x.db'",
        'SELECT * FROM "../../catalog.db"',
        "SELECT 1; SELECT 2",
        "SELECT",
        "SELECT * FROM nothing",
        "COPY (SELECT 1) TO 'x'",
    ],
)
def test_sql_only_reads_what_it_may(tables: Workspace, client: TestClient, text: str) -> None:
    answer = client.get("/data/-/sql", params={"q": text})
    assert 400 <= answer.status_code < 500
    assert "root:" not in answer.text
    assert 'role="alert"' in answer.text


def test_a_query_that_never_ends_is_stopped(tables: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("pickaxe.console.pages.data"), "_SECONDS", 0.5)
    answer = client.get("/data/-/sql", params={"q": "SELECT count(*) FROM range(1000000000) a, range(1000000) b"})
    assert answer.status_code == 422
    assert "too long" in answer.text


@pytest.mark.slow
def test_in_a_browser(tables: Workspace, browser: Browser) -> None:
    page = browser.open(tables, "/data")
    page.click("text=shop/rows")
    page.wait_for_selector("svg.bins")
    browser.clean(page)
    page.click("text=Ask in SQL")
    page.fill("textarea", 'SELECT n, x FROM "shop/rows" LIMIT 30')
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("text=30 rows")
    page.select_option("select[name=chart]", "line")
    page.click("button.main")
    page.wait_for_selector("#answer-chart svg")
    browser.clean(page)
