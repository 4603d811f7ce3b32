"""A server process for the tests: ``python -m tests.server.served WORKSPACE``. Prints its address, serves until told to stop."""

from __future__ import annotations

import sys

import pickaxe
from pickaxe.kernel import registry
from pickaxe.server.up import up

if __name__ == "__main__":
    registry._OWN[registry.PREDICTORS]["fake-words"] = "tests.serve.fakes:WordsPredictor"
    with pickaxe.open(sys.argv[1]) as workspace:
        up(workspace, port=0, ready=lambda url: print(url, flush=True))
        print("drained", flush=True)
