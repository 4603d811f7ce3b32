"""Published training runs, and the planner's forecast of each: one set of data for the tests and for the page of the docs.

A run is forecast from its shape, its tokens, its hardware and a utilisation. Where the utilisation is from decides what agreement
proves, so each run says it: *stated* by the paper for this run; *sibling*: not stated, so solved from other runs of the same team
on the same hardware, never from the run itself; *family*: stated by the paper for another model of the family.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

from pickaxe.compute.planner.catalogue import hardware, models
from pickaxe.compute.planner.quantities.units import Devices, DeviceTime, FlopRate, Number, Tokens, Watts
from pickaxe.compute.planner.training.work import Training, cost, work

# A forecast that is off by more than this is not a reproduction.
TOLERANCE = 0.10


@dataclass(frozen=True, slots=True)
class Stage:
    """Tokens trained in one way. `rate` is an MFU ("41%") or a throughput per device ("147 TFLOP/s"); "" takes the siblings'."""

    model: str
    tokens: str
    sequence: int
    rate: str = ""
    recompute: str = "none"
    causal_half: bool = False

    @property
    def job(self) -> Training:
        return Training(
            models.find(self.model),
            Tokens.parse(self.tokens),
            self.sequence,
            recompute=self.recompute,
            causal_half=self.causal_half,
        )


@dataclass(frozen=True, slots=True)
class PublishedRun:
    """`reported` is what the source gives for the whole run. `goodput` below 1 where that is wall-clock time with its failures.

    `power_cap` is where the source says that its devices were held below their own limit. `counts_recompute` says that the stated rate is of the hardware, recomputation included. `reproduced` is False where the
    published figures contradict the utilisation that is at hand: the test then asserts that they do.
    """

    key: str
    name: str
    stages: tuple[Stage, ...]
    accelerator: str
    reported: str
    basis: str
    sources: tuple[str, ...]
    goodput: float = 1.0
    power_cap: str = ""
    counts_recompute: bool = False
    siblings: tuple[str, ...] = ()
    reproduced: bool = True
    note: str = ""

    @property
    def published(self) -> DeviceTime:
        return DeviceTime.parse(self.reported)

    @property
    def device(self) -> hardware.Accelerator:
        found = hardware.find(self.accelerator)
        return found.capped(Watts.parse(self.power_cap)) if self.power_cap else found


@dataclass(frozen=True, slots=True)
class Comparison:
    run: PublishedRun
    forecast: DeviceTime
    mfu: float
    implied_mfu: float

    @property
    def error(self) -> float:
        """Forecast over published, minus one."""
        return float(self.forecast / self.run.published) - 1.0


def compare(run: PublishedRun) -> Comparison:
    """Forecast one published run."""
    device = run.device
    total, useful = DeviceTime(0), 0.0
    for stage in run.stages:
        job = stage.job
        mfu = _mfu(run, stage)
        total = total + cost(job, device, Devices(1), mfu=mfu, goodput=run.goodput).device_time
        useful += float(work(job).model)
    return Comparison(run, total, useful / (float(device.flops("bf16")) * float(total)), implied_mfu(run))


def implied_mfu(run: PublishedRun) -> float:
    """The utilisation of the whole run, failures included, that makes the published time true."""
    useful = sum(float(work(stage.job).model) for stage in run.stages)
    return useful / (float(run.device.flops("bf16")) * float(run.published))


def _mfu(run: PublishedRun, stage: Stage) -> float:
    if not stage.rate:
        return mean(implied_mfu(RUNS[key]) / RUNS[key].goodput for key in run.siblings)
    peak = run.device.flops("bf16")
    stated = float(Number(FlopRate.parse(stage.rate) / peak)) if "FLOP" in stage.rate else float(Number.parse(stage.rate))
    if not run.counts_recompute:
        return stated
    done = work(stage.job)
    return stated * float(done.model / done.hardware)


