"""Runs on a Ray cluster: Ray finds the node, one actor there is the run's slot, and a worker process below it does the work.

Placement, waiting for room and autoscaling are Ray's: a slot is an actor that asks for the run's cores. What is ours is what the
ledger needs: every node is a pool whose life is metered, and a lease lies within the life of its actor, so that charges and idle
time add up per node. An attempt that dies with its node is interrupted; the engine tries again, and Ray places the next slot.

A step's worker reads its inputs from the workspace's stores: the node must see the folder, or the workspace must be on
PostgreSQL and an object store. What it saves comes back through Ray's object store.
"""

from __future__ import annotations

import logging
import os
import platform
import queue
import socket
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.encryption.room import plain_place
from pickaxe.kernel.engine.attempt import Attempt, Limits, Listener, Outcome, Output
from pickaxe.kernel.engine.executor import Slot
from pickaxe.kernel.errors import BadInput, Unavailable
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.location import VARIABLES
from pickaxe.kernel.nouns import RunState

if TYPE_CHECKING:
    from pickaxe.kernel.ledger.pools import Pools
    from pickaxe.kernel.location import Location

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.2
_KNOCK_SECONDS = 5.0
_PATIENCE_SECONDS = 10.0
_CHUNK = 32 << 20


class RayExecutor:
    """Slots on the cluster at ``ray://HOST:PORT`` (its GCS address), ``ray://auto`` (the one this machine is part of) or
    ``ray://local`` (one of this process's own). Connects when the first run asks for room."""

    def __init__(self, location: Location, pools: Pools) -> None:
        self._address = location.engine.removeprefix("ray://").rstrip("/")
        self._pools = pools
        self._connecting = threading.Lock()
        self._connected = False
        self._pool_ids: dict[str, str] = {}
        """Pools of the nodes that are alive, by node id."""

    @property
    def largest(self) -> int:
        return max((int(node["Resources"].get("CPU", 0)) for node in self._nodes()), default=1)

    @contextmanager
    def slot(self, cores: int, unless: Callable[[], bool]) -> Iterator[Slot | None]:
        self._connect()
        host, node_id = self._hosted(cores, unless)
        try:
            yield None if node_id is None else _RaySlot(host, self._pool_of(node_id))
        finally:
            _ray().kill(host)

    def _hosted(self, cores: int, unless: Callable[[], bool], again: int = 10) -> tuple[Any, str | None]:
        """An actor with `cores` and the node it runs on; None when `unless` came true first."""
        ray = _ray()
        host = ray.remote(Host).options(num_cpus=cores, max_restarts=0, max_concurrency=2).remote()
        try:
            return host, self._placed(host.node_id.remote(), cores, unless)
        except ray.exceptions.RayActorError:  # its node died before it began: nothing was lost
            if not again:
                raise
            return self._hosted(cores, unless, again - 1)

    def beat(self) -> None:
        if not self._connected:
            return
        alive = {node["NodeID"] for node in self._nodes()}
        with self._connecting:
            gone = [(node_id, self._pool_ids.pop(node_id)) for node_id in set(self._pool_ids) - alive]
        for _, pool_id in gone:
            self._pools.abandon(pool_id)
        for pool_id in list(self._pool_ids.values()):
            self._pools.beat(pool_id)
        for node_id in alive:
            self._pool_of(node_id)

    def close(self) -> None:
        for pool_id in self._pool_ids.values():
            self._pools.close(pool_id)
        if self._connected:
            _ray().shutdown()

    def _placed(self, where: Any, cores: int, unless: Callable[[], bool]) -> str | None:
        """The node that Ray chose, once it has; None when `unless` came true first."""
        ray, asked = _ray(), time.monotonic()
        told = False
        while True:
            done, _ = ray.wait([where], timeout=_POLL_SECONDS)
            if done:
                return ray.get(where)
            if unless():
                return None
            if not told and time.monotonic() - asked > _PATIENCE_SECONDS and cores > (largest := self.largest):
                log.warning("a run waits for a node of %d cores; the largest of the cluster has %d", cores, largest)
                told = True

    def _connect(self) -> None:
        ray = _ray()
        with self._connecting:
            if self._connected:
                return
            try:
                _knock(self._address)
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")
            except (OSError, RuntimeError, ValueError) as error:
                raise Unavailable(
                    f"no Ray cluster at {self._address}",
                    expected="ray://HOST:PORT of a running cluster, ray://auto or ray://local",
                    got=str(error)[:200],
                    remedy="start one with: ray start --head; then set PICKAXE_ENGINE=ray://HOST:6379",
                ) from error
            self._connected = True
        self.beat()

    def _nodes(self) -> list[dict[str, Any]]:
        self._connect()
        return [node for node in _ray().nodes() if node["Alive"] and node["Resources"].get("CPU")]

    def _pool_of(self, node_id: str) -> str:
        with self._connecting:
            if node_id not in self._pool_ids:
                node = next(node for node in _ray().nodes() if node["NodeID"] == node_id)
                cores = int(node["Resources"]["CPU"])
                machine = {
                    "host": node["NodeManagerHostname"],
                    "address": node["NodeManagerAddress"],
                    "node": node_id,
                    "cores": cores,
                }
                self._pool_ids[node_id] = self._pools.open("cpu", cores, machine)
            return self._pool_ids[node_id]


def _knock(address: str) -> None:
    """Raise `OSError` when nobody listens at HOST:PORT; Ray itself would go on trying for minutes."""
    host, separator, port = address.rpartition(":")
    if separator and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


