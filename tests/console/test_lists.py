"""What an address may hold beside its path: any nonsense is refused with a page, or taken for the nearest thing that makes sense."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from pickaxe.kernel.workspace import Workspace
from tests.console.site import looked_at
from tests.kernel.sample_steps import Count, count

ODD = [
    "",
    "-1",
    "0",
    "1e9",
    "NaN",
    "inf",
    "9" * 30,
    str(2**63),
    "x",
    "\x00",
    "名",
    "' OR 1=1 --",
    "[]",
    "{}",
    "%",
    "../..",
    "a" * 301,
]
LISTS = {
    "/": ["after"],
    "/tasks": ["after", "limit", "sort"],
    "/runs": ["after", "q", "state", "limit", "sort"],
    "/runs/compare": ["run"],
    "/artifacts": ["after", "q", "kind", "limit", "sort"],
    "/artifacts/diff": ["a", "b"],
    "/data": ["q", "after", "limit"],
    "/data/shop/rows": ["begin", "limit", "sort"],
    "/data/-/sql": ["q", "chart", "x", "y", "colour"],
    "/endpoints": ["after", "limit"],
    "/traces": ["after", "endpoint", "limit", "sort"],
    "/bill": ["artifact", "sums"],
    "/label": ["after", "q"],
    "/review": ["after", "q"],
    "/plan/forecasts": ["after", "limit"],
    "/settings/changes": ["after", "by", "kind"],
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with looked_at(tmp_path_factory.mktemp("filled"), fill) as client:
        yield client


def fill(workspace: Workspace) -> Workspace:
    workspace.import_table(pa.table({"n": [1, 2, 3]}), "shop/rows")
    return workspace


@pytest.mark.slow
@pytest.mark.parametrize("path", LISTS)
def test_nonsense_is_refused_with_a_page_or_taken_for_the_nearest(filled: TestClient, path: str) -> None:
    for name in LISTS[path]:
        for value in ODD:
            answer = filled.get(path, params={name: value})
            assert answer.status_code in (200, 404, 422), (name, value, answer.status_code)
            assert answer.headers["content-type"].startswith("text/html")
            assert "openapi.json" not in answer.text
            assert "<main" in answer.text


@pytest.mark.parametrize(
    ("path", "said", "list_"),
    [
        ("/runs/compare", "2 to 8", "/runs"),
        ("/artifacts/diff?a=shop/rows", "two artifacts", "/artifacts"),
        ("/data/shop/rows?begin=-1", "begin: ", "/data"),
        ("/traces?after=NaN", "after: ", "/traces"),
    ],
)
def test_the_page_of_an_error_leads_back_to_its_list(filled: TestClient, path: str, said: str, list_: str) -> None:
    shown = filled.get(path).text.partition("<main")[2]
    assert said in shown
    assert "query." not in shown
    assert f'class="button" href="{list_}"' in shown


@pytest.mark.parametrize(
    ("path", "name"), [("/runs", "after"), ("/traces", "after"), ("/artifacts", "after"), ("/data/shop/rows", "begin")]
)
def test_a_field_left_empty_is_the_beginning(filled: TestClient, path: str, name: str) -> None:
    assert filled.get(f"{path}?{name}=").status_code == 200


def test_runs_are_found_by_any_part_of_their_name(empty: Workspace, client: TestClient) -> None:
    for number, name in enumerate(("shop/gate", "mail/gate", "mail/teacher")):
        empty.run(count, Count(upto=number), name=name, cores=1)

    def found(q: str) -> set[str]:
        page = client.get("/runs", params={"q": q}).text
        return {name for name in ("shop/gate", "mail/gate", "mail/teacher") if f">{name}</a>" in page}

    assert found("gate") == {"shop/gate", "mail/gate"}
    assert found("ail/g") == {"mail/gate"}
    assert found("TEACH") == {"mail/teacher"}
    assert found("gate shop") == {"shop/gate"}
    assert found("%") == set()
    assert found("  ") == found("") == {"shop/gate", "mail/gate", "mail/teacher"}
