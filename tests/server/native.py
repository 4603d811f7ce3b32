"""A workspace with two runs, a table and a model behind a whole server, for the tests of the native API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

import pickaxe
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.config import ServeConfig
from pickaxe.server.run import ServerThread
from tests.kernel.sample_steps import Count, count, double
from tests.serve.fakes import write_model

Served = tuple[Workspace, str]
"""The workspace and the server's address."""


@contextmanager
def serving(base: Path) -> Iterator[Served]:
    with pickaxe.open(base / "workspace") as workspace:
        counted = workspace.run(count, Count(upto=2), name="words/count", cores=1)
        workspace.run(double, pickaxe.Config(), name="words/double", inputs={"total": counted["total"]}, cores=1)
        table = pa.table({"label": ["a", "b", "a"], "score": [1.5, float("nan"), None], "raw": [b"\xff", b"", None]})
        workspace.import_table(table, "words/rows")
        model = workspace.import_files(write_model(base / "model"), "words/model", kind="model")
        workspace.publish("words", [Route(model.id)])
        config = ServeConfig(max_body_bytes=20_000)
        with ServerThread(workspace, whole=True, config=config) as server:
            yield workspace, server.url
