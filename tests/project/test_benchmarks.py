"""The runner of benchmarks: reports misses, survives a broken one, keeps its exit status honest."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient

import pickaxe
from benchmarks import server_large
from benchmarks.__main__ import available, run
from benchmarks.seed import seed
from pickaxe.server.up import whole_app


def benchmark(monkeypatch: pytest.MonkeyPatch, name: str, result: dict[str, Any] | None) -> None:
    def main() -> dict[str, Any]:
        if result is None:
            raise RuntimeError("no such luck")
        return result

    module = ModuleType(f"benchmarks.{name}")
    module.__dict__["main"] = main
    monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)


def test_a_broken_one_does_not_cost_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    benchmark(monkeypatch, "broken", None)
    benchmark(monkeypatch, "slow", {"bars": {"p50_ms": {"bar": 5.0, "measured": 7.25, "met": False}}})
    assert run(["broken", "slow"], tmp_path) == 1
    said = capsys.readouterr()
    assert "MISSED" in said.out
    assert "7.25" in said.out
    assert "broken: broken" in said.err


def test_all_well_is_zero(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    benchmark(monkeypatch, "quick", {"bars": {"p50_ms": {"bar": 5.0, "measured": 1.0, "met": True}}})
    assert run(["quick"], tmp_path) == 0
    told = json.loads((tmp_path / "quick.json").read_text(encoding="utf-8"))
    assert told["bars"]["p50_ms"]["met"]
    assert told["machine"]["cores"] >= 1
    assert datetime.fromisoformat(told["at"]) <= datetime.now(UTC)


def test_the_runner_is_not_a_benchmark() -> None:
    assert "__main__" not in available()


@pytest.mark.slow
def test_what_is_seeded_is_what_the_pages_read(tmp_path: Path) -> None:
    """The large benchmark asks for the same addresses, of a workspace too large for a test."""
    seed(tmp_path / "seeded", runs=2_000, rows=2_000, spans=2_000)
    places = {"trace": f"{1_000:032x}"}
    with (
        pickaxe.open(tmp_path / "seeded") as workspace,
        TestClient(whole_app(workspace), base_url="http://localhost") as client,
    ):
        runs = client.get("/v1/runs", params={"limit": 10}).json()["data"]
        places |= {"deep_run": str(runs["next"]), "run": runs["items"][0]["id"], "other_run": runs["items"][1]["id"]}
        answers = {path: client.get(path.format(**places)).status_code for path in server_large.PAGES.values()}
    assert set(answers.values()) == {200}, answers
