"""Try students, choose one under the latency budget, and say why."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.compress.candidates import CHEAPEST_FIRST, Candidate, Workshop, estimate_ms
from pickaxe.compress.config import StudentConfig
from pickaxe.compress.targets import Held
from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.predictors import Predictor, load_predictor

if TYPE_CHECKING:
    import numpy as np

    from pickaxe.kernel.step import StepContext

MARGIN = 4.0
"""A student whose measured latency is above this many times the budget is cut, whatever was estimated. The margin is wide so that
a busy machine does not change the choice; how long an answer really took is told as a metric."""

_TIMED_TEXTS = 50
_Z = 1.959964


@dataclass
class Trial:
    """What came of one candidate."""

    candidate: Candidate
    estimated_ms: float | None = None
    cut: str | None = None
    correct: np.ndarray | None = None
    probs: np.ndarray | None = None
    log_loss: float = math.inf
    bytes: int = 0

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean()) if self.correct is not None else 0.0

    def as_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "family": self.candidate.family,
            "settings": self.candidate.settings.model_dump(mode="json"),
            "estimated_ms": self.estimated_ms,
            "cut": self.cut,
        }
        if self.correct is not None:
            low, high = wilson(int(self.correct.sum()), len(self.correct))
            document |= {"accuracy": self.accuracy, "low": low, "high": high, "log_loss": self.log_loss, "bytes": self.bytes}
        return document


def try_all(
    ctx: StepContext, config: StudentConfig, workshop: Workshop, rows: np.ndarray, held: Held, classes: Sequence[str]
) -> list[Trial]:
    """Train each candidate that the budget allows on `rows` and score it on the rows held back."""
    settings = {"linear": config.linear, "static": config.static, "onnx": config.onnx}
    trials = [Trial(Candidate(family, own)) for family in config.families for own in settings[family]]
    for number, trial in enumerate(trials):
        ctx.progress(number, len(trials) + 1, f"student {number + 1} of {len(trials)}: {trial.candidate.name}")
        _try(ctx, config, workshop, rows, held, classes, trial, ctx.scratch / f"candidate-{number}")
        ctx.log(f"{trial.candidate.name}: " + (f"cut: {trial.cut}" if trial.cut else f"accuracy {trial.accuracy:.4f}"))
    return trials


def choose(trials: list[Trial]) -> tuple[Trial, str]:
    """The cheapest family among the students that validation cannot tell from the best, and in it the lowest log-loss.

    Not to tell apart: the paired difference in accuracy is at most its own standard error (the one-standard-error rule,
    Breiman et al. 1984). Log-loss decides within a family because it is less noisy than accuracy on few rows.

    Raises:
        BadInput: every candidate was cut.
    """
    tried = [trial for trial in trials if trial.cut is None]
    if not tried:
        raise BadInput(
            "no student stays within the latency budget",
            got="; ".join(f"{trial.candidate.name}: {trial.cut}" for trial in trials),
            remedy="raise latency_ms, or add the family linear to the search",
        )
    best = max(tried, key=lambda trial: (trial.accuracy, -trial.log_loss))
    equal = [trial for trial in tried if as_good(trial, best)]
    family = min((trial.candidate.family for trial in equal), key=CHEAPEST_FIRST.index)
    chosen = min((trial for trial in equal if trial.candidate.family == family), key=lambda trial: trial.log_loss)
    return chosen, _why(chosen, best, equal, trials)


def people_alone(
    ctx: StepContext, workshop: Workshop, chosen: Trial, rows: np.ndarray, held: Held, classes: Sequence[str]
) -> dict[str, Any]:
    """The chosen student on people's labels alone: do the automatic labels help at all?

    The burden of proof is theirs: `better` says that the student without them is right on as many of the rows held back, or more.
    """
    alone = Trial(chosen.candidate)
    _score(alone, load_predictor(workshop.make(chosen.candidate, rows, classes, ctx.scratch / "people-alone")), held)
    ctx.metric("accuracy.people_alone", alone.accuracy)
    return {"accuracy": alone.accuracy, "log_loss": alone.log_loss, "better": alone.accuracy >= chosen.accuracy}


def wilson(right: int, rows: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    share, spread = right / rows, _Z**2 / rows
    middle, reach = share + spread / 2, _Z * math.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return (middle - reach) / (1 + spread), (middle + reach) / (1 + spread)


def _try(
    ctx: StepContext,
    config: StudentConfig,
    workshop: Workshop,
    rows: np.ndarray,
    held: Held,
    classes: Sequence[str],
    trial: Trial,
    folder: Path,
) -> None:
    candidate = trial.candidate
    if candidate.family != "linear" and workshop.teacher is None:
        trial.cut = "needs the teacher, which was not handed over"
        return
    trial.estimated_ms = estimate_ms(candidate, held.texts, len(classes), workshop.teacher, config.gflops)
    if trial.estimated_ms > config.latency_ms:
        trial.cut = f"estimated {trial.estimated_ms:g} ms per text, the budget is {config.latency_ms:g} ms; not trained"
        return
    try:
        workshop.make(candidate, rows, classes, folder)
    except PickaxeError as error:
        trial.cut = error.message
        return
    model = load_predictor(folder)
    _score(trial, model, held)
    trial.bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    measured = measure_ms(model, held.texts)
    ctx.metric(f"latency_ms.{candidate.name}", measured)
    ctx.metric(f"accuracy.{candidate.name}", trial.accuracy)
    if measured > MARGIN * config.latency_ms:
        trial.cut = f"measured more than {MARGIN:g} times the latency budget of {config.latency_ms:g} ms"
    elif measured > config.latency_ms:
        ctx.log(f"{candidate.name}: {measured:.2f} ms per text measured, above the budget; busy machine?", level="warning")


def _score(trial: Trial, model: Predictor, held: Held) -> None:
    import numpy as np

    trial.probs = probs = model.predict_proba(held.texts)
    trial.correct = probs.argmax(axis=1) == held.labels
    likely = probs[np.arange(len(held.labels)), held.labels].astype(np.float64)
    trial.log_loss = float(-np.log(np.maximum(likely, 1e-12)).mean())


def measure_ms(model: Predictor, texts: Sequence[str]) -> float:
    """Median time of one text by itself, in ms."""
    times = []
    for text in texts[:_TIMED_TEXTS]:
        started = time.perf_counter()
        model.predict_proba([text])
        times.append(time.perf_counter() - started)
    return 1000 * sorted(times)[len(times) // 2]


def as_good(trial: Trial, best: Trial) -> bool:
    assert trial.correct is not None
    assert best.correct is not None
    gap = best.correct.astype(float) - trial.correct.astype(float)
    return float(gap.mean()) <= float(gap.std()) / math.sqrt(len(gap))


def _why(chosen: Trial, best: Trial, equal: list[Trial], trials: list[Trial]) -> str:
    tried, cut = sum(trial.cut is None for trial in trials), [trial for trial in trials if trial.cut]
    parts = [f"{tried} students were tried and {len(cut)} cut"]
    if chosen is best and len(equal) == 1:
        parts.append(f"{chosen.candidate.name} was the most accurate, by more than one standard error")
    elif chosen.candidate.family != best.candidate.family:
        parts.append(
            f"{best.candidate.name} was right on {best.accuracy:.1%}, but validation cannot tell it from {chosen.candidate.name} "
            f"({chosen.accuracy:.1%}), which is cheaper to run"
        )
    else:
        parts.append(
            f"validation cannot tell {len(equal)} of them from the best; of the cheapest family among these, "
            f"{chosen.candidate.name} has the lowest log-loss"
        )
    parts += [f"{trial.candidate.name} was cut: {trial.cut}" for trial in cut]
    return "; ".join(parts)
