"""How many statements a page asks the catalog: no more when it has more rows to show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from starlette.testclient import TestClient

import pickaxe
from pickaxe.data.label.queue import Queues, create_queue
from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.up import whole_app
from tests.kernel.sample_steps import Count, count, refuse
from tests.serve.fakes import write_model

OF_A_TASK = 6
"""Statements for each task shown: its names, the newest run of each of them, its verdict."""


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """Every statement that is executed."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement != "BEGIN":
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.slow
def test_pages_ask_no_more_for_more_rows(empty: Workspace, tmp_path: Path, asked: list[str]) -> None:
    model = empty.import_files(write_model(tmp_path / "model"), "m/model", kind="model")
    rows = empty.import_table(pa.table({"row_key": ["a", "b"], "text": ["one", "two"]}), "m/rows")

    def more(number: int) -> None:
        """One more of everything that pages list."""
        name = f"t{number}"
        empty.run(count, Count(upto=number + 1), name=f"{name}/count", cores=1)
        given = empty.import_json({"n": number}, f"{name}/given", kind="note")
        with pytest.raises(PickaxeError):
            empty.run(refuse, pickaxe.Config(), name=f"{name}/gate", inputs={"given": given}, cores=1)
        empty.publish(name, [Route(model.id)])
        empty.emit(
            "trace",
            f"{number:032x}",
            name=name,
            body={"texts": ["a"], "labels": ["b"], "probs": [[1.0]], "ms": 1.0, "status": 200},
        )
        create_queue(empty, name, rows, form="choice", labels=["x", "y"])
        Queues.of(empty).get(empty, name).answer("ann", "a", "x", seconds=1.0)

    with TestClient(whole_app(empty), base_url="http://localhost") as client:

        def statements(address: str) -> int:
            """Of one look, the fewest of some: now and then the server asks something by itself meanwhile."""
            assert client.get(address).status_code == 200  # what is kept between two looks is there then
            counts: list[int] = []
            for _ in range(5):
                asked.clear()
                client.get(address)
                counts.append(len(asked))
            return min(counts)

        pages = ["/runs", "/runs?q=t", "/artifacts", "/artifacts?q=t", "/data", "/label", "/review", "/traces", "/endpoints"]
        pages += ["/settings/changes", "/search?q=t", "/v1/queues"]
        for number in range(2):
            more(number)
        few = {page: statements(page) for page in pages}
        tasks = {page: statements(page) for page in ("/", "/tasks")}
        more(2)
        more(3)
        assert {page: statements(page) for page in pages} == few
        for page, before in tasks.items():
            assert statements(page) <= before + 2 * OF_A_TASK, page
