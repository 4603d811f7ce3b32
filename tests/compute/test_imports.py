"""The planner is pure: no framework, no numpy, nothing that is slow to import, until a probe measures."""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = ("torch", "numpy", "transformers", "scipy", "pandas", "pyarrow", "duckdb", "ray", "sklearn")
CODE = f"""
import importlib, pkgutil, sys
import pickaxe.compute.planner as planner
for module in pkgutil.iter_modules(planner.__path__):
    importlib.import_module(f"{{planner.__name__}}.{{module.name}}")
from pickaxe.compute.planner.training.plan import plan_training
plan_training({{"model": "gpt2", "device": "T4", "tokens": "1M", "devices": 1, "samples": 20}})
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""


def test_no_framework_is_imported() -> None:
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=here)
    assert ended.stdout.split() == []
