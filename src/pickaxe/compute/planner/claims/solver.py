"""The claim solver: under which assumptions is a published statement true, and is there any plausible one?

Three questions, in order. Is it true with the values it names? If not: which single assumption would have to be what (bisection)? And
is there a point in the box of plausible assumptions where it is true? A point that was found proves that there is one; that there is
none is proved by interval arithmetic over the box, cut into halves until every part is settled (branch and bound).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pickaxe.compute.planner.claims.claims import Case, Claim, Result, Verdict
from pickaxe.compute.planner.quantities.formula import Formula, Interval
from pickaxe.compute.planner.quantities.units import Quantity
from pickaxe.kernel.errors import BadInput

_BOXES = 4096
_SCAN, _HALVINGS = 100, 60
_WAYS = 24
"""Corners of the box to which a way is walked, at most."""
_REACH = 1e4
"""How far beyond its usual value a single quantity is sought, up and down."""


@dataclass(frozen=True, slots=True)
class Needed:
    """The value that one quantity must have, the others as stated or usual; None where no value of it will do."""

    name: str
    usual: Quantity
    value: Quantity | None
    stated: bool
    plausible: bool
    low: Quantity | None = None
    high: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """What the solver found. `lowest` and `highest` enclose every result of the plausible box."""

    claim: Claim
    value: Quantity
    verdict: Verdict
    needed: tuple[Needed, ...]
    point: dict[str, Quantity] | None
    lowest: Quantity
    highest: Quantity

    @property
    def off_by(self) -> float | None:
        """How many times too much or too little is claimed, against the nearest plausible result; None where some result fits."""
        low, high = self.claim.result.interval
        if self.verdict != "impossible":
            return None
        least, most = float(self.lowest), float(self.highest)
        ratio = low / most if low > most and most > 0 else least / high if high > 0 else math.nan
        return ratio if math.isfinite(ratio) else None


def solve(claim: Claim) -> Solution:
    """List the assumptions under which `claim` is true. Pure and without chance: the same claim gives the same answer."""
    usual, dimension = claim.usual, claim.result.any_quantity.dimension
    plain = {name: float(value) for name, value in usual.items()}
    box = {name: (float(item.low), float(item.high)) for name, item in claim.assume.items()}
    value = claim.arithmetic.value(plain)
    point = _point(claim.arithmetic, claim.result, plain, box)
    verdict: Verdict = "true" if claim.result.holds(value) else "possible"
    if point is None:
        verdict = "impossible" if _none_in(claim.arithmetic, claim.result.interval, plain, box) else "undecided"
    lowest, highest = _enclosure(claim.arithmetic, plain, box)
    return Solution(
        claim,
        Quantity(value, dimension),
        verdict,
        tuple(_needed(claim, name, plain) for name in [*claim.given, *claim.assume]) if verdict != "true" else (),
        None if point is None else {name: Quantity(number, usual[name].dimension) for name, number in point.items()},
        Quantity(lowest, dimension),
        Quantity(highest, dimension),
    )


def case_value(claim: Claim, case: Case) -> Quantity:
    """What the claim's arithmetic gives for one case: the result, or the value that it takes. Raises `BadInput` if none does."""
    formula = Formula(case.formula) if case.formula else claim.arithmetic
    values = claim.usual | case.set
    if case.solve is None:
        return Quantity(formula.value(values))
    wanted = float(case.reach if case.reach is not None else claim.result.about or math.nan)
    found = root(formula, {name: float(value) for name, value in values.items()}, case.solve, wanted)
    if found is None:
        raise BadInput(
            f"claim {claim.id}: no value of {case.solve} gives what case {case.text['en']!r} wants", got=str(case.reach)
        )
    return Quantity(found, claim.usual[case.solve].dimension)


def tradeoff(claim: Claim, fixed: str, solved: str, points: int = 9) -> list[tuple[Quantity, Quantity | None]]:
    """For values of assumption `fixed` over its plausible range: the value of `solved` that makes the claim true."""
    plain = {name: float(value) for name, value in claim.usual.items()}
    span, wanted = claim.assume[fixed], _aim(claim, plain)
    pairs: list[tuple[Quantity, Quantity | None]] = []
    for index in range(points):
        at = _between(float(span.low), float(span.high), index / (points - 1))
        found = root(claim.arithmetic, plain | {fixed: at}, solved, wanted)
        dimension = claim.usual[solved].dimension
        pairs.append((Quantity(at, span.value.dimension), None if found is None else Quantity(found, dimension)))
    return pairs


