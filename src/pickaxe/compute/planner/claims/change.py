"""A claim with other values: what if the price were this, the utilisation anything from here to there, the result that?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pickaxe.compute.planner.claims.claims import Assumption, Claim, Result
from pickaxe.compute.planner.quantities.checks import nearest
from pickaxe.compute.planner.quantities.uncertain import Uncertain
from pickaxe.compute.planner.quantities.units import Quantity
from pickaxe.kernel.errors import BadInput

RESULT = "result"
_OWN = "given by the asker"


def changed(claim: Claim, values: Mapping[str, Any]) -> Claim:
    """`claim` with names set anew: one value states it, a range leaves it open; `result` is what is said to come out.

    Its published cases and expected verdict are dropped, as they are no longer about this statement. Raises `BadInput` for names that the
    claim does not have and values in another unit.
    """
    given, assume = dict(claim.given), dict(claim.assume)
    for name, value in values.items():
        if name == RESULT:
            continue
        if name not in claim.usual:
            raise BadInput(
                f"claim {claim.id} has no {name!r}",
                expected=f"one of {', '.join([*claim.usual, RESULT])}",
                remedy=nearest(name, [*claim.usual, RESULT]),
            )
        low, middle, high = _range(name, value, claim.usual[name])
        given.pop(name, None)
        assume.pop(name, None)
        if low == high:
            given[name] = middle
        else:
            assume[name] = Assumption(value=middle, low=low, high=high, why=_OWN)
    constants = {name: value for name, value in claim.constants.items() if name not in given and name not in assume}
    result = _result(claim, values[RESULT]) if RESULT in values else claim.result
    if not values:
        return claim
    asked = ", ".join(f"{name} {_shown(value)}" for name, value in values.items())
    says = {language: f"{text} [{asked}]" for language, text in claim.says.items()}
    dropped = {"cases": (), "verdict": None, "note": None, "says": says}
    return claim.model_copy(
        update={"constants": constants, "given": given, "assume": assume, "result": result} | dropped
    ).checked()


def _range(name: str, value: Any, like: Quantity) -> tuple[Quantity, Quantity, Quantity]:
    read = Uncertain.parse(
        [_in_dimension(name, part, like) for part in (value if isinstance(value, (list, tuple)) else [value])],
        field=name,
        kind=Quantity,
    )
    low, middle, high = (Quantity(float(part), like.dimension) for part in (read.low, read.centre, read.high))
    return low, middle, high


def _in_dimension(name: str, part: Any, like: Quantity) -> float:
    read = Quantity.parse(part, field=name)
    if not math.isfinite(read):
        raise BadInput(f"{name} is not finite", expected=f"a value such as {like}", got=repr(part))
    if read.dimension != like.dimension:
        raise BadInput(f"{name} has the wrong unit", expected=f"a value such as {like}", got=repr(part))
    return float(read)


def _shown(value: Any) -> str:
    return " – ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _result(claim: Claim, value: Any) -> Result:
    low, middle, high = _range(RESULT, value, claim.result.any_quantity)
    return (
        Result(about=middle, within=claim.result.within)
        if low == high
        else Result(at_least=low, at_most=high, within=claim.result.within)
    )
