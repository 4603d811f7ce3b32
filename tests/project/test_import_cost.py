"""`import pickaxe` and `pickaxe --help` are cheap, and stay so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "ray", "duckdb", "sqlalchemy", "pyarrow", "sklearn", "scipy", "onnxruntime", "fastapi", "numpy")

IMPORT = "import pickaxe"
HELP = """
import contextlib, io, sys
from pickaxe.cli import main
sys.argv = ["pickaxe", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""


def cost(program: str) -> tuple[float, list[str]]:
    """CPU seconds of `program` in a fresh interpreter (its start not counted), and the heavy packages that it loaded."""
    measured = f"""
import json, sys, time
began = time.process_time()
exec({program!r})
print(json.dumps([time.process_time() - began, [name for name in {HEAVY!r} if name in sys.modules]]))
"""
    ended = subprocess.run([sys.executable, "-c", measured], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    seconds, loaded = json.loads(ended.stdout.splitlines()[-1])
    return seconds, loaded


@pytest.mark.parametrize("program", [IMPORT, HELP], ids=["import pickaxe", "pickaxe --help"])
def test_no_heavy_package_is_loaded(program: str) -> None:
    assert cost(program)[1] == []


@pytest.mark.parametrize(("program", "limit"), [(IMPORT, 0.3), (HELP, 0.5)], ids=["import pickaxe", "pickaxe --help"])
def test_cpu_seconds(program: str, limit: float) -> None:
    best = min(cost(program)[0] for _ in range(3))  # the first one may compile bytecode; a busy machine adds, never takes away
    assert best < limit


def test_the_measurement_sees_a_heavy_import() -> None:
    assert cost("import numpy")[1] == ["numpy"]
