"""SQL over a large workspace: seconds and peak memory, query by query, each in a fresh process.

``python -m benchmarks sql_large``; with PICKAXE_SEEDED=FOLDER an already seeded workspace is asked. Beside each query over the table stands the
same one over the table read whole beforehand. Seconds of processor time say more than those of a clock where others work on the
machine too, so the bar is on them; a query has one thread.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.seed import seeded

ROWS = SPANS = 1_000_000
PAGE_SECONDS = 10.0
"""What the console's page allows a query."""
TABLE = {
    "count": 'SELECT count(*) FROM "big/rows"',
    "one column": 'SELECT label, count(*) FROM "big/rows" GROUP BY label ORDER BY label',
    "one row": "SELECT text FROM \"big/rows\" WHERE row_key = '00000000000a0000'",
    "first rows": 'SELECT * FROM "big/rows" LIMIT 5',
    "every text": 'SELECT max(length(text)) FROM "big/rows"',
}
RECORDS = {
    "traces, counted": "SELECT count(*) FROM traces",
    "traces by label": "SELECT label, avg(confidence) FROM traces GROUP BY label",
    "traces of an endpoint": "SELECT count(*) FROM traces WHERE endpoint = 'task-07'",
    "events, counted": "SELECT count(*) FROM events",
    "runs by state": "SELECT state, count(*) FROM runs GROUP BY state",
}


def main() -> dict[str, Any]:
    """Ask everything."""
    with seeded(runs=100_000, rows=ROWS, spans=SPANS) as folder:
        table = {
            what: {"streamed": _asked_apart(folder, query), "read whole": _asked_apart(folder, query, whole=True)}
            for what, query in TABLE.items()
        }
        records = {what: _asked_apart(folder, query) for what, query in RECORDS.items()}
    slowest = max(records, key=lambda what: records[what]["cpu_seconds"])
    largest = max(found["streamed"]["memory_mb"] for found in table.values())
    smallest = min(found["read whole"]["memory_mb"] for found in table.values())
    return {
        "table": table,
        "records": records,
        "bars": {
            "slowest over records, CPU s": _bar(PAGE_SECONDS, records[slowest]["cpu_seconds"]) | {"which": slowest},
            "most memory over a table, MB, against reading it whole": _bar(smallest, largest),
        },
    }


def _bar(most: float, measured: float) -> dict[str, Any]:
    return {"bar": most, "measured": measured, "met": measured < most}


def _asked_apart(folder: Path, query: str, *, whole: bool = False) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.sql_large", str(folder), query, "whole" if whole else "streamed"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _asked(folder: Path, query: str, *, whole: bool) -> dict[str, Any]:
    """Seconds of the query alone, and the most memory of both processes."""
    import pickaxe
    from pickaxe.flows.query import query as ask
    from pickaxe.kernel.tables.sql import SqlLimits, answer

    limits = SqlLimits(rows=1_000, seconds=300, memory="1GB", threads=1)
    with pickaxe.open(folder, mode="r") as workspace:
        ask(workspace, "SELECT 1", limits=limits)  # the process that computes is there, as in a server
        before, began = _cpu_seconds(), time.perf_counter()
        if whole:
            found = answer(query, {"big/rows": workspace.read_table(workspace.artifact("big/rows"))}, [], limits)
        else:
            found = ask(workspace, query, limits=limits)
        seconds, cpu = time.perf_counter() - began, _cpu_seconds() - before
        peak = sum(_peak_mb(one.pid) for one in _processes())
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "memory_mb": round(peak), "rows": found.num_rows}


def _processes() -> list[psutil.Process]:
    """This one and the one that computes the answer."""
    here = psutil.Process()
    return [here, *here.children(recursive=True)]


def _cpu_seconds() -> float:
    return sum(one.cpu_times().user + one.cpu_times().system for one in _processes())


def _peak_mb(pid: int) -> float:
    """Of resident memory, since the process began (Linux)."""
    told = Path(f"/proc/{pid}/status").read_text()
    return int(told.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    print(json.dumps(_asked(Path(sys.argv[1]), sys.argv[2], whole=sys.argv[3] == "whole")))
