"""What a line may take at most, held against the forecast of every stage before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from pickaxe.compute.planner.here.foresight import RunForecast
from pickaxe.compute.planner.here.serving import ServingForecast
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.cost import as_money

_SERVED = "raise the limit, or publish a smaller model"
_SPENT = "raise the limit, or give it less: fewer rows, fewer labels, a smaller model"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Limits of one call of a line. None is no limit.

    Attributes:
        nano: money over all stages, in nano-units; what came from the cache costs nothing.
        seconds: time over all stages.
        memory_bytes: peak memory of any one stage.
    """

    nano: int | None = None
    seconds: float | None = None
    memory_bytes: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.nano, self.seconds, self.memory_bytes))

    def admit(self, stage: str, forecast: RunForecast, *, spent_nano: int, spent_seconds: float) -> None:
        """Raise `BadInput` when the stage is forecast to go beyond a limit. A stage that nothing is known of passes."""
        if self.nano is not None and forecast.nano is not None and spent_nano + forecast.nano > self.nano:
            got = f"{as_money(spent_nano)} spent, {as_money(forecast.nano)} forecast"
            raise _beyond(f"{stage} would cost too much", as_money(self.nano), got, stage=stage, reason="limit_cost")
        if self.seconds is not None and forecast.seconds is not None and spent_seconds + forecast.seconds > self.seconds:
            got = f"{spent_seconds:.0f} s taken, {forecast.seconds:.0f} s forecast"
            raise _beyond(f"{stage} would take too long", f"{self.seconds:g} s", got, stage=stage, reason="limit_time")
        if self.memory_bytes is not None and forecast.memory_bytes is not None and forecast.memory_bytes > self.memory_bytes:
            most, got = f"{self.memory_bytes / 1e9:.3g} GB", f"{forecast.memory_bytes / 1e9:.3g} GB forecast"
            raise _beyond(f"{stage} would need too much memory", most, got, stage=stage, reason="limit_memory")

    def admit_serving(self, found: Sequence[tuple[ServingForecast, ServingForecast]]) -> None:
        """Raise `BadInput` when serving is forecast to go beyond a limit: `nano` of an hour, `seconds` of an answer, `memory_bytes` of the
        server. What nothing is known of passes.

        Args:
            found: of each endpoint its forecast, and that of the server.
        """
        if not found:
            return
        server = found[0][1]
        money, memory = server.middle("nano_hour"), server.middle("memory_peak_bytes")
        if self.nano is not None and money is not None and money > self.nano:
            raise _beyond(
                "an hour of the server would cost too much", as_money(self.nano), f"{as_money(round(money))} forecast", _SERVED
            )
        if self.memory_bytes is not None and memory is not None and memory > self.memory_bytes:
            most, got = f"{self.memory_bytes / 1e9:.3g} GB", f"{memory / 1e9:.3g} GB forecast"
            raise _beyond("the server would need too much memory", most, got, _SERVED)
        for endpoint, _ in found:
            answer = endpoint.middle("answer_us")
            if self.seconds is not None and answer is not None and answer > self.seconds * 1e6:
                got = f"{answer / 1e6:.4g} s forecast"
                raise _beyond(f"an answer of {endpoint.endpoint} would take too long", f"{self.seconds:g} s", got, _SERVED)


def _beyond(message: str, most: str, got: str, remedy: str = _SPENT, **about: str) -> BadInput:
    return BadInput(message, expected=f"at most {most}", got=got, remedy=remedy, most=most, **about)


class LimitsConfig(Config):
    """What a line may take. A stage that is forecast to go beyond is refused before it starts."""

    max_cost: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="dollars, over all stages that are not in the cache"
    )
    max_seconds: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="seconds, over all stages that are not in the cache"
    )
    max_memory_gb: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="peak memory of any one stage, in GB"
    )

    @property
    def ceiling(self) -> Ceiling:
        return Ceiling(
            None if self.max_cost is None else round(self.max_cost * 1e9),
            self.max_seconds,
            None if self.max_memory_gb is None else self.max_memory_gb * 1e9,
        )
