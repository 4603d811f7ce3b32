"""The worker: a fresh process that runs one attempt of one step and tells its engine how it goes.

Started as ``python -m pickaxe.kernel.engine.worker FD``. Its job comes as one JSON line on standard input, which then stays open as a
lifeline: when the engine dies, however suddenly, the pipe closes and the worker ends at once. What it has to say goes as JSON
lines into file descriptor FD.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.ledger.tokens import METER, tokens_of_process
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.system.garbage import collect_seldom
from pickaxe.kernel.system.retry import retried

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.nouns import Artifact
    from pickaxe.kernel.predictors import Predictor
    from pickaxe.kernel.workspace import Workspace

_PROGRESS_EVERY = 0.1
MAIN_MODULE = "__pickaxe_main__"


def main() -> None:
    """Run the job on standard input; exit status 0 whatever the step's fate, which travels as a message."""
    collect_seldom()
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_the_engine, daemon=True).start()
    tell = _Telling(int(sys.argv[1]))
    try:
        step = load_object(job["step"])
        config = load_object(job["config_class"]).parse(job["config"])
        with storage_errors(Path(job["scratch"])):
            step(WorkerContext(job, tell), config)
    except PickaxeError as error:
        tell(**_used(), error=error.as_dict(), traceback=traceback.format_exc())
    except BaseException as error:  # noqa: BLE001 - whatever ended the step is told to the engine
        tell(
            **_used(),
            error={"code": "exception", "message": f"{type(error).__name__}: {error}"},
            traceback=traceback.format_exc(),
        )
    else:
        tell(**_used(), done=True)
    sys.stdout.flush()
    sys.stderr.flush()
    # Native threads of the libraries may hang at interpreter exit; everything worth keeping has been said.
    os._exit(0)


def _used() -> dict[str, int]:
    """What only this process can count. Sent on the way too, for an attempt that is killed."""
    return {METER: tokens_of_process()}


def load_object(address: str) -> Any:
    """The object at ``module:qualname`` or ``/path/script.py:qualname``."""
    where, _, qualname = address.rpartition(":")
    module = _load_script(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def address_of(thing: Callable[..., Any]) -> str:
    """Where a worker finds `thing`; raises `BadInput` for what only this process knows (a lambda, a local function)."""
    if "<" in thing.__qualname__:
        raise BadInput(
            f"{thing.__qualname__} cannot run in a worker process",
            expected="a function or class at the top level of a module",
            remedy="move it out of the function that defines it",
        )
    if thing.__module__ not in ("__main__", MAIN_MODULE):
        return f"{thing.__module__}:{thing.__qualname__}"
    script = getattr(sys.modules[thing.__module__], "__file__", None)
    if not script:
        raise BadInput(f"{thing.__qualname__} was typed in, not imported", remedy="save it in a .py file and import it")
    return f"{Path(script).resolve()}:{thing.__qualname__}"


def _load_script(path: Path) -> Any:
    if MAIN_MODULE not in sys.modules:
        spec = importlib.util.spec_from_file_location(MAIN_MODULE, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[MAIN_MODULE] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[MAIN_MODULE]


def _die_with_the_engine() -> None:
    # The raw descriptor, not sys.stdin: a thread that holds the buffer's lock would abort the interpreter at exit.
    while os.read(0, 4096):
        pass
    os._exit(75)


class _Telling:
    """Writes messages to the engine, one JSON line each."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")
        self._lock = threading.Lock()

    def __call__(self, **message: Any) -> None:
        with self._lock:
            self._pipe.write(json.dumps(message) + "\n")
            self._pipe.flush()


class WorkerInput:
    """An input read through the workspace's stores."""

    def __init__(self, open_workspace: Callable[[], Workspace], artifact_id: str) -> None:
        self._open = open_workspace
        self._artifact_id = artifact_id

    @cached_property
    def artifact(self) -> Artifact:
        return self._open().artifact(self._artifact_id)

    def table(self) -> pa.Table:
        return self._open().read_table(self.artifact)

    def path(self) -> Path:
        return self._open().files(self.artifact)

    def json(self) -> Any:
        return self._open().read_json(self.artifact)

    def predictor(self) -> Predictor:
        from pickaxe.kernel.predictors import load_predictor

        return load_predictor(self.path())


class WorkerContext:
    """Implements `pickaxe.kernel.step.StepContext` in a worker."""

    def __init__(self, job: dict[str, Any], tell: Callable[..., None]) -> None:
        self._job = job
        self._tell = tell
        self._outputs = Path(job["outputs"])
        self._saved: set[str] = set()
        self._told_progress = 0.0
        self.inputs = {name: WorkerInput(self._workspace, id) for name, id in job["inputs"].items()}
        self.scratch = Path(job["scratch"])
        self.checkpoint = Path(job["checkpoint"])
        self.seed = int(job["seed"])

    def save_table(self, name: str, table: pa.Table, *, kind: str = "dataset", meta: dict[str, Any] | None = None) -> None:
        import pyarrow as pa

        target = self._target(name)
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        self._tell(output=name, stored="table", kind=kind, meta=meta or {}, path=str(target))

    def save_files(self, name: str, path: Path, *, kind: str = "model", meta: dict[str, Any] | None = None) -> None:
        target = self._target(name)
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copy2(path, target)
        self._tell(output=name, stored="files", kind=kind, meta=meta or {}, path=str(target))

    def save_json(self, name: str, document: Any, *, kind: str = "report", meta: dict[str, Any] | None = None) -> None:
        from pickaxe.kernel.digest import canonical_json

        target = self._target(name)
        target.write_bytes(canonical_json(document))
        self._tell(output=name, stored="json", kind=kind, meta=meta or {}, path=str(target))

    def progress(self, done: float, total: float, note: str = "") -> None:
        now = time.monotonic()
        if done >= total or now - self._told_progress >= _PROGRESS_EVERY:
            self._told_progress = now
            self._tell(**_used(), progress=[float(done), float(total), note])

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        self._tell(metric=[name, float(value), step])

    def log(self, message: str, *, level: str = "info") -> None:
        self._tell(log=message, level=level)

    def _target(self, name: str) -> Path:
        from pickaxe.kernel.artifacts import checked_name

        if "/" in checked_name(name) or name in self._saved:
            raise BadInput(f"output {name!r} cannot be saved", expected="a plain name, saved once")
        self._saved.add(name)
        return self._outputs / name

    @retried
    def _workspace(self) -> Workspace:
        if not hasattr(self, "_opened"):
            from pickaxe.kernel.location import Location
            from pickaxe.kernel.tables.extensions import take_as_checked
            from pickaxe.kernel.workspace import Workspace

            take_as_checked(self._job["checked_extensions"])
            location = Location(Path(self._job["workspace"]), **self._job["location"])
            self._opened = Workspace(location, mode="r").for_tenant(*self._job["acts_as"])
        return self._opened


if __name__ == "__main__":
    main()
