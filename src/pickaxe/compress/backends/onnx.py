"""The format "onnx": an encoder exported to ONNX, run by onnxruntime.

The folder holds pickaxe.json (classes, settings, max_length, temperature), model.onnx and tokenizer.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.compress.backends.folder import read_manifest
from pickaxe.compress.tokens import read_tokenizer
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.tokens import count_tokens

if TYPE_CHECKING:
    import numpy as np

FORMAT = "onnx"
_TOKENS_AT_ONCE = 2048


class OnnxPredictor:
    """An exported encoder, ready to answer."""

    def __init__(self, session: Any, tokenizer: str, classes: Sequence[str], max_length: int, temperature: float) -> None:
        self.classes = tuple(classes)
        self._session, self._temperature = session, temperature
        self._rules = read_tokenizer(tokenizer)
        self._rules.enable_truncation(max_length)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities, shape (len(texts), len(classes)), float32."""
        import numpy as np
        from scipy.special import softmax

        ids = [encoding.ids or [0] for encoding in self._rules.encode_batch(list(texts))]
        count_tokens(sum(map(len, ids)))
        scores = np.zeros((len(texts), len(self.classes)))
        for rows in self._batches(ids):
            tokens = np.zeros((len(rows), len(ids[rows[-1]])), dtype=np.int64)
            mask = np.zeros_like(tokens)
            for place, row in enumerate(rows):
                tokens[place, : len(ids[row])] = ids[row]
                mask[place, : len(ids[row])] = 1
            scores[rows] = self._session.run(["scores"], {"input_ids": tokens, "attention_mask": mask})[0]
        return softmax(scores / self._temperature, axis=1).astype(np.float32)

    @staticmethod
    def _batches(ids: list[list[int]]) -> list[list[int]]:
        """Rows from the shortest text to the longest, in batches of about `_TOKENS_AT_ONCE` tokens."""
        batches: list[list[int]] = []
        for row in sorted(range(len(ids)), key=lambda row: (len(ids[row]), row)):
            if not batches or (len(batches[-1]) + 1) * len(ids[row]) > _TOKENS_AT_ONCE:
                batches.append([])
            batches[-1].append(row)
        return batches


def load(path: Path, threads: int = 2) -> OnnxPredictor:
    """The model in the folder `path`; raises `BadInput` when its files do not belong together."""
    manifest = read_manifest(path, FORMAT)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(path / "model.onnx", options, providers=["CPUExecutionProvider"])
        tokenizer = (path / "tokenizer.json").read_text(encoding="utf-8")
    except Exception as error:
        raise BadInput(f"the ONNX model in {path.name} cannot be loaded: {error!s:.300}", remedy="export it again") from error
    return OnnxPredictor(session, tokenizer, manifest["classes"], manifest["max_length"], manifest["temperature"])
