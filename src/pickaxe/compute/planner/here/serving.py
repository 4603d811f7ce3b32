"""What serving takes on this machine: forecast when a server starts or an endpoint goes live, read when it drains or a day is over.

Nothing is known beforehand but the price of a core and how fast a model answered when it was loaded. The rest is learnt from windows that
were served before, and, as long as there are none, from the traces of the last day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from pickaxe.compute.planner.here.foresight import EVENT, Foresight, foresee
from pickaxe.compute.planner.here.history import Past
from pickaxe.kernel.ledger.tariff import HOUR_NS

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

SERVED = "served"
"""Kind of the event with what was read of a window; its subject is that of the forecast."""
STEP = "serve"
METERS = ("answer_us", "answers_hour", "nano_thousand", "nano_hour", "tokens_hour", "answer_cpu_us")
"""Forecast of serving beside the peak of memory: an answer's median time, answers an hour, money for 1,000 of them and an hour, tokens
an hour, and CPU time of an answer, all that the server does included."""

SHORTEST_NS = HOUR_NS // 6
"""Traffic of a shorter window is not read: what came in a minute says nothing of an hour."""
FEWEST_ANSWERS = 20
BUSY_ANSWERS = 1_000
"""Answers of a window from which on its CPU time is that of answers, and not of waiting for them."""
_MOMENT = 0.02
"""Share of a window that its core may be taken later or given back earlier than the window says."""
_DAY_NS = 24 * HOUR_NS
_WINDOWS = 50
_TRACES = 1_000
_OF_SERVER = ("memory_peak_bytes", "tokens_hour", "answer_cpu_us")
_OF_ENDPOINT = ("answer_us", "answers_hour")


@dataclass(frozen=True, slots=True)
class ServingForecast:
    """Of one endpoint, or of a whole server where `endpoint` is "".

    Attributes:
        calls_s: a second, that its model alone can answer, one after the other, as it was timed when a server loaded it.
        by_traces: meters that rest on the last day's answers; the others rest on windows that were served before.
    """

    endpoint: str
    meters: Mapping[str, Foresight]
    calls_s: float | None = None
    by_traces: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """The body of its event, and what the API answers."""
        meters = {name: asdict(item) for name, item in self.meters.items()}
        return {
            "step": STEP,
            "endpoint": self.endpoint,
            "calls_s": self.calls_s,
            "by_traces": list(self.by_traces),
            "meters": meters,
        }

    def middle(self, meter: str) -> float | None:
        found = self.meters.get(meter)
        return None if found is None else found.middle

    @property
    def answers_s(self) -> float | None:
        """A second, that the whole server can give on one core; None while no window was busy enough to say."""
        cpu = self.middle("answer_cpu_us")
        return None if not cpu else 1e6 / cpu


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of an endpoint in the last day: milliseconds of its newest answers, sorted, and how many an hour it gave on average."""

    ms: Sequence[float]
    per_hour: float


def forecast_server(workspace: Workspace) -> ServingForecast:
    """Peak memory of the server's process, tokens and money an hour: one core, for the share of the time in which no run wanted it."""
    past = _windows(workspace, "")
    meters = _foreseen(past, _OF_SERVER)
    if (money := _nano_hour(workspace, past)) is not None:
        meters["nano_hour"] = money
    return ServingForecast("", meters)


def forecast_endpoint(
    workspace: Workspace, name: str, calls_s: float | None = None, seen: Mapping[str, Traffic] | None = None
) -> ServingForecast:
    """Time of an answer, traffic, and money for 1,000 answers.

    Args:
        calls_s: as the model was timed on loading; None takes what the last server timed.
        seen: `every_traffic`, for whoever asks of several endpoints.
    """
    everywhere = every_traffic(workspace) if seen is None else seen
    meters, own = _foreseen(_windows(workspace, name), _OF_ENDPOINT), everywhere.get(name, Traffic((), 0.0))
    by_windows = set(meters)
    if "answer_us" not in meters and len(own.ms) >= FEWEST_ANSWERS:
        low, middle, high = (1000 * own.ms[int(share * (len(own.ms) - 1))] for share in (0.05, 0.5, 0.95))
        meters["answer_us"] = Foresight(low, middle, high, len(own.ms))
    if "answers_hour" not in meters and own.per_hour:
        meters["answers_hour"] = Foresight(own.per_hour / 2, own.per_hour, own.per_hour * 2, len(own.ms))
    others = sum(traffic.per_hour for other, traffic in everywhere.items() if other != name)
    if (thousand := _nano_thousand(workspace, meters.get("answers_hour"), others)) is not None:
        meters["nano_thousand"] = thousand
    by_traces = tuple(meter for meter in _OF_ENDPOINT if meter in meters and meter not in by_windows)
    if calls_s is None and (kept := kept_forecast(workspace, name)) is not None:
        calls_s = kept.calls_s
    return ServingForecast(name, meters, calls_s, by_traces)


