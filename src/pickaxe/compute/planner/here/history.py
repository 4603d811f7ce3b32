"""What runs took, from the ledger: for every step the pairs of what it was given and what the meters then read."""

from __future__ import annotations

import math
import platform
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.nouns import RunState

if TYPE_CHECKING:
    from pickaxe.kernel.nouns import Artifact, Run
    from pickaxe.kernel.workspace import Workspace

METERS = ("wall_ms", "memory_peak_bytes", "tokens", "stored_bytes", "human_ms")
"""Readings that are forecast; what time costs follows from the lease."""

SIZE = "size"
"""The feature that holds all rows that a step is given."""
MACHINE = "machine:"
"""What the feature begins with that says on which machine a run was; one that moved to another differs from those here in an unknown way."""
BYTES_A_ROW = 1_000
"""What counts as a row of an input that has none, such as a model's files."""

_FLAT = 1_000.0
_MOST_RUNS = 400
_BRANCHES = 400
"""Most numbers of a config that are looked at."""


@dataclass(frozen=True, slots=True)
class Past:
    """One run that ended well: features (natural logarithms, by name), cores, and what each meter read in all its attempts."""

    run_id: str
    step: str
    features: Mapping[str, float]
    cores: int
    readings: Mapping[str, float]


def past_runs(workspace: Workspace, step: str, *, limit: int = _MOST_RUNS) -> list[Past]:
    """Succeeded runs of `step`, newest first. Runs of several attempts are left out: they paid for what was lost, too."""
    runs, _ = workspace.runs.page(step=step, states=[RunState.SUCCEEDED], limit=limit)
    return [past for past, _ in past_of(workspace, runs)]


def past_of(workspace: Workspace, runs: Sequence[Run]) -> list[tuple[Past, Run]]:
    """Those of `runs` that went through in one attempt, with what they were given and what was read, in the same order."""
    runs = [run for run in runs if run.attempt == 1]
    if not runs:
        return []
    hosts = workspace.ledger.hosts([run.id for run in runs]) if _is_local(workspace) else {}
    inputs = workspace.artifacts.many(sorted({id for run in runs for id in run.inputs.values()}))
    readings: dict[str, dict[str, float]] = defaultdict(dict)
    cores: dict[str, int] = {}
    for charge in workspace.ledger.charges([run.id for run in runs]):
        if charge.meter in METERS:
            readings[charge.holder][charge.meter] = readings[charge.holder].get(charge.meter, 0.0) + charge.quantity
        elif charge.meter == "cpu":
            cores[charge.holder] = cores.get(charge.holder, 0) + charge.quantity
    return [
        (
            Past(
                run.id,
                run.step,
                features_of(run.config, {role: inputs[id] for role, id in run.inputs.items() if id in inputs})
                | ({MACHINE + hosts[run.id]: 1.0} if run.id in hosts else {}),
                _cores_of(run, cores.get(run.id, 0)),
                readings[run.id],
            ),
            run,
        )
        for run in runs
        if "wall_ms" in readings[run.id]
    ]


def features_of(config: Mapping[str, Any], inputs: Mapping[str, Artifact]) -> dict[str, float]:
    """What a step is given, as logarithms: its size, rows and bytes of each input, and every positive number of its config."""
    found: dict[str, float] = {}
    size = 0.0
    for role, artifact in inputs.items():
        found[f"bytes:{role}"] = math.log1p(artifact.size)
        rows = artifact.meta.get("rows")
        if isinstance(rows, int):
            found[f"rows:{role}"] = math.log1p(rows)
        size += rows if isinstance(rows, int) else artifact.size / BYTES_A_ROW
    found[SIZE] = log_size(size)
    for name, value in list(_numbers("", config))[:_BRANCHES]:
        found[f"config:{name}"] = math.log1p(value)
    return found


def this_machine(workspace: Workspace) -> dict[str, float]:
    """The feature of a run that is carried out here; none where it is not known beforehand which machine will."""
    return {MACHINE + platform.node(): 1.0} if _is_local(workspace) else {}


def _is_local(workspace: Workspace) -> bool:
    return workspace.stores.location.engine == "local"


def log_size(rows: float) -> float:
    """Logarithm of a size in rows, flat below what a worker's start costs anyway."""
    return math.log(rows + _FLAT)


def _numbers(path: str, value: Any) -> Iterable[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(f"{path}.{name}" if path else str(name), item)
    elif isinstance(value, (list, tuple)):
        yield f"{path}#", float(len(value))
    elif (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and not path.endswith("seed")
        and value > 0
        and math.isfinite(value)
    ):
        yield path, float(value)


def _cores_of(run: Run, core_ns: int) -> int:
    """Cores held, from what was leased and for how long."""
    if run.started_at is None or run.ended_at is None:
        return 1
    held = (run.ended_at - run.started_at).total_seconds() * 1e9
    return max(1, round(core_ns / held)) if held > 0 else 1
