"""What a page finds in a document: the histograms of a profile, and nothing in what only looks like one."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from pickaxe.console.documents import histograms_in
from pickaxe.console.show import document
from pickaxe.kernel.workspace import Workspace


def profile(edges: Any, counts: Any) -> dict[str, Any]:
    return {"rows": 3, "chars": {"histogram": {"edges": edges, "counts": counts}}}


def test_a_profile_has_histograms_without_the_empty_bins_around_them() -> None:
    assert histograms_in(profile([1, 2, 4, 8, 16], [0, 2, 1, 0])) == {"chars": [(2, 4, 2), (4, 8, 1)]}


@pytest.mark.parametrize(
    "said",
    [
        [1, 2],
        "histogram",
        {"histogram": 3},
        {"chars": {"histogram": "none"}},
        profile([1, 2], [1, 2]),
        profile([1, float("inf")], [1]),
        profile(["1", "2"], [1]),
        profile([1, 2, 3], [0, 0]),
        profile(list(range(1002)), [1] * 1001),
    ],
)
def test_another_document_has_none(said: Any) -> None:
    assert histograms_in(said) == {}


def test_a_profile_is_drawn_on_its_page(empty: Workspace, client: TestClient) -> None:
    empty.import_json(profile([1, 2, 4, 8, 16], [0, 2, 1, 0]), "words/profile")
    empty.import_json(profile([1, 2, 4], ["many", 1]), "words/other")
    page = client.get("/artifacts/words/profile")
    assert page.status_code == 200
    assert "Spread: <bdi>chars</bdi>" in page.text
    assert "data-chart" in page.text
    assert "data-chart" not in client.get("/artifacts/words/other").text


def test_numbers_in_a_row_stay_in_a_line_and_texts_as_they_are() -> None:
    said = {"counts": [1, 2.5, None], "texts": ["[\n 1,\n 2\n]", "b"], "none": [], "deep": [[1, 2], [3]]}
    shown = document(said)
    assert '"counts": [1, 2.5, null]' in shown
    assert "    [1, 2],\n" in shown
    assert '"[\\n 1,\\n 2\\n]"' in shown
