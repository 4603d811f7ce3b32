"""Which layouts a search tries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.memory import Keeping
from pickaxe.compute.planner.training.work import RECOMPUTE, Training

if TYPE_CHECKING:
    from pickaxe.compute.planner.training.layouts import Wanted


def layouts(job: Training, device: Accelerator, wanted: Wanted) -> Iterator[Layout]:
    """Every layout worth a try: degrees that divide the devices, tensor within twice the fast domain, batches that come out even."""
    shape = job.model
    inside = max(1, min(device.domain, 64))
    for number in wanted.devices:
        for tensor in _choices(wanted.tensor, [n for n in _divisors(number) if n <= 2 * inside and shape.heads % n == 0]):
            for pipeline in _choices(wanted.pipeline, [n for n in _divisors(number // tensor) if n <= shape.layers]):
                rest = number // tensor // pipeline
                long = [n for n in _divisors(rest) if n == 1 or (job.sequence // n >= 4096 and job.sequence % n == 0)]
                for context in _choices(wanted.context, long):
                    if tensor * pipeline * context > number or number % (tensor * pipeline * context):
                        continue
                    data = number // (tensor * pipeline * context)
                    if wanted.batch % data == 0:
                        yield from _filled(job, wanted, data, tensor, pipeline, context)


def _filled(job: Training, wanted: Wanted, data: int, tensor: int, pipeline: int, context: int) -> Iterator[Layout]:
    """The finer choices below one split of the devices."""
    shape = job.model
    experts = [n for n in _divisors(data) if shape.experts and shape.experts % n == 0] or [1]
    zeros = [0, 1] if pipeline > 1 else [0, 1, 2, 3]
    for micro in (n for n in (1, 2, 4, 8, 16, 32, 64) if n <= wanted.most_micro_batch and (wanted.batch // data) % n == 0):
        many = wanted.batch // data // micro
        chunks = [n for n in (1, 2, 4) if n == 1 or (pipeline > 1 and many % pipeline == 0 and pipeline * n <= shape.layers)]
        for expert in _choices(wanted.expert, experts):
            for zero in _choices(wanted.zero, zeros if data * context > 1 else [0]):
                for chunk in chunks:
                    yield Layout(
                        data=data, tensor=tensor, pipeline=pipeline, context=context, expert=expert, zero=zero,
                        micro_batch=micro, micro_batches=many, interleave=chunk, sequence_parallel=tensor > 1,
                    )  # fmt: skip


def recomputations(wanted: Wanted, keeping: Keeping) -> list[str]:
    """From the least to the most; a flash kernel keeps no scores, so that recomputing them alone saves nothing."""
    if wanted.recompute is not None:
        return [wanted.recompute]
    return [choice for choice in RECOMPUTE if choice != "selective" or keeping.attention == "standard"]


def _choices(fixed: int | str | None, free: list) -> list:
    return free if fixed is None else [fixed]


def _divisors(number: int) -> list[int]:
    small = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})
