"""What must never be in the repository, whoever writes it."""

from __future__ import annotations

import ast

import pytest

from tests.project.tree import ROOT, relative, tracked

TEXT = (".py", ".md", ".toml", ".txt", ".sh", ".yml", ".yaml", ".json", ".js", ".html", ".css", ".cfg", ".ini", "")

# Written in two halves, so that this file does not find itself.
MACHINE_PATHS = ["/" + folder + "/" for folder in ("work", "root", "opt")]
HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "deb.debian" + ".org",
    "download.pytorch" + ".org",
]
OBJECT_FORMATS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
VAGUE_MODULES = {"utils", "util", "helpers", "helper", "misc", "common"}


def occurrences(needles: list[str]) -> list[str]:
    found: list[str] = []
    for file in tracked(*TEXT):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{relative(file)}:{number}: {needle}" for needle in needles if needle in line]
    return found


def test_no_machine_paths() -> None:
    assert occurrences(MACHINE_PATHS) == []


def test_no_registry_hosts() -> None:
    assert occurrences(HOSTS) == []


def test_no_vague_modules() -> None:
    parts = {relative(file): {file.stem, *file.relative_to(ROOT).parts[:-1]} for file in tracked(".py")}
    assert [path for path, names in parts.items() if names & VAGUE_MODULES] == []


def test_no_binaries_or_data_sets() -> None:
    big = [f"{relative(file)}: {file.stat().st_size} bytes" for file in tracked() if file.stat().st_size > 600_000]
    assert big == []
    assert [relative(file) for file in tracked(".whl", ".pkl", ".pt", ".bin", ".safetensors", ".onnx", ".parquet", ".db")] == []


def test_no_object_formats() -> None:
    """No pickle by any name: neither the modules nor the switches that turn it on in numpy, pandas and torch."""
    found = [
        f"{relative(file)}:{problem}" for file in tracked(".py") for problem in object_formats(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "np.load(p, allow_pickle=True)",
        "torch.load(p)",
        "frame.to_pickle(p)",
        "import a, dill as d",
    ],
)
def test_object_formats_are_seen(code: str) -> None:
    assert object_formats(code)
    assert not object_formats("np.load(p, allow_pickle=False); torch.load(p, weights_only=True)")


def object_formats(code: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            found += [f"{node.lineno}: imports {name}" for name in names & OBJECT_FORMATS]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OBJECT_FORMATS:
            found.append(f"{node.lineno}: imports from {node.module}")
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            said = {key.arg: ast.unparse(key.value) for key in node.keywords if key.arg in ("allow_pickle", "weights_only")}
            if said.get("allow_pickle", "False") != "False" or called in ("read_pickle", "to_pickle"):
                found.append(f"{node.lineno}: {ast.unparse(node.func)} with pickle")
            if called == "load" and ast.unparse(node.func) == "torch.load" and said.get("weights_only") != "True":
                found.append(f"{node.lineno}: torch.load without weights_only=True")
    return found