_LLAMA1 = ("Touvron et al. 2023 (arXiv:2302.13971), table 2 (tokens) and table 15 (GPU-hours); section 2.4: 380 tokens/s/GPU",)
_LLAMA2 = ("Touvron et al. 2023 (arXiv:2307.09288), table 1 (tokens), table 2 (GPU-hours, watts)",)
_MFU_405B = ("41%", "38%")
_LLAMA3_CARD = (
    "Llama 3 model card, github.com/meta-llama/llama3/blob/main/MODEL_CARD.md (GPU-hours, '15T+' tokens, context of 8k)",
)
_LLAMA31 = (
    "Llama Team 2024 (arXiv:2407.21783): 15.6T tokens, about 800B of them long (3.4.2); MFU 38-43% (table 4); goodput above 90% (3.3.4)",
    "Llama 3.1 model card, github.com/meta-llama/llama-models/blob/main/models/llama3_1/MODEL_CARD.md (GPU-hours, '15T+' tokens)",
)
_KORTHIKANTI = ("Korthikanti et al. 2022 (arXiv:2205.05198), table 3 (shapes, batches), table 5 (iteration times, MFU)",)
_BLOOM_LOG = "bigscience, train/tr11-176B-ml/chronicles.md: 149-150 TFLOP/s, iteration 12,695 in 105.22 s at a batch of 2,048: 149.02 TFLOP/s"
_MTNLG = ("Smith et al. 2022 (arXiv:2201.11990), section 2.4: 60.1, 50.2, 44.4 s an iteration at 126, 121, 113 TFLOP/s per GPU",)
_MLPERF = (
    "MLPerf Training 3.0, GPT-3, 2023-06-27; EE Times 2023-06-27: 10.94 min on 3,584 H100, 23.611 min on 1,536, 45.606 min on 768",
    "mlcommons/training_results_v3.0, NVIDIA/benchmarks/gpt3: a batch of 3,072 on 768 and on 1,536 GPUs (not given for 3,584)",
    "mlcommons/logging, rcp_checker/training_3.0.0/rcps_gpt3.json: 1.216 G tokens to converge at that batch, mean of six",
)


def _llama2(size: str, hours: str, siblings: tuple[str, ...]) -> PublishedRun:
    return PublishedRun(
        key=f"llama-2-{size}",
        name=f"Llama 2 {size.upper()}",
        stages=(Stage(f"llama-2-{size}", "2T", 4096),),
        accelerator="A100-80",
        reported=f"{hours} GPU-h",
        basis="sibling",
        siblings=siblings,
        sources=_LLAMA2,
    )


def _llama3(size: str, hours: str, **said: Any) -> PublishedRun:
    """The first Llama 3, of 8,192 tokens context only. No utilisation is stated; its successor of the same size is the sibling."""
    return PublishedRun(
        key=f"llama-3-{size}",
        name=f"Llama 3 {size.upper()}",
        stages=(Stage(f"llama-3.1-{size}", "15T", 8192),),
        accelerator="H100",
        reported=f"{hours} GPU-h",
        basis="sibling",
        sources=_LLAMA3_CARD,
        siblings=(f"llama-3.1-{size}",),
        **said,
    )


def _llama31(size: str, hours: str, rates: tuple[str, str] = ("", ""), **said: Any) -> PublishedRun:
    """Tokens and stages are those that the paper states for the largest; all three were given the long context."""
    model = f"llama-3.1-{size}"
    tokens = zip(("14.8T", "800B"), (8192, 131072), rates, strict=True)
    return PublishedRun(
        key=model,
        name=f"Llama 3.1 {size.upper()}",
        stages=tuple(Stage(model, each, sequence, rate) for each, sequence, rate in tokens),
        accelerator="H100",
        reported=f"{hours} GPU-h",
        sources=_LLAMA31,
        **said,
    )


def _by_family(run: PublishedRun, **said: Any) -> PublishedRun:
    """The same run with what the paper states for the 405B: all that one knew who had only the paper."""
    stages = tuple(replace(stage, rate=rate) for stage, rate in zip(run.stages, _MFU_405B, strict=True))
    return replace(
        run,
        key=f"{run.key}-by-family",
        name=f"{run.name}, with the MFU of the 405B",
        stages=stages,
        basis="family",
        siblings=(),
        goodput=0.90,
        **said,
    )


def _megatron(size: str, devices: int, batch: int, seconds: float, mfu: str) -> PublishedRun:
    return PublishedRun(
        key=f"megatron-{size}",
        name=f"Megatron {size.upper()}, one iteration",
        stages=(Stage(f"megatron-{size}", f"{batch * 2048}", 2048, mfu, recompute="selective"),),
        accelerator="A100-80",
        reported=f"{devices * seconds} GPU-s",
        basis="stated",
        sources=_KORTHIKANTI,
    )


