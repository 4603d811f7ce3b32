"""Published memory tables, and the planner's figure for each cell: one set of data for the tests and for the page of the docs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pickaxe.compute.planner.catalogue import models
from pickaxe.compute.planner.quantities.units import Tokens
from pickaxe.compute.planner.training.activations import layer_activations
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.memory import Keeping, memory, zero_states
from pickaxe.compute.planner.training.work import Training


@dataclass(frozen=True, slots=True)
class Cell:
    """One published figure: which row and column, what was published and what the planner computes, in the table's unit."""

    row: str
    column: str
    published: float
    computed: float

    @property
    def error(self) -> float:
        """Computed over published, minus one."""
        return self.computed / self.published - 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """A published table: `tolerance` is the largest error of a cell that still counts as reproduced; `rounding` what the print rounds."""

    key: str
    title: str
    unit: str
    source: str
    tolerance: float
    cells: Callable[[], Iterator[Cell]]
    rounding: float = 0.0
    note: str = ""

    def holds(self, cell: Cell) -> bool:
        return abs(cell.error) <= self.tolerance or abs(cell.computed - cell.published) <= self.rounding


# Parameters -> devices -> GB a device with stage 1, 2, 3.
_ZERO = {
    7.5e9: {1: (120, 120, 120), 4: (52.5, 41.3, 30), 16: (35.6, 21.6, 7.5), 64: (31.4, 16.6, 1.88), 256: (30.4, 15.4, 0.47), 1024: (30.1, 15.1, 0.12)},
    128e9: {1: (2048, 2048, 2048), 4: (896, 704, 512), 16: (608, 368, 128), 64: (536, 284, 32), 256: (518, 263, 8), 1024: (513, 257, 2)},
    1e12: {1: (16000, 16000, 16000), 4: (7000, 5500, 4000), 16: (4750, 2875, 1000), 64: (4187, 2218, 250), 256: (4046, 2054, 62.5), 1024: (4011, 2013, 15.6)},
}  # fmt: skip


def _zero() -> Iterator[Cell]:
    for parameters, rows in _ZERO.items():
        for shards, row in rows.items():
            for stage, published in enumerate(row, start=1):
                found = zero_states(parameters, shards, stage).to("GB")
                yield Cell(f"{parameters / 1e9:g}B parameters, {shards} devices", f"stage {stage}", published, found)


# The published formulas, in bytes over s b h, with a = heads, s = length, h = width, t = 8 (the tensor degree).
_Formula = Callable[[float, float, float, float], float]
_ACTIVATIONS: tuple[tuple[str, dict[str, object], _Formula], ...] = (
    ("no parallelism", {}, lambda a, s, h, t: 34 + 5 * a * s / h),
    ("tensor", {"tensor": 8}, lambda a, s, h, t: 10 + 24 / t + 5 * a * s / (h * t)),
    ("tensor + sequence", {"tensor": 8, "sequence_parallel": True}, lambda a, s, h, t: 34 / t + 5 * a * s / (h * t)),
    ("tensor + selective", {"tensor": 8, "recompute": "selective"}, lambda a, s, h, t: 10 + 24 / t),
    ("all three", {"tensor": 8, "sequence_parallel": True, "recompute": "selective"}, lambda a, s, h, t: 34 / t),
    ("full recomputation", {"tensor": 8, "recompute": "full"}, lambda a, s, h, t: 2),
)


def _activations() -> Iterator[Cell]:
    length = 2048
    for size in ("22b", "175b", "530b", "1t"):
        shape = models.find(f"megatron-{size}")
        for row, choice, formula in _ACTIVATIONS:
            found = layer_activations(shape, 4 * length, length, **choice)  # pyright: ignore[reportArgumentType]
            computed = float(found) / (4 * length * shape.hidden)
            yield Cell(row, size.upper(), formula(shape.heads, length, shape.hidden, 8), computed)


_SIZES = {"7B": "llama-2-7b", "14B": "llama-2-13b", "30B": "llama-33b", "70B": "llama-2-70b"}
_FACTORY = (
    ("full, bf16/fp16 with 32-bit weights", "full", Keeping(precision="amp"), (120, 240, 600, 1200)),
    ("full, pure bf16", "full", Keeping(precision="pure-bf16"), (60, 120, 300, 600)),
    ("LoRA, 16 bits", "lora", Keeping(base="bf16"), (16, 32, 64, 160)),
    ("QLoRA, 8 bits", "lora", Keeping(base="int8"), (10, 20, 40, 80)),
    ("QLoRA, 4 bits", "lora", Keeping(base="nf4"), (6, 12, 24, 48)),
    ("QLoRA, 2 bits", "lora", Keeping(base="int2"), (4, 8, 16, 24)),
)


def _factory() -> Iterator[Cell]:
    for row, method, keeping, published in _FACTORY:
        for (size, name), gigabytes in zip(_SIZES.items(), published, strict=True):
            job = Training(models.find(name), Tokens(1e9), 1024, method=method, rank=8, recompute="full")
            yield Cell(row, size, gigabytes, memory(job, Layout(), keeping).total.to("GB"))


TABLES = (
    Table(
        "zero",
        "ZeRO: weights, gradients and states of Adam, per device",
        "GB",
        "Rajbhandari et al. 2020 (arXiv:1910.02054), table 1",
        0.02,
        _zero,
        rounding=0.006,
    ),
    Table(
        "activations",
        "Activations of one layer, in bytes over length x batch x width",
        "sbh",
        "Korthikanti et al. 2022 (arXiv:2205.05198), table 2, evaluated for the models of its table 3 with tensor degree 8",
        0.02,
        _activations,
    ),
    Table(
        "llama-factory",
        "LLaMA-Factory: fine-tuning, all devices together",
        "GB",
        "LLaMA-Factory README, 'Hardware Requirement' (estimated there); Zheng et al. 2024 (arXiv:2403.13372)",
        0.20,
        _factory,
        note="One setting for all cells: one sequence of 1,024 tokens, LoRA of rank 8, full recomputation, 5% waste, 1 GB of runtime; "
        "the table's sizes taken as LLaMA's (7, 13, 33, 70B).",
    ),
)
