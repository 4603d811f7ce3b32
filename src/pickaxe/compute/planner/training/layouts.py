"""The search over parallel layouts: the cheapest that fits, the next ones, and why the others fall out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf, log

from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.quantities.checks import count, share
from pickaxe.compute.planner.quantities.units import Bytes, DevicePrice, Devices, DeviceTime, Money, Seconds
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.memory import Keeping, Memory, memory, memory_at_least
from pickaxe.compute.planner.training.network import Network, Step, step, utilisation
from pickaxe.compute.planner.training.tried import layouts, recomputations
from pickaxe.compute.planner.training.work import RECOMPUTE, Training
from pickaxe.compute.planner.words import Note, note
from pickaxe.kernel.errors import BadInput

# Beyond this a job is not searched but asked to be narrowed: the answer would take longer than anybody waits.
MOST_LAYOUTS = 50_000
_DEGREES = ("tensor", "pipeline", "context", "expert", "zero")
# Two costs within this factor are the same to a model that is right within a fifth.
_EQUAL = 1.03


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the layouts have to do: `batch` sequences a step over one of the `devices` counts, within `deadline` if there is one.

    `tensor` and so on fix a degree that the user chose. `most_micro_batch` bounds the search. `practice` is the share of the peak that
    such runs keep up in practice, failures included: a deadline is held against that, not against what the network model promises.
    """

    batch: int
    devices: Sequence[int]
    deadline: Seconds | None = None
    price: DevicePrice | None = None
    tensor: int | None = None
    pipeline: int | None = None
    context: int | None = None
    expert: int | None = None
    zero: int | None = None
    recompute: str | None = None
    most_micro_batch: int = 8
    practice: float = 1.0

    def __post_init__(self) -> None:
        """Raises `BadInput` naming the field."""
        count("batch", self.batch, high=10_000_000)
        if not self.devices:
            raise BadInput("devices is empty", expected="at least one count of devices")
        for number in self.devices:
            count("devices", number, high=1_000_000)
        share("practice", self.practice, open_low=True)
        for name in _DEGREES[:4]:
            if getattr(self, name) is not None:
                count(name, getattr(self, name), high=1_000_000)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layout that can be computed, with what it takes; `device_time` for the whole job."""

    layout: Layout
    recompute: str
    memory: Memory
    step: Step
    mfu: float
    time: Seconds
    device_time: DeviceTime
    money: Money | None

    @property
    def described(self) -> Note:
        return _described(self.layout, self.recompute)


@dataclass(frozen=True, slots=True)
class Fallen:
    """Layouts left out for one reason: how many, and the one that came nearest."""

    reason: Note
    layouts: int
    example: Note


@dataclass(slots=True)
class _Outside:
    """Layouts beyond one limit: how many, and the one that takes least."""

    number: int = 0
    least: float = inf
    _layout: Layout = field(default_factory=Layout)
    _recompute: str = "none"

    def add(self, taken: float, layout: Layout, recompute: str) -> None:
        self.number += 1
        if taken < self.least:
            self.least, self._layout, self._recompute = taken, layout, recompute

    @property
    def nearest(self) -> Note:
        return _described(self._layout, self._recompute)


@dataclass(frozen=True, slots=True)
class Search:
    """`best` is in order of cost (device-hours, or money where there is a price), the fastest first among equals. Of the layouts
    `considered`, `possible` contradict neither the model nor themselves.
    """

    best: tuple[Candidate, ...]
    fallen: tuple[Fallen, ...]
    considered: int
    possible: int
    capacity: Bytes


def search(
    job: Training,
    device: Accelerator,
    wanted: Wanted,
    *,
    keeping: Keeping | None = None,
    network: Network | None = None,
    dtype: str = "bf16",
    keep: int = 5,
) -> Search:
    """Try every layout of `wanted.devices`. An empty `best` means that nothing fits; `fallen` then says what was nearest.

    Raises `BadInput` when the user's fixed degrees contradict the model or leave nothing to try.
    """
    held, capacity = keeping or Keeping(), float(device.memory)
    fits: list[Candidate] = []
    too_large, too_slow = _Outside(), _Outside()
    odd: dict[str, list[tuple[Note, Layout]]] = {}
    considered = 0
    jobs = {choice: replace(job, recompute=choice) for choice in RECOMPUTE}
    bounds: dict[tuple[int, ...], float] = {}
    for layout in layouts(job, device, wanted):
        if contradiction := layout.contradiction(job.model, job.sequence):
            considered += 1
            odd.setdefault(contradiction.key, []).append((contradiction, layout))
            continue
        states = (layout.data, layout.tensor, layout.pipeline, layout.context, layout.expert, layout.zero)
        if (bound := bounds.get(states)) is None:
            bound = bounds[states] = memory_at_least(job, layout, held)
        for recompute in recomputations(wanted, held):
            considered += 1
            if considered > MOST_LAYOUTS:
                raise BadInput("too many layouts to try", expected="fewer device counts, or some degrees fixed")
            if bound > capacity and bound >= too_large.least:
                too_large.number += 1  # and not the nearest
                continue
            needs = memory(jobs[recompute], layout, held)
            if (total := float(needs.total)) > capacity:
                too_large.add(total, layout, recompute)
                continue
            found = _candidate(jobs[recompute], layout, device, needs, wanted, dtype, network)
            likely = float(found.time) * max(1.0, found.mfu / wanted.practice)
            if wanted.deadline is not None and likely > float(wanted.deadline):
                too_slow.add(likely, layout, recompute)
            else:
                fits.append(found)
            break  # recomputing more than is needed only takes longer
    if considered == 0:
        fixed = [f"{name} = {value}" for name in _DEGREES if (value := getattr(wanted, name)) is not None]
        raise BadInput(
            f"no layout uses exactly these devices with this batch{' and ' if fixed else ''}{', '.join(fixed)}",
            expected=f"a batch that the data replicas divide, devices that the degrees divide; batch is {wanted.batch}",
            got=f"devices {', '.join(map(str, wanted.devices))}",
        )
    ranked = _ranked(fits)
    return Search(
        _distinct(ranked, keep),
        tuple(_why(too_large, too_slow, odd, ranked, device, wanted)),
        considered,
        considered - sum(map(len, odd.values())),
        device.memory,
    )


def _ranked(fits: list[Candidate]) -> list[Candidate]:
    """In order of cost. Costs that differ by less than the model can tell are equal: then the fewest devices, then the soonest."""

    def spent(one: Candidate) -> float:
        return float(one.money or one.device_time)

    least = min(map(spent, fits), default=0.0) or 1.0
    return sorted(fits, key=lambda one: (int(log(max(1.0, spent(one) / least)) / log(_EQUAL)), one.layout.devices, spent(one)))


def _described(layout: Layout, recompute: str) -> Note:
    return note("layout", devices=layout.devices, layout=str(layout), again=note(f"again_{recompute}"))


def _candidate(
    job: Training, layout: Layout, device: Accelerator, needs: Memory, wanted: Wanted, dtype: str, network: Network | None
) -> Candidate:
    taken = step(job, layout, device, dtype=dtype, network=network)
    steps = float(job.tokens) / (layout.batch * job.sequence)
    time = Seconds(steps * taken.total)
    held = DeviceTime(Devices(layout.devices) * time)
    money = None if wanted.price is None else Money(wanted.price * held)
    mfu = utilisation(job, layout, device, taken, dtype=dtype)
    return Candidate(layout, job.recompute, needs, taken, mfu, time, held, money)


def _distinct(ranked: list[Candidate], keep: int) -> tuple[Candidate, ...]:
    """The first of each split of the devices: a second best that only differs in the micro-batch tells nobody anything."""
    seen: dict[tuple[int, ...], Candidate] = {}
    for one in ranked:
        split = one.layout
        seen.setdefault((split.devices, split.data, split.tensor, split.pipeline, split.context, split.expert), one)
        if len(seen) == keep:
            break
    return tuple(seen.values())


def _why(
    too_large: _Outside,
    too_slow: _Outside,
    odd: dict[str, list[tuple[Note, Layout]]],
    ranked: list[Candidate],
    device: Accelerator,
    wanted: Wanted,
) -> Iterator[Fallen]:
    if too_large.number:
        reason = note("falls_too_large", memory=str(device.memory), device=device.key, least=str(Bytes(too_large.least)))
        yield Fallen(reason, too_large.number, too_large.nearest)
    if too_slow.number:
        reason = note("falls_too_slow", deadline=str(wanted.deadline), soonest=str(Seconds(too_slow.least)))
        yield Fallen(reason, too_slow.number, too_slow.nearest)
    for examples in odd.values():
        reason, layout = examples[0]
        yield Fallen(reason, len(examples), _described(layout, "none"))
    if len(ranked) > 1:
        first, last = ranked[0], ranked[-1]
        times = f"{float(last.device_time / first.device_time):.1f}"
        yield Fallen(note("falls_costs_more", times=times), len(ranked) - 1, last.described)
