"""What a run will take, from what runs of the same step took: time, peak memory, tokens, bytes, people's time, and money.

Log-linear regression on what the step is given, shrunk towards "time grows with the rows" by ridge: with one earlier run it scales
that one; with many it learns the exponents of this machine. Runs like the new one weigh more than others (a Gaussian kernel over the
distance in features). Source of the method: ridge regression with a prior mean (Hoerl and Kennard 1970; the Bayesian reading in
Bishop 2006, section 3.3), locally weighted (Cleveland 1979).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pickaxe.compute.planner.here.history import SIZE, Past, features_of, past_runs, this_machine

if TYPE_CHECKING:
    from pickaxe.kernel.ledger.tariff import Tariff
    from pickaxe.kernel.runs import RunSpec
    from pickaxe.kernel.workspace import Workspace

EVENT = "forecast"
"""Kind of the event that keeps a forecast; its subject is the run."""

_PRIOR = {"wall_ms": 0.7, "memory_peak_bytes": 0.05, "tokens": 1.0, "stored_bytes": 0.9, "human_ms": 0.0}
"""Exponent of the input's size that is believed until runs say otherwise."""
_RIDGE = 0.1
_NEAR = 3.0
"""Distance in logarithms at which a run counts for 60% of one that is the same."""
_LEAST_SPREAD = 0.05
_NORMAL_90 = 1.645


@dataclass(frozen=True, slots=True)
class Foresight:
    """A reading before it is read: middle, and where nine of ten should lie; `runs` it rests on."""

    low: float
    middle: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True)
class RunForecast:
    """What one run should take, meter by meter, and its price in nano-units; empty when nothing like it ever ran."""

    run_id: str
    step: str
    cores: int
    meters: Mapping[str, Foresight]
    nano: int | None

    @property
    def seconds(self) -> float | None:
        wall = self.meters.get("wall_ms")
        return None if wall is None else wall.middle / 1000

    @property
    def memory_bytes(self) -> float | None:
        memory = self.meters.get("memory_peak_bytes")
        return None if memory is None else memory.middle

    def body(self) -> dict[str, Any]:
        """The body of its event."""
        return {
            "step": self.step,
            "cores": self.cores,
            "nano": self.nano,
            "meters": {name: asdict(item) for name, item in self.meters.items()},
        }


def forecast_run(workspace: Workspace, spec: RunSpec, cores: int) -> RunForecast:
    """Forecast a run from this workspace's own ledger."""
    past = past_runs(workspace, spec.step)
    meters = foresee(features_of(spec.config, spec.inputs) | this_machine(workspace), cores, past)
    return RunForecast(spec.run_id, spec.step, cores, meters, price(meters, cores, workspace))


def foresee(
    features: Mapping[str, float], cores: int, past: Sequence[Past], priors: Mapping[str, float] = _PRIOR
) -> dict[str, Foresight]:
    """Every meter of `priors` that the past runs had a reading of."""
    found: dict[str, Foresight] = {}
    for meter, prior in priors.items():
        pairs = [(run, run.readings[meter]) for run in past if run.readings.get(meter, 0) > 0]
        if pairs:
            runs, values = zip(*pairs, strict=True)
            found[meter] = _regressed(features, cores, runs, values, prior)
    return found


def _regressed(
    features: Mapping[str, float], cores: int, past: Sequence[Past], values: Sequence[float], prior: float
) -> Foresight:
    import numpy as np

    names = _telling(features, past)
    # Features are counted from the new run's; one that only one of the two has says that they differ, not by how much.
    x = [
        [
            run.features[name] - value if (value := features.get(name)) is not None and name in run.features else 0.0
            for name in names
        ]
        for run in past
    ]
    alike = [[float((name in run.features) != (name in features)) for name in names] for run in past]
    x = np.column_stack(
        [
            np.array(x).reshape(len(past), -1),
            np.array(alike).reshape(len(past), -1),
            [math.log(run.cores / cores) for run in past],
        ]
    )
    y = np.log(np.array(values, dtype=float))
    weights = np.exp(-0.5 * (np.linalg.norm(x, axis=1) / _NEAR) ** 2) + 1e-3
    believed = np.zeros(x.shape[1])
    if SIZE in names:
        believed[names.index(SIZE)] = prior
    # The intercept is then the forecast itself.
    residual = y - x @ believed
    centre = np.average(x, axis=0, weights=weights)
    level = np.average(residual, weights=weights)
    xc, rc = x - centre, residual - level
    gram = (xc * weights[:, None]).T @ xc + _RIDGE * np.eye(x.shape[1])
    delta = np.linalg.solve(gram, (xc * weights[:, None]).T @ rc)
    middle = level - centre @ delta
    left = rc - xc @ delta
    spread = math.sqrt(max(float(np.average(left**2, weights=weights)), _LEAST_SPREAD**2))
    far = math.sqrt(1 + 1 / float(weights.sum()) + float(centre @ np.linalg.solve(gram, centre)))
    band = _NORMAL_90 * spread * far * (2.0 if len(past) < 3 else 1.0)
    return Foresight(math.exp(middle - band), math.exp(middle), math.exp(middle + band), len(past))


def _telling(features: Mapping[str, float], past: Sequence[Past]) -> list[str]:
    """Features that differ among the runs or from the new one; the others explain nothing."""
    names = sorted({name for run in past for name in run.features} | set(features))
    return [
        name
        for name in names
        if len({round(run.features.get(name, 0.0), 9) for run in past} | {round(features.get(name, 0.0), 9)}) > 1
    ]


def price(meters: Mapping[str, Foresight], cores: int, workspace: Workspace) -> int | None:
    """Money at today's prices: the cores for the time, and what is priced by quantity."""
    if "wall_ms" not in meters:
        return None
    tariffs, now = workspace.ledger.tariffs(), workspace.catalog.clock.now_ns()
    total = 0
    if "cpu" in tariffs:
        total += cores * tariffs["cpu"].held(now, now + round(meters["wall_ms"].middle * 1e6))
    for meter in ("tokens", "stored_bytes", "human_ms"):
        total += _quantity(tariffs.get(meter), meters.get(meter), now)
    return total


def _quantity(tariff: Tariff | None, foreseen: Foresight | None, now: int) -> int:
    return 0 if tariff is None or foreseen is None else tariff.quantity(round(foreseen.middle), now) or 0
