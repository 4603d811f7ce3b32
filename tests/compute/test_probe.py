"""The probe measures something real, and what it writes down is an entry of the catalogue."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pickaxe.compute.planner.catalogue import hardware, measuring, probe
from pickaxe.compute.planner.quantities.units import Bandwidth, Bytes, FlopRate
from pickaxe.kernel.errors import BadInput


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> probe.Machine:
    return probe.probe(tmp_path_factory.mktemp("disk"), seconds=0.1, torch=False)


@pytest.mark.slow
def test_every_reading_is_plausible(machine: probe.Machine) -> None:
    """No lower bounds: a machine under others' load measures what is left of it."""
    found = {reading.name: float(reading.value) for reading in machine.readings}
    assert 0 < found["matmul fp32"] < 1e15
    assert 0 < found["matmul fp64"] < 1e15
    assert 0 < found["memory bandwidth"] < 1e13
    assert 0 < found["disk write"] < 1e12
    assert 0 < found["loopback bandwidth"] < 1e12
    assert found["loopback latency"] > 1e-7
    assert all(reading.method for reading in machine.readings)
    assert machine.missing


@pytest.mark.slow
def test_entry_reads_back(machine: probe.Machine, tmp_path: Path) -> None:
    path = tmp_path / "hardware.toml"
    path.write_text(probe.as_toml(machine.devices[0]), encoding="utf-8")
    catalogue = hardware.load_with(path)
    local, shipped = catalogue["local-cpu"], hardware.load()
    assert set(shipped) < set(catalogue)
    assert local.measured
    assert float(local.peak["fp32"]) == pytest.approx(float(machine.devices[0].peak["fp32"]), rel=1e-4)
    assert "without a source" not in " ".join(local.sources.values())


@pytest.mark.slow
def test_readings_are_told_as_they_are_taken(tmp_path: Path) -> None:
    heard: list[measuring.Reading] = []
    found = probe.probe(tmp_path, seconds=0.02, torch=False, told=heard.append)
    assert tuple(heard) == found.readings


def test_a_product_that_is_interrupted_once_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first takes a hundred times as long as the others, and more than the time there is."""
    ticks = iter([0.0, 0.0, 1.0, 1.0, 1.01, 1.01, 1.02])
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(ticks))
    assert measuring.best_rate(1.0, lambda: None, 0.5) == pytest.approx(100)


@pytest.mark.parametrize(("load", "doubted"), [(0.1, False), (3.9, False), (4.0, True), (19.0, True)])
def test_a_busy_machine_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch, load: float, doubted: bool) -> None:
    monkeypatch.setattr(probe.os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(probe.os, "cpu_count", lambda: 4)
    assert bool(probe._doubts()) is doubted


def test_hostile_names_stay_text() -> None:
    device = hardware.Accelerator(
        key='a"]\nmemory = 1', name='x"\n[evil]\nkind = "gpu\\', kind="gpu", memory=Bytes(1e9), bandwidth=Bandwidth(1e9), peak={"fp32": FlopRate(1e9)},
        sources={"memory": "m", "bandwidth": "b"},
    )  # fmt: skip
    assert list(tomllib.loads(probe.as_toml(device))) == ['a"] memory = 1']


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 1e9])
def test_absurd_time_is_refused(seconds: float) -> None:
    with pytest.raises(BadInput, match="seconds"):
        probe.probe(seconds=seconds, torch=False)


def test_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        probe.probe(tmp_path / "absent", seconds=0.02, torch=False)


@pytest.mark.slow
def test_torch_adds_types() -> None:
    pytest.importorskip("torch")
    found = probe.probe(seconds=0.1)
    assert {"fp32", "fp64", "bf16", "fp16"} <= set(found.devices[0].peak)
    assert not found.missing
