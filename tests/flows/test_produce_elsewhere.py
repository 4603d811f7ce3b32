"""The whole line with everything in a bucket, encrypted: the same ids and digests as in a plain folder, and nothing to read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pickaxe
from pickaxe.flows.produce import produce
from tests.flows.tiny import Files, Finished
from tests.kernel.object_server import objects, url

pytestmark = pytest.mark.slow


def test_an_encrypted_line_in_a_bucket_makes_the_same(
    finished: Finished, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pickaxe.open(finished.workspace, mode="r") as plain:
        expected = {artifact.id: artifact.digest for artifact in plain.artifacts.list()}
    monkeypatch.setenv("PICKAXE_OBJECTS", url(tmp_path))
    monkeypatch.setenv("PICKAXE_KEY", "env:THE_KEY")
    monkeypatch.setenv("THE_KEY", "5a" * 32)
    (tmp_path / "room").mkdir()
    monkeypatch.setenv("PICKAXE_SCRATCH", str(tmp_path / "room"))
    with pickaxe.open(tmp_path / "ws") as workspace:
        product = produce(files.variant(rounds=1), workspace)
        made = workspace.artifacts.list()
        assert workspace.artifact("tiny/model@production").id == product.model.id
        assert [route.artifact_id for route in workspace.endpoint("tiny").routes] == [product.model.id]
    # One round of two has more traffic to itself, and so another traffic log; everything before it is the same.
    after = {"tiny/traffic_log", "tiny/windows", "tiny/drift"}
    before = {artifact.id: artifact.digest for artifact in made if artifact.name not in after}
    assert product.model.id in before
    assert len(before) > 20
    assert {id: expected.get(id) for id in before} == before
    lines = files.task.with_name("tiny.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"].encode() for line in lines[:20]]
    kept = objects(tmp_path) | {str(path): path.read_bytes() for path in (tmp_path / "ws").rglob("*") if path.is_file()}
    assert len(kept) > 20
    for content in kept.values():
        assert not any(text in content for text in texts)
        assert b"simulated-ann-1" not in content
