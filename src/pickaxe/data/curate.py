"""The step `curate`: which rows are worth keeping, and which are set apart before anybody looks at them."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, model_validator

from pickaxe.data import near, schemas
from pickaxe.data.language import Languages
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.step import StepContext
from pickaxe.kernel.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

_EXAMPLES = 5
SPLITS = ("pool", "test", "traffic")


class CurateConfig(Config):
    """What is dropped, and how the rest is divided."""

    near_threshold: float = Field(
        default=0.8, ge=0.3, le=1.0, description="Jaccard similarity from which two texts are near duplicates"
    )
    min_chars: int = Field(default=3, ge=1, description="shorter texts are dropped")
    max_chars: int = Field(default=20_000, ge=1, description="longer texts are dropped")
    languages: tuple[str, ...] | None = Field(default=None, description="languages to keep (ISO 639, e.g. en); None keeps all")
    language_margin: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="lead over every kept language from which a text counts as foreign; short texts are unsure",
    )
    test_share: float = Field(default=0.15, ge=0.0, lt=1.0, description="share of the rows frozen for the final test")
    traffic_share: float = Field(default=0.05, ge=0.0, lt=1.0, description="share of the rows held out as later traffic")
    split_seed: int = Field(default=0, description="another seed, another division")

    @model_validator(mode="after")
    def _something_is_left(self) -> CurateConfig:
        if self.test_share + self.traffic_share >= 1.0:
            raise ValueError("test_share + traffic_share must leave something for the pool (a sum below 1)")
        if self.min_chars > self.max_chars:
            raise ValueError("min_chars is larger than max_chars")
        return self


class Drop(NamedTuple):
    at: int
    reason: str
    of: str | None = None
    jaccard: float | None = None


def curate(ctx: StepContext, config: CurateConfig) -> None:
    """Filter, deduplicate and divide the table of input `rows`; optional input `blocked` holds texts that must not leak.

    Filters go first (length, language), then verbatim duplicates, then near duplicates; of several alike the first row stays.
    The division is by a hash of `row_key` and `split_seed`: a row stays where it is when rows are added. It cannot be
    stratified, because there are no labels yet. Since no two kept rows are near duplicates, none straddle the splits; this is
    checked again on the outputs.

    Outputs: tables `pool`, `test`, `traffic` (`schemas.rows`), `dropped` (`schemas.dropped`) and JSON `curation`.

    Raises `BadInput` when the pool or the test split (if asked for) would be empty, and for an unknown language.
    """
    rows = ctx.inputs["rows"].table()
    blocked = ctx.inputs["blocked"].table() if "blocked" in ctx.inputs else None
    texts: list[str] = rows["text"].to_pylist()

    ctx.progress(0, 4, "lengths and languages")
    drops = _filtered(texts, config, ctx)
    ctx.progress(1, 4, "duplicates")
    drops += _repeated(rows, texts, {drop.at for drop in drops}, blocked, config)
    ctx.progress(2, 4, "splits")
    splits = _divided(rows, {drop.at for drop in drops}, config)
    ctx.progress(3, 4, "overlap check")
    _refuse_nothing_left(splits, rows, drops, config)
    for others in (splits["pool"], splits["traffic"], *([blocked] if blocked is not None else [])):
        refuse_overlap(others, splits["test"], threshold=config.near_threshold)

    for name, table in splits.items():
        ctx.save_table(name, table, meta={"frozen": name == "test"})
    drops.sort()
    ctx.save_table("dropped", _dropped_table(rows, drops), kind="dropped")
    ctx.save_json("curation", _report(rows, texts, drops, splits, blocked, config))
    ctx.progress(4, 4, ", ".join(f"{table.num_rows:,} {name}" for name, table in splits.items()))


def refuse_overlap(train: pa.Table, test: pa.Table, threshold: float = 0.8) -> None:
    """Raise `BadInput` that names the rows when a text of `test`, verbatim or nearly, is also in `train`.

    Both tables need `row_key` and `text`. `details["pairs"]` of the error lists every pair as (train row, test row, similarity).
    """
    anchors = test.num_rows
    texts = test["text"].to_pylist() + train["text"].to_pylist()
    found = near.repeats(texts, threshold=threshold, anchors=anchors, among=False)
    if not found:
        return
    train_keys, test_keys = train["row_key"].to_pylist(), test["row_key"].to_pylist()
    pairs = [(train_keys[match.at - anchors], test_keys[match.of], round(match.jaccard, 4)) for match in found]
    shown = "; ".join(
        f"row {key} repeats test row {of} ({'verbatim' if match.exact else f'Jaccard {similar:.2f}'}): {texts[match.at][:60]!r}"
        for (key, of, similar), match in list(zip(pairs, found, strict=True))[:_EXAMPLES]
    )
    raise BadInput(
        f"{len(found)} training rows repeat test rows; a test on them would flatter the model",
        expected=f"no text of the test set in the training set, verbatim or with a Jaccard similarity of {threshold} or more",
        got=shown + (f"; and {len(found) - _EXAMPLES} more" if len(found) > _EXAMPLES else ""),
        remedy="remove these rows from one of the two sets, or hand the test set to curation as blocked texts",
        pairs=pairs,
    )


def split_of(row_key: str, config: CurateConfig) -> str:
    """`pool`, `test` or `traffic`: the same for the same text and seed, whatever else is in the data."""
    text_hash = row_key.split("-", 1)[0]
    digest = hashlib.blake2b(f"{config.split_seed}:{text_hash}".encode(), digest_size=8).digest()
    point = int.from_bytes(digest, "big") / 2**64
    if point < config.test_share:
        return "test"
    return "traffic" if point < config.test_share + config.traffic_share else "pool"


def _filtered(texts: list[str], config: CurateConfig, ctx: StepContext) -> list[Drop]:
    languages = Languages()
    if config.languages is not None:
        languages.check(config.languages)
    drops: list[Drop] = []
    for at, text in enumerate(texts):
        if len(text.strip()) < config.min_chars:
            drops.append(Drop(at, "too short"))
        elif len(text) > config.max_chars:
            drops.append(Drop(at, "too long"))
        elif config.languages is not None and (other := languages.foreign(text, config.languages, config.language_margin)):
            drops.append(Drop(at, f"language {other}"))
        if at % 2000 == 0:
            ctx.progress(at / max(len(texts), 1), 4, "lengths and languages")
    return drops


def _repeated(rows: pa.Table, texts: list[str], gone: set[int], blocked: pa.Table | None, config: CurateConfig) -> list[Drop]:
    alive = [at for at in range(len(texts)) if at not in gone]
    wall = blocked["text"].to_pylist() if blocked is not None else []
    keys = rows["row_key"].to_pylist()
    names = (blocked["row_key"].to_pylist() if blocked is not None else []) + [keys[at] for at in alive]
    found = near.repeats(wall + [texts[at] for at in alive], threshold=config.near_threshold, anchors=len(wall))
    return [
        Drop(
            alive[match.at - len(wall)],
            ("blocked, " if match.of < len(wall) else "") + ("exact duplicate" if match.exact else "near duplicate"),
            names[match.of],
            match.jaccard,
        )
        for match in found
    ]


def _divided(rows: pa.Table, gone: set[int], config: CurateConfig) -> dict[str, pa.Table]:
    import pyarrow as pa

    places: dict[str, list[int]] = {name: [] for name in SPLITS}
    for at, key in enumerate(rows["row_key"].to_pylist()):
        if at not in gone:
            places[split_of(key, config)].append(at)
    return {name: rows.take(pa.array(chosen, type=pa.int64())) for name, chosen in places.items()}


def _refuse_nothing_left(splits: dict[str, pa.Table], rows: pa.Table, drops: list[Drop], config: CurateConfig) -> None:
    empty = [name for name in ("pool", "test") if not splits[name].num_rows and (name == "pool" or config.test_share)]
    if empty:
        reasons = Counter(drop.reason for drop in drops)
        raise BadInput(
            f"nothing is left for the {' and the '.join(empty)} split",
            expected="enough rows for every split",
            got=f"{counted(rows.num_rows, 'row')}, of which {len(drops)} dropped ({dict(reasons)})",
            remedy="add rows, relax the filters, or change test_share and traffic_share",
        )


def _dropped_table(rows: pa.Table, drops: list[Drop]) -> pa.Table:
    import pyarrow as pa

    chosen = rows.select(["row_key", "text"]).take(pa.array([drop.at for drop in drops], type=pa.int64()))
    columns = [
        chosen["row_key"],
        chosen["text"],
        pa.array([drop.reason for drop in drops], type=pa.string()),
        pa.array([drop.of for drop in drops], type=pa.string()),
    ]
    return pa.table(columns, schema=schemas.dropped())


def _report(
    rows: pa.Table,
    texts: list[str],
    drops: list[Drop],
    splits: dict[str, pa.Table],
    blocked: pa.Table | None,
    config: CurateConfig,
) -> dict[str, Any]:
    count = near.bands(config.near_threshold)
    return {
        "rows": rows.num_rows,
        "kept": rows.num_rows - len(drops),
        "dropped": dict(sorted(Counter(drop.reason for drop in drops).items())),
        "examples": _examples(rows, texts, drops, blocked),
        "label_conflicts": _conflicts(rows, drops),
        "splits": {name: table.num_rows for name, table in splits.items()},
        "split": {
            "method": "BLAKE2b of the row key and split_seed; a row keeps its place when rows are added",
            "stratified": False,
            "why": "the rows have no labels yet, so class shares of the splits differ by chance",
            "shares": {"test": config.test_share, "traffic": config.traffic_share},
            "seed": config.split_seed,
        },
        "near_duplicates": {
            "threshold": config.near_threshold,
            "similarity": f"Jaccard of the sets of {near.PIECE}-character pieces, case and white space folded; verified exactly",
            "candidates": f"MinHash with {near.PERMUTATIONS} permutations, LSH with {count} bands",
            "missed_at_threshold": 1.0 - near.recall(config.near_threshold, count),
        },
        "languages": {"kept": config.languages, "margin": config.language_margin} if config.languages is not None else None,
    }


def _examples(rows: pa.Table, texts: list[str], drops: list[Drop], blocked: pa.Table | None) -> dict[str, list[dict[str, Any]]]:
    known = dict(zip(rows["row_key"].to_pylist(), texts, strict=True))
    if blocked is not None:
        known |= dict(zip(blocked["row_key"].to_pylist(), blocked["text"].to_pylist(), strict=True))
    shown: dict[str, list[dict[str, Any]]] = {}
    for drop in drops:
        examples = shown.setdefault(drop.reason, [])
        if len(examples) < _EXAMPLES:
            example: dict[str, Any] = {"text": texts[drop.at][:200]}
            if drop.of is not None and drop.jaccard is not None:
                example |= {"of": known[drop.of][:200], "jaccard": round(drop.jaccard, 4)}
            examples.append(example)
    return dict(sorted(shown.items()))


def _conflicts(rows: pa.Table, drops: list[Drop]) -> int:
    """Dropped rows whose given label differs from that of the row they repeat."""
    labels = dict(zip(rows["row_key"].to_pylist(), rows["label"].to_pylist(), strict=True))
    keys = rows["row_key"].to_pylist()
    pairs = [(labels[keys[drop.at]], labels.get(drop.of)) for drop in drops if drop.of is not None]
    return sum(one is not None and other is not None and one != other for one, other in pairs)
