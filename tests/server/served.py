"""A server process for the tests: ``python -m tests.server.served WORKSPACE``. Prints its address, serves until told to stop."""

from __future__ import annotations

import sys
from pathlib import Path

import pickaxe
from pickaxe.server.up import up

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1] / "plugins"))
    with pickaxe.open(sys.argv[1]) as workspace:
        up(workspace, port=0, ready=lambda url: print(url, flush=True))
        print("drained", flush=True)
