"""The runner of benchmarks: reports misses, survives a broken one, keeps its exit status honest."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.__main__ import available, run


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