def every_traffic(workspace: Workspace) -> dict[str, Traffic]:
    """Of all endpoints, by name."""
    since = workspace.catalog.clock.now_ns() - _DAY_NS
    after = workspace.log.seq_before(since)
    return {endpoint.name: _traffic(workspace, endpoint.name, since, after) for endpoint in workspace.endpoints()}


def _traffic(workspace: Workspace, name: str, since_ns: int, after_seq: int) -> Traffic:
    """What the traces since an instant say, which is event number `after_seq`."""
    newest = workspace.log.values("trace", name, limit=_TRACES)
    answers = workspace.log.count("trace", name=name, after_seq=after_seq)
    return Traffic(sorted(ms for at, ms in newest if at > since_ns and ms is not None), answers / _DAY_NS * HOUR_NS)


def keep_forecast(workspace: Workspace, subject: str, forecast: ServingForecast) -> None:
    workspace.emit(EVENT, subject, name=f"{STEP}:{forecast.endpoint}", body=forecast.body())


def kept_forecast(workspace: Workspace, endpoint: str) -> ServingForecast | None:
    """The newest that a server kept of an endpoint, or of itself ("")."""
    events = workspace.log.list(kind=EVENT, name=f"{STEP}:{endpoint}", limit=1, newest_first=True)
    if not events:
        return None
    body = events[0].body
    meters = {name: Foresight(**item) for name, item in body["meters"].items()}
    return ServingForecast(endpoint, meters, body["calls_s"], tuple(body["by_traces"]))


def keep_readings(workspace: Workspace, subject: str, endpoint: str, readings: Mapping[str, float]) -> None:
    workspace.emit(SERVED, subject, name=f"{STEP}:{endpoint}", body={"readings": dict(readings)})


def readings_of(workspace: Workspace, *, limit: int) -> dict[tuple[str, str], float]:
    """What was read of windows that have ended, by subject and meter."""
    events = workspace.log.list(kind=SERVED, limit=limit, newest_first=True)
    return {(event.subject, meter): value for event in events for meter, value in event.body["readings"].items()}


def _windows(workspace: Workspace, endpoint: str) -> list[Past]:
    events = workspace.log.list(kind=SERVED, name=f"{STEP}:{endpoint}", limit=_WINDOWS, newest_first=True)
    return [Past(event.subject, STEP, {}, 1, event.body["readings"]) for event in events]


def _foreseen(past: Sequence[Past], meters: Sequence[str]) -> dict[str, Foresight]:
    return foresee({}, 1, past, dict.fromkeys(meters, 0.0))


def _nano_hour(workspace: Workspace, past: Sequence[Past]) -> Foresight | None:
    tariff, now = workspace.ledger.tariffs().get("cpu"), workspace.catalog.clock.now_ns()
    if tariff is None:
        return None
    core = tariff.held(now, now + HOUR_NS)
    shares = [run.readings["core_share"] for run in past if "core_share" in run.readings] or [1.0]
    low, high = core * min(shares) * (1 - _MOMENT), core * max(shares) * (1 + _MOMENT)
    return Foresight(low, core * median(shares), high, len(past))


def _nano_thousand(workspace: Workspace, answers: Foresight | None, others: float) -> Foresight | None:
    """An endpoint bears the server's core by its share of the answers, so every answer of a server costs the same."""
    money = forecast_server(workspace).middle("nano_hour")
    if answers is None or money is None or not answers.low:
        return None
    low, middle, high = (1000 * money / (number + others) for number in (answers.high, answers.middle, answers.low))
    return Foresight(low, middle, high, answers.runs)
