"""The training loop: resumable at any batch, with the same weights at the end as if nothing had happened."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pickaxe.train import checkpoint
from pickaxe.train.checkpoint import Position
from pickaxe.train.config import TeacherConfig
from pickaxe.train.labelled import Labelled
from pickaxe.train.network import Network
from pickaxe.train.optimise import optimiser, set_rates

if TYPE_CHECKING:
    import numpy as np
    import torch

    from pickaxe.kernel.step import StepContext

_BUCKET = 8


@dataclass
class FineTuning:
    """One training: what is trained, on what, how long, and where it is."""

    ctx: StepContext
    network: Network
    labelled: Labelled
    config: TeacherConfig
    epochs: int
    learning_rate: float
    ids: list[list[int]] = field(init=False)
    optimiser: torch.optim.Optimizer = field(init=False)

    def run(self) -> list[dict[str, Any]]:
        """Train to the end or until validation says stop; leaves the kept weights in the network, returns the epochs' figures."""
        self.ids = self.network.tokenize(self.labelled.texts)
        self.optimiser = optimiser(self.network, self.config, self.learning_rate)
        position = checkpoint.load(self.ctx.checkpoint, self.network, self.optimiser)
        if position.epoch or position.batch:
            self.ctx.log(f"resumed at epoch {position.epoch + 1}, batch {position.batch + 1}")
        while position.epoch < self.epochs and position.below < self.config.patience:
            self._epoch(position)
            self._judge(position)
            checkpoint.save(self.ctx.checkpoint, self.network, self.optimiser, position)
        assert position.kept is not None
        checkpoint.restore(self.ctx.checkpoint, self.network, position.kept)
        for line in position.history:
            line["kept"] = line["epoch"] == position.kept + 1
        return position.history

    def _epoch(self, position: Position) -> None:
        batches = self._batches(position.epoch)
        steps, saved_at = self.epochs * len(batches), time.monotonic()
        self.network.train(True)
        while position.batch < len(batches):
            step = position.epoch * len(batches) + position.batch
            loss = self._learn(batches[position.batch], step, steps)
            position.loss_sum += loss
            position.batch += 1
            self.ctx.metric("loss", loss, step)
            self.ctx.progress(step + 1, steps, f"epoch {position.epoch + 1} of {self.epochs}, loss {loss:.3f}")
            if time.monotonic() - saved_at > self.config.max_seconds_between_checkpoints and position.batch < len(batches):
                checkpoint.save(self.ctx.checkpoint, self.network, self.optimiser, position)
                saved_at = time.monotonic()
        position.history.append({"epoch": position.epoch + 1, "training_loss": position.loss_sum / len(batches)})
        position.epoch, position.batch, position.loss_sum = position.epoch + 1, 0, 0.0

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """The training rows (as many as are read in one pass) in random batches of similar length: shuffled, sorted within groups of 8 batches, shuffled again."""
        import numpy as np

        random, size = np.random.default_rng([self.ctx.seed, epoch]), self.config.batch_size
        order, batches = random.permutation(self.labelled.training)[: self.config.max_texts], []
        for start in range(0, len(order), _BUCKET * size):
            group = sorted(order[start : start + _BUCKET * size].tolist(), key=lambda row: (len(self.ids[row]), row))
            batches += [np.array(group[place : place + size]) for place in range(0, len(group), size)]
        return [batches[index] for index in random.permutation(len(batches))]

    def _learn(self, rows: np.ndarray, step: int, steps: int) -> float:
        import torch
        from torch.nn.functional import cross_entropy

        # Dropout draws from the step's own seed: a resumed training needs no other random state.
        torch.manual_seed((self.ctx.seed << 20) + step)
        set_rates(self.optimiser, step, steps, self.config.warmup)
        targets = torch.from_numpy(self.labelled.targets[rows])
        weights = torch.from_numpy(self.labelled.weights[rows])
        logits = self.network.logits([self.ids[row] for row in rows])
        losses = cross_entropy(logits, targets, label_smoothing=self.config.label_smoothing, reduction="none")
        loss = (losses * weights).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([own for group in self.optimiser.param_groups for own in group["params"]], 1.0)
        self.optimiser.step()
        return float(loss.detach())

    def _judge(self, position: Position) -> None:
        """Keep this epoch's weights unless an earlier epoch was clearly better.

        Few validation labels cannot tell neighbouring epochs apart, and later ones are better trained: so the latest epoch within
        one standard error of the best is kept (the one-standard-error rule, Breiman et al. 1984).
        """
        epoch, line = position.epoch - 1, position.history[-1]
        rows = self.labelled.validation
        if len(rows):
            logits = self.network.scores([self.ids[row] for row in rows])
            line |= validation_figures(logits, self.labelled.targets[rows])
            accuracy = line["validation_accuracy"]
            self.ctx.metric("validation_accuracy", accuracy, position.epoch)
            self.ctx.metric("validation_loss", line["validation_loss"], position.epoch)
            best = max(position.best_accuracy, accuracy)
            position.best_accuracy = best
            if accuracy < best - math.sqrt(best * (1 - best) / len(rows)):
                position.below += 1
                return
        position.below, position.kept = 0, epoch
        checkpoint.keep(self.ctx.checkpoint, self.network, epoch)


def validation_figures(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    import numpy as np
    from scipy.special import log_softmax

    losses = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(targets)), targets]
    return {"validation_loss": float(losses.mean()), "validation_accuracy": float((logits.argmax(1) == targets).mean())}
