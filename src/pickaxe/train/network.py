"""A pretrained encoder with a linear head: how texts become tokens, batches and class scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.tokens import count_tokens
from pickaxe.train.encoder_folder import check_encoder

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn
    from transformers import PreTrainedModel

TOKENS_PER_BATCH = 2048


@dataclass
class Network:
    """Encoder, pooling and head. `tokenize` turns texts into token ids, cut at the model's length."""

    encoder: PreTrainedModel
    head: nn.Linear
    pooling: str
    tokenize: Callable[[Sequence[str]], list[list[int]]]

    def logits(self, ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Scores before the softmax, float32, shape (len(ids), classes)."""
        tokens, mask = pad(ids)
        count_tokens(sum(map(len, ids)))
        hidden = self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
        return self.head(hidden[:, 0] if self.pooling == "first" else mean_of_tokens(hidden, mask))

    def modules(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "head": self.head}

    def train(self, mode: bool) -> None:
        for module in self.modules().values():
            module.train(mode)

    def scores(self, ids: Sequence[Sequence[int]], tell: Callable[[int], None] | None = None) -> np.ndarray:
        """`logits` of any number of texts, without gradients, in their order; float32, shape (len(ids), classes)."""
        import numpy as np
        import torch

        self.train(False)
        scores = np.zeros((len(ids), self.head.out_features), dtype=np.float32)
        done = 0
        with torch.inference_mode():
            for rows in batches_by_length(ids):
                scores[rows] = self.logits([ids[row] for row in rows]).numpy()
                done += len(rows)
                if tell:
                    tell(done)
        return scores


def build(folder: Path, classes: int, *, pooling: str, max_length: int, dropout: float = 0.0, seed: int = 0) -> Network:
    """A network over the encoder in `folder` with a fresh head.

    Raises `BadInput` when the folder is no usable encoder or its texts cannot be `max_length` tokens long.
    """
    import torch
    from torch import nn

    config = check_encoder(folder)
    longest = config.get("max_position_embeddings")
    if isinstance(longest, int) and 0 < longest < max_length:
        raise BadInput(
            f"the encoder reads {longest} tokens at most", got=f"max_length {max_length}", remedy=f"set max_length to {longest}"
        )
    # Also before loading: weights that a checkpoint lacks (a pooler that is not used here) are drawn at random.
    torch.manual_seed(seed)
    encoder = _load_encoder(folder)
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    torch.manual_seed(seed)
    head = nn.Linear(encoder.config.hidden_size, classes)
    nn.init.normal_(head.weight, std=0.02)
    nn.init.zeros_(head.bias)
    return Network(encoder, head, pooling, tokenizer(folder, max_length))


def tokenizer(folder: Path, max_length: int) -> Callable[[Sequence[str]], list[list[int]]]:
    """Texts to token ids with the special tokens, at most `max_length` of them, never padded."""
    from tokenizers import Tokenizer

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        rules = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:
        raise BadInput(f"the encoder's tokenizer.json cannot be read: {error}", remedy="save its fast tokenizer again") from error
    rules.no_padding()
    rules.enable_truncation(max_length)
    return lambda texts: [encoding.ids or [0] for encoding in rules.encode_batch(list(texts))]


def pad(ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, both int64 of shape (len(ids), longest)."""
    import torch

    longest = max(len(text) for text in ids)
    tokens = torch.zeros(len(ids), longest, dtype=torch.long)
    mask = torch.zeros(len(ids), longest, dtype=torch.long)
    for row, text in enumerate(ids):
        tokens[row, : len(text)] = torch.tensor(text, dtype=torch.long)
        mask[row, : len(text)] = 1
    return tokens, mask


def mean_of_tokens(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens that are there; (texts, tokens, width) -> (texts, width)."""
    there = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)


def batches_by_length(ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Rows in batches of similar length, so that little is padding; a batch holds about `TOKENS_PER_BATCH` tokens."""
    batch: list[int] = []
    for row in sorted(range(len(ids)), key=lambda row: (len(ids[row]), row)):
        if batch and (len(batch) + 1) * len(ids[row]) > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _load_encoder(folder: Path) -> PreTrainedModel:
    # Everything is local; a library that tries the network anyway is told not to.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    from safetensors import SafetensorError
    from transformers import AutoModel, logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, told = AutoModel.from_pretrained(
            folder,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            dtype="float32",
            output_loading_info=True,
        )
    except (ValueError, KeyError, OSError, RuntimeError, SafetensorError) as error:
        raise BadInput(
            f"the encoder in {folder.name} cannot be loaded: {str(error).splitlines()[0][:300]}",
            expected="an architecture that transformers knows, with weights that fit its config.json",
            remedy="check the folder, or choose another model",
        ) from error
    missing = sorted(name for name in told["missing_keys"] if "pooler" not in name)
    if missing:
        raise BadInput(
            f"the weights of {folder.name} lack {len(missing)} of the encoder's tensors",
            expected="weights of the whole encoder",
            got=f"without {', '.join(missing[:3])}",
            remedy="name the folder of a complete model",
        )
    return model.float()
