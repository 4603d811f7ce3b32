"""Packaging: pins are complete and true, the make targets are there, a wrong Python is told what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import tomllib
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import pytest

from tests.project.tree import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = ("setup", "demo", "test", "test-fast", "lint", "bench", "up", "clean")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs)
    return {canonical(name): pinned for name, pinned in pairs}


def test_every_direct_dependency_is_pinned() -> None:
    listed = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]
    names = {canonical(re.split(r"[\[<>=;! ]", line, maxsplit=1)[0]) for line in listed} - {"pickaxe"}
    assert names - pins().keys() == set()


def test_every_installed_package_is_pinned() -> None:
    """A dependency of a dependency without a pin is a set-up that changes by itself."""
    ours = {"pickaxe", "pip", "setuptools", "wheel"}
    # Of this environment: some packages bring others along and put them on the path when they are imported.
    installed = {
        canonical(found.name) for found in distributions(path=[sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    }
    if "pickaxe" not in installed:
        pytest.skip("not the environment that `make setup` makes")
    # Where no CPU build of torch is at hand, its pin brings the accelerator's libraries along, each pinned by torch itself.
    brought_by_torch = {name for name in installed if re.match(r"(nvidia|cuda)-|triton$", name)}
    assert installed - brought_by_torch - pins().keys() - ours == set()


def test_pins_are_what_is_installed() -> None:
    different: dict[str, tuple[str, str]] = {}
    for name, pinned in pins().items():
        try:
            installed = version(name).partition("+")[0]
        except PackageNotFoundError:  # for another platform or Python
            continue
        if installed != pinned and name != "torch":  # TORCH=... may choose another
            different[name] = (pinned, installed)
    assert different == {}


def test_no_local_suffix_in_pins() -> None:
    assert {name: pinned for name, pinned in pins().items() if "+" in pinned} == {}


def test_the_version_is_in_the_changelog() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_help_lists_the_targets() -> None:
    said = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [target for target in TARGETS if f"make {target} " not in said] == []


def make_venv(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    fake = folder / "python3"
    fake.write_text(f"#!/bin/sh\n{python}\n", encoding="utf-8")
    fake.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(fake)}
    command = ["sh", "scripts/make-venv.sh", str(folder / "venv")]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ('case "$2" in *print*) echo 3.9;; *) exit 1;; esac', "(3.9)"),
        ('case "$2" in *print*) echo 3.12;; *ensurepip*) exit 1;; esac', "(3.12, without venv)"),
        ("exit 127", "(does not run)"),
    ],
)
def test_a_wrong_python_is_told_what_to_do(tmp_path: Path, python: str, says: str) -> None:
    ended = make_venv(tmp_path, python)
    assert ended.returncode == 1
    assert says in ended.stderr
    assert "apt install python3-venv" in ended.stderr


def test_a_good_python_makes_the_environment(tmp_path: Path) -> None:
    ended = make_venv(tmp_path, 'case "$1$2" in *venv/venv*|-mvenv) mkdir "$3";; esac; case "$2" in *print*) echo 3.12;; esac')
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "venv").is_dir()