class _RaySlot:
    """An actor on a node, for one attempt."""

    def __init__(self, host: Any, pool_id: str) -> None:
        self._host = host
        self.pool_id = pool_id

    def run(self, job: Mapping[str, Any], limits: Limits, listener: Listener, *, threads: int) -> Outcome:
        ray = _ray()
        ended: dict[str, Any] = {}
        asked = False
        with tempfile.TemporaryFile(dir=job["scratch"]) as archive:
            try:
                for reference in self._host.run.options(num_returns="streaming").remote(
                    {**job, "environment": _settings()}, asdict(limits), threads
                ):
                    said = ray.get(reference)
                    if "archive" in said:
                        archive.write(said["archive"])
                    elif "ended" in said:
                        ended = said["ended"]
                    elif "tick" in said:
                        listener.tick()
                        if listener.cancelled() and not asked:
                            asked = True
                            self._host.stop.remote()
                    else:
                        listener.message(said)
            except ray.exceptions.RayActorError as error:
                return _died(error)
            except ray.exceptions.RayTaskError as error:
                return Outcome(RunState.FAILED, {"code": "node_failed", "message": str(error.cause or error)[:2000]})
            return _outcome(ended, archive, Path(job["outputs"]))


class Host:
    """What runs on the node: one attempt in a worker process, told to the driver as a stream of messages."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def node_id(self) -> str:
        return _ray().get_runtime_context().get_node_id()

    def stop(self) -> None:
        self._stop.set()

    def run(self, job: dict[str, Any], limits: dict[str, Any], threads: int) -> Iterator[dict[str, Any]]:
        """Messages of the worker, ticks, then how it ended and what it saved."""
        os.environ.update(job["environment"])  # this process is the attempt's alone
        place = plain_place() if job["location"]["key"] else None
        with tempfile.TemporaryDirectory(prefix="pickaxe-", dir=place, ignore_cleanup_errors=True) as folder:
            here = _at_home(job, Path(folder))
            said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
            attempting = threading.Thread(target=self._attempt, args=(here, Limits(**limits), threads, said.put))
            attempting.start()
            while "ended" not in (message := said.get()):
                yield message
            attempting.join()
            if message["ended"]["state"] is RunState.SUCCEEDED:
                yield from _packed(Path(here["outputs"]))
            yield message

    def _attempt(self, job: dict[str, Any], limits: Limits, threads: int, say: Callable[[dict[str, Any]], None]) -> None:
        try:
            listener = Listener(message=say, tick=lambda: say({"tick": time.time()}), cancelled=self._stop.is_set)
            outcome = Attempt(job, limits, listener, threads=threads).run()
        except BaseException as error:  # noqa: BLE001 - told to the driver
            failure = {"code": "node_failed", "message": f"{type(error).__name__} on {platform.node()}: {error}"}
            outcome = Outcome(RunState.FAILED, failure)
        outputs = {role: (out.stored, out.kind, dict(out.meta), out.path.name) for role, out in outcome.outputs.items()}
        readings = [asdict(reading) for reading in outcome.readings]
        say({"ended": {"state": outcome.state, "error": outcome.error, "outputs": outputs, "readings": readings}})


def _settings() -> dict[str, str]:
    """What this process was told by environment variables of ours, for steps that look there. Not where the stores are: the job says so."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("PICKAXE_")}
    return {name: value for name, value in ours.items() if name not in VARIABLES}


def _at_home(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The job with this node's paths. Raises `BadInput` when the node cannot see the workspace."""
    shared = Path(job["workspace"]).is_dir()
    if not shared and not (job["location"]["catalog"] and job["location"]["objects"]):
        raise BadInput(
            f"the node {platform.node()} cannot see the workspace",
            expected=f"the folder {job['workspace']}, or a workspace on PostgreSQL and an object store",
            remedy="share the folder with every node, or move the workspace: pickaxe move",
        )
    here = {name: folder / name for name in ("scratch", "outputs", "checkpoint")}
    if shared:  # what an attempt on another node left there is taken up
        here["checkpoint"] = Path(job["checkpoint"])
    for path in here.values():
        path.mkdir(parents=True, exist_ok=True)
    workspace = job["workspace"] if shared else str(folder / "workspace")
    return job | {name: str(path) for name, path in here.items()} | {"workspace": workspace}


def _packed(outputs: Path) -> Iterator[dict[str, Any]]:
    """What the step saved, as one archive in pieces."""
    with tempfile.TemporaryFile(dir=outputs.parent) as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(outputs, arcname=".")
        packed.seek(0)
        while chunk := packed.read(_CHUNK):
            yield {"archive": chunk}


def _outcome(ended: dict[str, Any], archive: Any, outputs: Path) -> Outcome:
    if not ended:
        return _died("the stream ended early")
    outcome = Outcome(ended["state"], ended["error"], readings=[Usage(**reading) for reading in ended["readings"]])
    if outcome.state is RunState.SUCCEEDED:
        archive.seek(0)
        with tarfile.open(fileobj=archive, mode="r") as packed:
            packed.extractall(outputs, filter="data")
        outcome.outputs = {
            role: Output(stored, kind, meta, outputs / name) for role, (stored, kind, meta, name) in ended["outputs"].items()
        }
    return outcome


def _died(why: object) -> Outcome:
    message = f"the node or the process on it was lost ({str(why).splitlines()[0][:200]})"
    return Outcome(RunState.INTERRUPTED, {"code": "node_lost", "message": message, "remedy": "start it again; it resumes"})


def _ray() -> Any:
    """Ray, imported when it is first needed: it takes seconds."""
    try:
        return import_module("ray")
    except ImportError:
        raise Unavailable("Ray is not installed", remedy="pip install 'pickaxe[ray]'") from None
