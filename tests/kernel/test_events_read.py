"""Events for whoever reads very many: bodies as the text that is kept, in every database, sealed or not."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pickaxe.flows.query import query
from pickaxe.kernel.catalog.database_json import loads
from pickaxe.kernel.encryption.keyring import new_master_key
from pickaxe.kernel.workspace import Workspace

BODY = {
    "endpoint": "t",
    "texts": ['a "quoted" café', "二"],
    "labels": ["x", "y"],
    "probs": [[0.25, 0.75], [1, 0]],
    "span_id": "s",
}


@pytest.mark.parametrize("sealed", [False, True])
def test_bodies_come_as_the_text_that_is_kept(
    folder: Path, tmp_path: Path, sealed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sealed:
        (tmp_path / "room").mkdir(mode=0o700)
        monkeypatch.setenv("PICKAXE_SCRATCH", str(tmp_path / "room"))
        monkeypatch.setenv("THE_KEY", new_master_key())
        monkeypatch.setenv("PICKAXE_KEY", "env:THE_KEY")
    with Workspace(folder) as workspace:
        workspace.emit("trace", "1", name="t", value=2.5, body=BODY | {"artifact_id": "art-1"})
        workspace.emit("note", "2", body={"value": float("nan")})
        [[trace, note]] = workspace.log.columns(["body"])
        assert loads(trace.body)["texts"] == BODY["texts"]
        assert math.isnan(loads(note.body)["value"])
        assert [event.body["labels"] for event in workspace.log.each("trace")] == [["x", "y"]]
        rows = query(workspace, "SELECT text, label, confidence, ms, artifact_id FROM traces ORDER BY ord").to_pylist()
        assert [tuple(row.values()) for row in rows] == [
            ('a "quoted" café', "x", 0.75, 2.5, "art-1"),
            ("二", "y", 1.0, 2.5, "art-1"),
        ]
        assert query(workspace, "SELECT count(*) AS n FROM events WHERE body LIKE '%art-1%'").to_pylist() == [{"n": 1}]
