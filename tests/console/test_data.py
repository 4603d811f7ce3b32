"""Tables, their columns and versions, SQL with charts and saved queries; and what must not come out of it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from pickaxe.console.answer_chart import Drawing
from pickaxe.kernel.workspace import Workspace
from tests.console.browser import Browser
from tests.console.site import looked_at

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def tables(empty: Workspace) -> Workspace:
    return fill(empty)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One for all who ask; what they save has names of its own."""
    with looked_at(tmp_path_factory.mktemp("asked"), fill) as client:
        yield client


def fill(workspace: Workspace) -> Workspace:
    for version in (1, 2):
        rows = {"n": list(range(120 * version)), "s": [HOSTILE, None] * 60 * version, "x": [0.5] * 120 * version}
        workspace.import_table(pa.table(rows), "shop/rows")
    return workspace


def test_an_empty_workspace_is_taught(reader: TestClient) -> None:
    assert "No tables yet" in reader.get("/data").text


def test_tables_rows_and_versions(asked: TestClient) -> None:
    assert "shop/rows" in asked.get("/data").text
    first = asked.get("/data/shop/rows").text
    assert "240" in first
    assert HOSTILE not in first
    assert HOSTILE in unescape(first)
    assert ">49<" in first
    assert ">50<" not in first
    assert ">119<" in asked.get("/data/shop/rows:1?begin=100").text
    for beyond in ("100", "119", "120", "100000", str(2**63 - 1)):  # the last page
        assert "101–120 / 120" in asked.get(f"/data/shop/rows:1?begin={beyond}").text
    assert asked.get("/data/shop/rows:3").status_code == 404


def test_columns_come_with_their_spread(asked: TestClient) -> None:
    shown = asked.get("/data/-/columns/shop/rows").text
    assert "<svg" in shown
    assert "Of the first 240 rows" in shown


def test_sql_answers_draws_and_is_saved(asked: TestClient) -> None:
    text = 'SELECT n % 3 AS k, count(*) AS c FROM "shop/rows" GROUP BY k ORDER BY k'
    answered = asked.get("/data/-/sql", params={"q": text, "chart": "bar", "x": "k", "y": "c"}).text
    assert ">80<" in answered
    assert "data-chart" in answered
    saved = asked.post("/data/-/queries", data={"name": "by-three", "q": text})
    assert saved.status_code == 200
    assert "by-three" in asked.get("/data").text


def test_a_saved_query_keeps_its_chart(asked: TestClient) -> None:
    text = 'SELECT n % 3 AS k, s, count(*) AS c FROM "shop/rows" GROUP BY ALL ORDER BY k'
    drawn = {"chart": "bar", "x": "k", "y": "c", "colour": "s"}
    shown = asked.get("/data/-/sql", params={"q": text, **drawn}).text
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown))
    asked.post(
        "/data/-/queries", data={name: unescape(value) for name, value in sent.items() if name != "back"} | {"name": "shop/k"}
    )
    link = re.search(r'<a href="([^"]*)">shop/k</a>', asked.get("/data").text)
    assert link
    for address in (unescape(link[1]), "/data/-/queries/shop/k"):
        again = asked.get(address)
        assert dict(again.url.params) == {"q": text, **drawn}
        assert _spec(again.text)["encoding"]["color"]["scale"]["domain"] == [HOSTILE, "None"]
        assert "<option selected>s</option>" in again.text
    asked.post("/data/-/queries", data={"name": "shop/k", "q": "SELECT 1 AS one"})
    assert dict(asked.get("/data/-/queries/shop/k").url.params) == {"q": "SELECT 1 AS one"}
    assert asked.get("/data/-/queries/none").status_code == 404


def test_any_answer_can_be_drawn(asked: TestClient) -> None:
    """What JSON has no value for is left out or written as text."""
    text = (
        "SELECT 1::HUGEINT AS i, 'nan'::DOUBLE AS f, 1.5::DECIMAL(9, 2) AS d, DATE '2024-01-01' AS t, '\\x01'::BLOB AS b, [1] AS l,"
        " NULL AS z, 1 AS dup, 2 AS dup UNION ALL SELECT 2, 1.0, 2.5, DATE '2024-01-02', 'x', [2], 1, 3, 4"
    )
    for kind, x in itertools.product(("bar", "line", "point"), ("i", "f", "d", "t", "b", "l", "z", "dup")):
        answer = asked.get("/data/-/sql", params={"q": text, "chart": kind, "x": x, "y": "f", "colour": "l"})
        assert answer.status_code == 200, (kind, x)
        spec = _spec(answer.text)
        assert [row["y"] for row in spec["datasets"]["values"]] == [None, 1.0], (kind, x)


def test_a_chart_without_numbers_says_so(asked: TestClient) -> None:
    for y in ("s", "gone"):
        shown = asked.get("/data/-/sql", params={"q": "SELECT 'a' AS s, 1 AS n", "chart": "bar", "x": "n", "y": y}).text
        assert "cannot be drawn" in shown
        assert "data-chart" not in shown


def test_many_colours_end_in_one_for_the_rest() -> None:
    table = pa.table({"x": list(range(30)), "y": [1.0] * 30, "c": [f"c{n % 12}" for n in range(30)]})
    spec = Drawing("line", "x", "y", "c").of(table, others="others")
    assert spec
    shown = spec["encoding"]["color"]["scale"]["domain"]
    assert len(shown) == 8
    assert shown[-1] == "others"
    assert {row["colour"] for row in spec["datasets"]["values"]} == set(shown)


def _spec(page: str) -> dict[str, Any]:
    """Read as a browser reads it, which takes no NaN."""
    found = re.search(r'data-chart="([^"]*)"', page)
    assert found
    return json.loads(unescape(found[1]), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


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
def test_sql_only_reads_what_it_may(asked: TestClient, text: str) -> None:
    answer = asked.get("/data/-/sql", params={"q": text})
    assert 400 <= answer.status_code < 500
    assert "root:" not in answer.text
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("DELETE FROM runs", "ask with a SELECT"),
        ("SELECT * FROM nothing", 'href="/data"'),
        ('SELECT labl FROM "shop/rows"', "no column"),
        ('SELECT * FROM "shop/row"', "did you mean shop/rows"),
        ("SELECT stat FROM runs", "did you mean state"),
    ],
)
def test_a_mistake_is_explained_to_whoever_reads_the_page(asked: TestClient, text: str, said: str) -> None:
    shown = asked.get("/data/-/sql", params={"q": text}).text
    assert said in unescape(shown)
    for elsewhere in ("pickaxe artifacts", "GET /v1", "openapi", "Candidate"):
        assert elsewhere not in shown


def test_a_query_that_never_ends_is_stopped(asked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("pickaxe.console.pages.data"), "_SECONDS", 0.5)
    answer = asked.get("/data/-/sql", params={"q": "SELECT count(*) FROM range(1000000000) a, range(1000000) b"})
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
    page.select_option("select[name=colour]", "n")
    page.click("button.main")
    page.wait_for_selector("#answer-chart svg .role-legend")
    browser.clean(page)
    page.fill("input[name=name]", "shop/lines")
    page.click("text=Save the query")
    page.click("text=shop/lines")
    page.wait_for_selector("#answer-chart svg .role-legend")
    assert page.input_value("select[name=chart]") == "line"
