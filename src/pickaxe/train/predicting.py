"""Run a model over a table in chunks that survive a killed worker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from pickaxe.kernel.predictors import Predictor
    from pickaxe.kernel.step import StepContext


def predict_in_chunks(ctx: StepContext, model: Predictor, texts: list[str], chunk_size: int) -> np.ndarray:
    """Probabilities of all texts, float32, shape (len(texts), classes), in their order.

    Texts are taken from the shortest to the longest, so that those of a chunk are alike; each finished chunk is kept in the
    checkpoint folder.
    """
    import numpy as np

    order = sorted(range(len(texts)), key=lambda row: (len(texts[row]), row))
    probs = np.zeros((len(texts), len(model.classes)), dtype=np.float32)
    fresh, started = 0, time.monotonic()
    for number, start in enumerate(range(0, len(order), chunk_size)):
        rows, path = order[start : start + chunk_size], ctx.checkpoint / f"chunk-{number}.npy"
        done = _read(path, (len(rows), len(model.classes)))
        if done is None:
            done = model.predict_proba([texts[row] for row in rows])
            _write(path, done)
            fresh += len(rows)
            ctx.metric("texts_per_second", fresh / max(time.monotonic() - started, 1e-9), number)
        probs[rows] = done
        ctx.progress(start + len(rows), len(order), "texts predicted")
    return probs


def predictions_table(row_keys: pa.ChunkedArray, probs: np.ndarray, classes: list[str]) -> pa.Table:
    """Table row_key, label (the likeliest class), confidence, probs in the order of `classes`."""
    import numpy as np
    import pyarrow as pa

    best = probs.argmax(axis=1) if len(probs) else np.zeros(0, dtype=np.int64)
    offsets = np.arange(len(probs) + 1, dtype=np.int32) * len(classes)
    wide = probs.astype(np.float64)
    return pa.table(
        {
            "row_key": row_keys.cast(pa.string()),
            "label": pa.array([classes[index] for index in best], type=pa.string()),
            "confidence": pa.array(wide[np.arange(len(wide)), best], type=pa.float64()),
            "probs": pa.ListArray.from_arrays(pa.array(offsets), pa.array(wide.ravel())),
        }
    )


def require_texts(rows: pa.Table) -> None:
    missing = [name for name in ("row_key", "text") if name not in rows.column_names]
    if missing:
        raise BadInput(
            f"the rows lack the column(s) {', '.join(missing)}",
            expected="columns row_key and text",
            got=f"columns {', '.join(rows.column_names)}",
            remedy="hand over an ingested table of rows",
        )


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    import numpy as np

    if not path.exists():
        return None
    kept = np.load(path, allow_pickle=False)
    return kept if kept.shape == shape else None


def _write(path: Path, values: np.ndarray) -> None:
    import numpy as np

    half = path.with_suffix(".half")
    with half.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    half.replace(path)
