"""What serving takes on this machine: forecast when a server starts or an endpoint goes live, read when it drains or a day is over.

Nothing is known beforehand but the price of a core and how fast a model answered when it was loaded. The rest is learnt from windows that
were served before, and, as long as there are none, from the traces of the last day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from pickaxe.compute.planner.foresight import EVENT, Foresight, foresee
from pickaxe.compute.planner.history import Past
from pickaxe.kernel.ledger.ledger import HOUR_NS

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

SERVED = "served"
"""Kind of the event with what was read of a window; its subject is that of the forecast."""
STEP = "serve"
METERS = ("answer_us", "answers_hour", "nano_thousand", "nano_hour", "tokens_hour")
"""Forecast of serving beside the peak of memory: an answer's median time, answers and tokens an hour, money an hour and for 1,000 answers."""

SHORTEST_NS = HOUR_NS // 6
"""Traffic of a shorter window is not read: what came in a minute says nothing of an hour."""
FEWEST_ANSWERS = 20
_DAY_NS = 24 * HOUR_NS
_WINDOWS = 50
_TRACES = 1_000
_LEARNT: Mapping[str, float] = dict.fromkeys(("memory_peak_bytes", "answer_us", "answers_hour", "tokens_hour"), 0.0)


@dataclass(frozen=True, slots=True)
class ServingForecast:
    """Of one endpoint, or of a whole server where `endpoint` is "". `calls_s` is what its models can do one call after the other."""

    endpoint: str
    meters: Mapping[str, Foresight]
    calls_s: float | None = None

    def body(self) -> dict[str, Any]:
        """The body of its event, and what the API answers."""
        meters = {name: asdict(item) for name, item in self.meters.items()}
        return {"step": STEP, "endpoint": self.endpoint, "calls_s": self.calls_s, "meters": meters}

    def middle(self, meter: str) -> float | None:
        found = self.meters.get(meter)
        return None if found is None else found.middle


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of an endpoint in the last day: milliseconds of its newest answers, sorted, and answers an hour."""

    ms: Sequence[float]
    per_hour: float


def forecast_server(workspace: Workspace) -> ServingForecast:
    """Peak memory of the server's process, tokens and money an hour: one core, for the share of the time in which no run wanted it."""
    past = _windows(workspace, "")
    meters = {name: item for name, item in _foreseen(past).items() if name in ("memory_peak_bytes", "tokens_hour")}
    if (money := _nano_hour(workspace, past)) is not None:
        meters["nano_hour"] = money
    return ServingForecast("", meters)


def forecast_endpoint(workspace: Workspace, name: str, calls_s: float | None = None) -> ServingForecast:
    """Time of an answer, traffic, and money for 1,000 answers; `calls_s` as measured on loading, else as the last server measured it."""
    windows, seen = _foreseen(_windows(workspace, name)), traffic(workspace, name)
    meters = {meter: item for meter, item in windows.items() if meter in ("answer_us", "answers_hour")}
    if "answer_us" not in meters and len(seen.ms) >= FEWEST_ANSWERS:
        low, middle, high = (1000 * seen.ms[int(share * (len(seen.ms) - 1))] for share in (0.05, 0.5, 0.95))
        meters["answer_us"] = Foresight(low, middle, high, len(seen.ms))
    if "answers_hour" not in meters and seen.per_hour:
        meters["answers_hour"] = Foresight(seen.per_hour / 2, seen.per_hour, seen.per_hour * 2, len(seen.ms))
    if (thousand := _nano_thousand(workspace, name, meters.get("answers_hour"))) is not None:
        meters["nano_thousand"] = thousand
    return ServingForecast(name, meters, calls_s or _last_calls_s(workspace, name))


def traffic(workspace: Workspace, name: str) -> Traffic:
    """What the newest traces say."""
    now = workspace.catalog.clock.now_ns()
    newest = [(at, ms) for at, ms in workspace.log.values("trace", name, limit=_TRACES) if now - at < _DAY_NS and ms is not None]
    lasted = now - newest[-1][0] if len(newest) == _TRACES else _DAY_NS
    return Traffic(sorted(ms for _, ms in newest), len(newest) / max(lasted, 1) * HOUR_NS)


def keep_forecast(workspace: Workspace, subject: str, forecast: ServingForecast) -> None:
    workspace.emit(EVENT, subject, name=f"{STEP}:{forecast.endpoint}", body=forecast.body())


def keep_readings(workspace: Workspace, subject: str, endpoint: str, readings: Mapping[str, float]) -> None:
    workspace.emit(SERVED, subject, name=f"{STEP}:{endpoint}", body={"readings": dict(readings)})


def readings_of(workspace: Workspace, *, limit: int) -> dict[tuple[str, str], float]:
    """What was read of windows that have ended, by subject and meter."""
    events = workspace.log.list(kind=SERVED, limit=limit, newest_first=True)
    return {(event.subject, meter): value for event in events for meter, value in event.body["readings"].items()}


def _windows(workspace: Workspace, endpoint: str) -> list[Past]:
    events = workspace.log.list(kind=SERVED, name=f"{STEP}:{endpoint}", limit=_WINDOWS, newest_first=True)
    return [Past(event.subject, STEP, {}, 1, event.body["readings"]) for event in events]


def _foreseen(past: Sequence[Past]) -> dict[str, Foresight]:
    return foresee({}, 1, past, _LEARNT) if past else {}


def _nano_hour(workspace: Workspace, past: Sequence[Past]) -> Foresight | None:
    tariff, now = workspace.ledger.tariffs().get("cpu"), workspace.catalog.clock.now_ns()
    if tariff is None:
        return None
    core = tariff.held(now, now + HOUR_NS)
    shares = [run.readings["core_share"] for run in past if "core_share" in run.readings] or [1.0]
    return Foresight(core * min(shares), core * median(shares), core * max(shares), len(past))


def _nano_thousand(workspace: Workspace, name: str, answers: Foresight | None) -> Foresight | None:
    """An endpoint bears the server's core by its share of the answers, so every answer of a server costs the same."""
    money = forecast_server(workspace).middle("nano_hour")
    if answers is None or money is None or not answers.low:
        return None
    others = sum(traffic(workspace, item.name).per_hour for item in workspace.endpoints() if item.name != name)
    low, middle, high = (1000 * money / (number + others) for number in (answers.high, answers.middle, answers.low))
    return Foresight(low, middle, high, answers.runs)


def _last_calls_s(workspace: Workspace, name: str) -> float | None:
    events = workspace.log.list(kind=EVENT, name=f"{STEP}:{name}", limit=1, newest_first=True)
    return events[0].body["calls_s"] if events else None
