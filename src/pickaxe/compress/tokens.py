"""A teacher's token vectors: what a static student starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

_TABLES = ("word_embeddings.weight", "tok_embeddings.weight", "embed_tokens.weight", "wte.weight", "shared.weight")


def read_token_vectors(folder: Path) -> np.ndarray:
    """The table of input embeddings of the encoder in `folder`, float32, shape (vocabulary, width)."""
    import numpy as np
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="numpy") as stored:
        names = [name for name in stored.keys() if name.endswith(_TABLES)]  # noqa: SIM118 - not a dictionary
        if len(names) != 1:
            raise BadInput(
                f"no table of token vectors was found in {folder.name}",
                expected=f"one tensor named …{' or …'.join(_TABLES)}",
                got=", ".join(names) or "none",
                remedy="leave the family static out of the search",
            )
        return np.asarray(stored.get_tensor(names[0]), dtype=np.float32)


def read_tokenizer(content: str) -> Tokenizer:
    """The rules of a tokenizer.json, without padding or truncation."""
    from tokenizers import Tokenizer

    try:
        rules = Tokenizer.from_str(content)
    except Exception as error:
        raise BadInput(f"the tokenizer cannot be read: {error}", remedy="train the student again") from error
    rules.no_padding()
    rules.no_truncation()
    return rules


def encode(rules: Tokenizer, texts: Sequence[str], max_tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of all texts one after the other, and the place where each text starts; a text without tokens gets id -1."""
    import numpy as np

    flat, starts = list[int](), list[int]()
    for encoding in rules.encode_batch([text[: max_tokens * 64] for text in texts], add_special_tokens=False):
        starts.append(len(flat))
        flat += encoding.ids[:max_tokens] or [-1]
    return np.array(flat, dtype=np.int64), np.array(starts, dtype=np.int64)
