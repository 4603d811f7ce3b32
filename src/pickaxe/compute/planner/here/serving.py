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
from pickaxe.compute.planner.here.served import FEWEST_ANSWERS, SERVED, STEP, answers_of_all
from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.ledger.spare import servers
from pickaxe.kernel.ledger.tariff import HOUR_NS

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

METERS = ("answer_us", "answers_hour", "nano_thousand", "nano_hour", "tokens_hour", "answer_cpu_us")
"""Forecast of serving beside the peak of memory: an answer's median time, answers an hour, money for 1,000 of them and an hour, tokens
an hour, and CPU time of an answer, all that the server does included."""

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
class LastDay:
    """The last day up to now, which forecasts of several endpoints have in common.

    Attributes:
        nano_hour: what an hour of all servers together should cost, None where it is not this tenant's to see.
        answers_hour: of all tenants, as any server answers for any endpoint.
    """

    since_ns: int
    after_seq: int
    nano_hour: float | None
    answers_hour: float


@dataclass(frozen=True, slots=True)
class _Traffic:
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


def last_day(workspace: Workspace, own_pool: str | None = None) -> LastDay:
    """Args: own_pool: of the server that asks, if one does."""
    since = workspace.catalog.clock.now_ns() - _DAY_NS
    after = workspace.log.seq_before(since)
    money = forecast_server(workspace).middle("nano_hour") if workspace.tenant_id == LOCAL_TENANT else None
    if money is None:
        return LastDay(since, after, None, 0.0)
    answers = answers_of_all(workspace, after) / _DAY_NS * HOUR_NS
    return LastDay(since, after, money * servers(workspace, own_pool), answers)


def forecast_endpoint(
    workspace: Workspace, name: str, calls_s: float | None = None, day: LastDay | None = None
) -> ServingForecast:
    """Time of an answer, traffic, and money for 1,000 answers.

    Args:
        calls_s: as the model was timed on loading; None takes what the last server timed.
        day: `last_day`, for whoever asks of several endpoints.
    """
    day = day or last_day(workspace)
    meters, own = _foreseen(_windows(workspace, name), _OF_ENDPOINT), _traffic(workspace, name, day)
    by_windows = set(meters)
    if "answer_us" not in meters and len(own.ms) >= FEWEST_ANSWERS:
        low, middle, high = (1000 * own.ms[int(share * (len(own.ms) - 1))] for share in (0.05, 0.5, 0.95))
        meters["answer_us"] = Foresight(low, middle, high, len(own.ms))
    if "answers_hour" not in meters and own.per_hour:
        meters["answers_hour"] = Foresight(own.per_hour / 2, own.per_hour, own.per_hour * 2, len(own.ms))
    if (thousand := _nano_thousand(day, meters.get("answers_hour"), own.per_hour)) is not None:
        meters["nano_thousand"] = thousand
    by_traces = tuple(meter for meter in _OF_ENDPOINT if meter in meters and meter not in by_windows)
    if calls_s is None and (kept := kept_forecast(workspace, name)) is not None:
        calls_s = kept.calls_s
    return ServingForecast(name, meters, calls_s, by_traces)


def _traffic(workspace: Workspace, name: str, day: LastDay) -> _Traffic:
    newest = workspace.log.values("trace", name, limit=_TRACES)
    answers = workspace.log.count("trace", name=name, after_seq=day.after_seq)
    return _Traffic(sorted(ms for at, ms in newest if at > day.since_ns and ms is not None), answers / _DAY_NS * HOUR_NS)


def keep_forecast(workspace: Workspace, subject: str, forecast: ServingForecast, pool: str = "") -> None:
    """Args: pool: that the server lives in; once it is closed, a window without readings is one of a server that was killed."""
    workspace.emit(EVENT, subject, name=f"{STEP}:{forecast.endpoint}", body=forecast.body() | ({"pool": pool} if pool else {}))


def kept_forecast(workspace: Workspace, endpoint: str) -> ServingForecast | None:
    """The newest that a server kept of an endpoint, or of itself ("")."""
    events = workspace.log.list(kind=EVENT, name=f"{STEP}:{endpoint}", limit=1, newest_first=True)
    if not events:
        return None
    body = events[0].body
    meters = {name: Foresight(**item) for name, item in body["meters"].items()}
    return ServingForecast(endpoint, meters, body["calls_s"], tuple(body["by_traces"]))


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


def _nano_thousand(day: LastDay, answers: Foresight | None, own_hour: float) -> Foresight | None:
    """An endpoint bears the servers' cores by its share of all answers, so every answer costs the same."""
    if answers is None or day.nano_hour is None or not answers.low:
        return None
    others = max(day.answers_hour - own_hour, 0.0)
    low, middle, high = (1000 * day.nano_hour / (number + others) for number in (answers.high, answers.middle, answers.low))
    return Foresight(low, middle, high, answers.runs)
