"""Runs the benchmarks: ``python -m benchmarks [NAME ...]``; each writes ``results/NAME.json`` with date and machine.

A benchmark is a module here with ``main() -> dict`` whose result has ``bars``: name -> {bar, measured, met}. A missed bar
is reported, not hidden, and is no failure of the run; a benchmark that breaks is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import machine

HERE = Path(__file__).parent


def run(names: list[str], out_dir: Path) -> int:
    """Runs `names` one after the other; returns how many broke."""
    out_dir.mkdir(parents=True, exist_ok=True)
    broken: list[str] = []
    lines: list[tuple[str, str, Any, Any, str]] = []
    for name in names:
        print(f"::: {name}", flush=True)
        began = time.monotonic()
        try:
            result: dict[str, Any] = import_module(f"benchmarks.{name}").main()
        except Exception:  # noqa: BLE001 - one broken benchmark does not cost the others' results
            traceback.print_exc()
            broken.append(name)
            continue
        print(f"::: {name} took {time.monotonic() - began:.0f} s", flush=True)
        told = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), **result}
        (out_dir / f"{name}.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        for bar, found in result.get("bars", {}).items():
            lines.append((name, bar, found["bar"], found["measured"], "met" if found["met"] else "MISSED"))
    _print_table(lines)
    if broken:
        print(f"broken: {', '.join(broken)}", file=sys.stderr)
    return len(broken)


def available() -> list[str]:
    return sorted(
        file.stem for file in HERE.glob("*.py") if "\ndef main(" in file.read_text(encoding="utf-8") and file.stem[0] != "_"
    )


def _print_table(lines: list[tuple[str, str, Any, Any, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("benchmark", "bar", "asked", "measured", "")
    for name, bar, asked, measured, verdict in lines:
        table.add_row(name, bar, _short(asked), _short(measured), verdict)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _short(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the bars.")
    parser.add_argument("names", nargs="*", help=f"which ones (all without): {', '.join(available())}")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the results")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(available()))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(available())}")
    sys.exit(1 if run(chosen.names or available(), chosen.out) else 0)
