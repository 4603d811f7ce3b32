"""The process that a model has of its own: ``python -m pickaxe.serve.apart_process FD``, started by `pickaxe.serve.apart`.

It loads one model and answers until its parent closes the socket. The system limits its memory; its parent ends it when a call
takes too long, and where that parent was killed, the limit of processor time does.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pickaxe.kernel.engine.meter import MAXRSS_UNIT
from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.ledger.tokens import tokens_of_thread
from pickaxe.kernel.predictors import Predictor, load_predictor
from pickaxe.kernel.system.confined import limit_memory, limit_time
from pickaxe.kernel.system.frames import Frame, receive, send

_NO_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate memory", "cannot allocate memory", "Cannot allocate memory")


def main() -> None:
    """Load the model that the first message names, then answer one call after the other."""
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        job = receive(parent)
        if job is None:
            return
        folder = Path(job.said["folder"])
        limit_memory(job.said["memory"])
        limit_time(job.said["seconds"], os.cpu_count() or 1)
        models: list[Predictor] = []
        send(parent, _outcome(lambda: _loaded(folder, models)))
        while models and (job := receive(parent)) is not None:
            limit_time(job.said["seconds"], os.cpu_count() or 1)
            texts = job.said["texts"]
            send(parent, _outcome(lambda: _answer(models[0], texts)))  # noqa: B023 - called at once


def _loaded(folder: Path, models: list[Predictor]) -> Frame:
    models.append(load_predictor(folder))
    return Frame({"classes": [str(name) for name in models[0].classes]})


def _answer(model: Predictor, texts: list[str]) -> Frame:
    import numpy as np

    before = tokens_of_thread()
    probs = np.ascontiguousarray(model.predict_proba(texts), dtype=np.float32)
    return Frame({"shape": probs.shape, "tokens": tokens_of_thread() - before}, probs.tobytes())


def _outcome(call: Callable[[], Frame]) -> Frame:
    """What came of it, beside what this process has used."""
    try:
        done = call()
    except PickaxeError as error:
        done = Frame({"error": error.as_dict(), "no_memory": _for_memory(error)})
    except Exception as error:  # noqa: BLE001 - whatever a model brings about is an answer to it
        told = BadInput(type(error).__name__, got=f"{error!s:.300}")
        done = Frame({"error": told.as_dict(), "no_memory": _for_memory(error)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT
    return Frame({**done.said, "cpu": time.process_time(), "peak": peak}, done.body)


def _for_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY)


if __name__ == "__main__":
    main()