def _mtnlg(servers: int, seconds: float, rate: int) -> PublishedRun:
    return PublishedRun(
        key=f"mt-nlg-530b-{servers}",
        name=f"MT-NLG 530B on {servers} DGX A100, one iteration",
        stages=(Stage("megatron-530b", f"{1920 * 2048}", 2048, f"{rate} TFLOP/s", recompute="full"),),
        accelerator="A100-80",
        reported=f"{servers * 8 * seconds} GPU-s",
        basis="stated",
        counts_recompute=True,
        sources=_MTNLG,
    )


def _mlperf(devices: int, minutes: float) -> PublishedRun:
    return PublishedRun(
        key=f"mlperf-gpt-3-{devices}",
        name=f"MLPerf 3.0 GPT-3 on {devices:,} H100",
        stages=(Stage("gpt-3-175b", "1.216B", 2048),),
        accelerator="H100",
        reported=f"{devices * minutes * 60} GPU-s",
        basis="sibling",
        sources=_MLPERF,
        siblings=("mlperf-gpt-3-1536",),
        note="No utilisation is stated; solved from the entry on 1,536 GPUs. fp8 was used; shares here are of the bf16 peak.",
    )


def _all() -> tuple[PublishedRun, ...]:
    sizes = {"7b": "184320", "13b": "368640", "34b": "1038336", "70b": "1720320"}
    others = {size: tuple(f"llama-2-{other}" for other in sizes if other != size) for size in sizes}
    small = _llama31("8b", "1.46M", basis="sibling", siblings=("llama-3-8b",))
    medium = _llama31("70b", "7.0M", basis="sibling", siblings=("llama-3-70b",))
    return (
        PublishedRun(
            key="llama-65b",
            name="LLaMA 65B",
            stages=(Stage("llama-65b", "1.4T", 2048, "49.7%"),),
            accelerator="A100-80",
            reported="1022362 GPU-h",
            basis="stated",
            sources=_LLAMA1,
            note="380 tokens/s/GPU are 155 TFLOP/s with attention counted, 49.7% of 312: this holds the hours against the throughput.",
        ),
        _llama2("7b", sizes["7b"], others["7b"]),
        _llama2("13b", sizes["13b"], others["13b"]),
        replace(
            _llama2("34b", sizes["34b"], others["34b"]),
            power_cap="350 W",
            note="The only one of the four on the cluster that held its GPUs to 350 of 400 W (section 2.2.1, table 2). What that costs lies "
            "between the cube root of the share and the share itself, which give -10.7% and -2.4%; their mean is taken. The model was never "
            "released: the shape is Code Llama's.",
        ),
        replace(
            _llama2("70b", sizes["70b"], ("llama-65b",)),
            note="With the utilisation of LLaMA 65B, the model of this size that the same team had trained before on the same hardware.",
        ),
        replace(
            _llama2("70b", sizes["70b"], others["70b"]),
            key="llama-2-70b-by-siblings",
            name="Llama 2 70B, from the smaller ones",
        ),
        _llama31("405b", "30.84M", _MFU_405B, basis="stated", goodput=0.90),
        replace(
            small,
            note="With what the hours of Llama 3 8B imply: the same team, size and hardware, three months before. If it was continued from that one, "
            "which no source says, its hours hold those; with 800B long tokens at the 38% stated for them they come to 1.465M.",
        ),
        replace(medium, note="With what the hours of Llama 3 70B imply."),
        _by_family(
            small,
            reproduced=False,
            note="The paper states neither MFU nor devices for this size, and one of 8B reached little more than half of what the 405B did: two model "
            "cards say so, of Llama 3 and of Llama 3.1, whose hours agree with each other. Why, no source says.",
        ),
        _by_family(medium, note="The paper states no MFU for this size."),
        _llama3("8b", "1.3M", note="The other way round: with what the hours of Llama 3.1 8B imply."),
        _llama3("70b", "6.4M", note="The other way round: with what the hours of Llama 3.1 70B imply."),
        PublishedRun(
            key="bloom-176b",
            name="BLOOM 176B",
            stages=(Stage("bloom-176b", "366B", 2048, "149 TFLOP/s", recompute="full"),),
            accelerator="A100-80",
            reported="1082990 GPU-h",
            basis="stated",
            counts_recompute=True,
            goodput=0.906,
            sources=(
                "BigScience 2022 (arXiv:2211.05100), section 3.4: 1,082,990 compute hours, 366B tokens, 156 TFLOP/s at best",
                _BLOOM_LOG,
                "Luccioni et al. 2022 (arXiv:2211.02001), table 1: 118 days 5 h 41 min on 384 GPUs, so failures are in the hours",
            ),
            note="Goodput from the log: 18,556 iterations of about 105.5 s took 25 days, 2022-03-18 to 2022-04-12.",
        ),
        PublishedRun(
            key="bloom-176b-iteration",
            name="BLOOM 176B, one iteration",
            stages=(Stage("bloom-176b", f"{2048 * 2048}", 2048, "149.02 TFLOP/s", recompute="full"),),
            accelerator="A100-80",
            reported=f"{384 * 105.22} GPU-s",
            basis="stated",
            counts_recompute=True,
            sources=(_BLOOM_LOG,),
        ),
        PublishedRun(
            key="opt-175b",
            name="OPT 175B",
            stages=(Stage("opt-175b", "300B", 2048, "147 TFLOP/s", recompute="full"),),
            accelerator="A100-80",
            reported="809472 GPU-h",
            basis="stated",
            counts_recompute=True,
            sources=(
                "Zhang et al. 2022 (arXiv:2205.01068), section 2.4: 147 TFLOP/s per GPU on 992 A100",
                "metaseq, projects/OPT/chronicles/final_update.md: 300B tokens, 4.30e23 FLOP, 33 days on 1,024 A100 had nothing failed",
                "Touvron et al. 2023 (arXiv:2302.13971), table 15: 809,472 GPU-hours",
            ),
        ),
        PublishedRun(
            key="deepseek-v3",
            name="DeepSeek-V3 pre-training",
            stages=(Stage("deepseek-v3", "14.8T", 4096, "38.94%", causal_half=True),),
            accelerator="H800",
            reported="2.664M GPU-h",
            basis="stated",
            sources=(
                "DeepSeek-AI 2024 (arXiv:2412.19437), table 1: 2.664M H800 hours for 14.8T tokens",
                "DeepSeek-AI 2025 (arXiv:2505.09343), table 4: MFU 38.94%, causal attention counted by half, of the bf16 peak",
            ),
        ),
        _mlperf(768, 45.606),
        replace(_mlperf(1536, 23.611), siblings=("mlperf-gpt-3-768",), note="Solved from the entry on 768 GPUs."),
        _mlperf(3584, 10.94),
        PublishedRun(
            key="palm-540b",
            name="PaLM 540B",
            stages=(Stage("palm-540b", "780B", 2048, "46.2%"),),
            accelerator="TPU-v4",
            reported="8404992 TPU-h",
            basis="stated",
            reproduced=False,
            sources=(
                "Chowdhery et al. 2022 (arXiv:2204.02311), table 3 and appendix B: 6,144 chips for 1,200 h and 3,072 for 336 h",
            ),
            note="The hours include 'some downtime and repeated steps', and batches of a quarter and a half of the one that the stated MFU is of (section 5); "
            "the paper says neither how much time was lost nor how fast smaller batches were. At that MFU a third of the hours is unexplained.",
        ),
        PublishedRun(
            key="palm-540b-speed",
            name="PaLM 540B, at its stated speed",
            stages=(Stage("palm-540b", "780B", 2048, "46.2%"),),
            accelerator="TPU-v4",
            reported=f"{780e9 / 238_300 * 6144} TPU-s",
            basis="stated",
            sources=(
                "Chowdhery et al. 2022 (arXiv:2204.02311), appendix B: 238.3K tokens/s on 6,144 chips, 46.2% MFU with self-attention",
            ),
            note="780B tokens at the tokens a second that the paper states: the sum is right, the hours hold more than training.",
        ),
        _megatron("22b", 8, 4, 1.10, "41.5%"),
        _megatron("175b", 64, 64, 13.75, "51.4%"),
        _megatron("530b", 280, 280, 37.83, "56.0%"),
        _megatron("1t", 512, 512, 71.49, "56.3%"),
        _mtnlg(280, 60.1, 126),
        _mtnlg(350, 50.2, 121),
        _mtnlg(420, 44.4, 113),
    )


RUNS: dict[str, PublishedRun] = {run.key: run for run in _all()}