def root(formula: Formula, values: Mapping[str, float], name: str, wanted: float) -> float | None:
    """The value of `name`, nearest to its present one, at which the formula gives `wanted`; None when there is none within 10,000×."""
    start = values[name]

    def above(at: float) -> float | None:
        try:
            return formula.value({**values, name: at}) - wanted
        except BadInput:
            return None

    steps = [_REACH ** (index / _SCAN) for index in range(_SCAN + 1)]
    outward = [start * step for step in steps], [start / step for step in steps]
    crossings: list[float] = []
    for path in outward:
        for left, right in itertools.pairwise(path):
            low, high = above(left), above(right)
            if low is not None and high is not None and low * high <= 0:
                crossings.append(_bisected(above, left, right, low))
                break
    return min(crossings, key=lambda at: abs(math.log(at / start)), default=None) if start else None


def _bisected(above: Callable[[float], float | None], left: float, right: float, low: float) -> float:
    if low == 0:
        return left
    for _ in range(2 * _HALVINGS):
        middle = math.sqrt(left * right) if left * right > 0 else (left + right) / 2
        at = above(middle)
        if at is None or middle in (left, right):
            break
        left, right, low = (middle, right, at) if at * low > 0 else (left, middle, low)
    return right


def _needed(claim: Claim, name: str, plain: Mapping[str, float]) -> Needed:
    found = root(claim.arithmetic, plain, name, _aim(claim, plain))
    usual, assumed = claim.usual[name], claim.assume.get(name)
    value = None if found is None else Quantity(found, usual.dimension)
    if assumed is None:
        return Needed(name, usual, value, stated=True, plausible=False)
    inside = value is not None and assumed.low <= value <= assumed.high
    return Needed(name, usual, value, stated=False, plausible=inside, low=assumed.low, high=assumed.high)


def _aim(claim: Claim, plain: Mapping[str, float]) -> float:
    """The result to solve for: what is claimed, or the end of the claimed range that is nearer to what the usual values give."""
    if claim.result.about is not None:
        return float(claim.result.about)
    low, high = claim.result.interval
    return high if math.isinf(low) or claim.arithmetic.value(plain) > high else low


def _point(formula: Formula, result: Result, plain: Mapping[str, float], box: Mapping[str, Interval]) -> dict[str, float] | None:
    """A point of the box where the claim is true, as near to the usual values as a straight way to a corner finds it."""

    def at(share: float, corner: Mapping[str, float]) -> dict[str, float]:
        return dict(plain) | {name: _between(plain[name], corner[name], share) for name in box}

    if result.holds(formula.value(plain)):
        return {name: plain[name] for name in box}
    side = _side(formula, result, plain)
    corners = [dict(zip(box, ends, strict=True)) for ends in itertools.product(*box.values())]
    across = [corner for corner in corners if _side(formula, result, at(1.0, corner)) != side][:_WAYS]
    best: tuple[float, dict[str, float]] | None = None
    for corner in across:
        near, far = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            near, far = (middle, far) if _side(formula, result, at(middle, corner)) == side else (near, middle)
        found = at(far, corner)
        if (best is None or far < best[0]) and result.holds(formula.value(found)):
            best = far, found
    return None if best is None else {name: best[1][name] for name in box}


def _side(formula: Formula, result: Result, values: Mapping[str, float]) -> int:
    """-1 below what is claimed, 0 within, 1 above."""
    value, (low, high) = formula.value(values), result.interval
    return 0 if result.holds(value) else -1 if value < low else 1 if value > high else 0


def _none_in(formula: Formula, wanted: Interval, plain: Mapping[str, float], box: Mapping[str, Interval]) -> bool:
    """True is a proof that no point of the box gives a wanted value; False means that the search could not settle it."""
    open_boxes = [dict(box)]
    for _ in range(_BOXES):
        if not open_boxes:
            return True
        part = open_boxes.pop()
        low, high = formula.bounds({name: (value, value) for name, value in plain.items()} | part)
        slack = 1e-12 * max(abs(end) for end in (low, high)) if math.isfinite(low) and math.isfinite(high) else 0.0
        if high + slack < wanted[0] or low - slack > wanted[1]:
            continue
        if not part:
            return False
        name = max(part, key=lambda key: _width(part[key], box[key]))
        cut = _between(*part[name], 0.5)
        open_boxes += [part | {name: (part[name][0], cut)}, part | {name: (cut, part[name][1])}]
    return False


def _enclosure(formula: Formula, plain: Mapping[str, float], box: Mapping[str, Interval]) -> Interval:
    return formula.bounds({name: (value, value) for name, value in plain.items()} | dict(box))


def _width(part: Interval, whole: Interval) -> float:
    return (part[1] - part[0]) / (whole[1] - whole[0]) if whole[1] > whole[0] else 0.0


def _between(start: float, end: float, share: float) -> float:
    """A step on the way from start to end: by ratio where both are above zero, else by difference. Ends are met exactly."""
    if share in (0.0, 1.0):
        return end if share else start
    if start > 0 and end > 0:
        return min(max(start * (end / start) ** share, min(start, end)), max(start, end))
    return start + (end - start) * share
