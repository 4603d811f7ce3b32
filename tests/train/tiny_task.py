"""A tiny random BERT and a task that it can learn."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pyarrow as pa

GOOD = ("great", "lovely", "superb", "fine")
BAD = ("awful", "dreadful", "poor", "sad")
THINGS = ("film", "meal", "room", "book", "song", "trip", "show", "game", "plan", "walk")
PLACES = ("paris", "rome", "oslo", "lima")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def make_encoder(folder: Path) -> Path:
    """Write a folder with a random 2-layer BERT of width 32 and a WordPiece tokenizer."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel

    words = [*SPECIAL, "a", "in", "##s", *GOOD, *BAD, *THINGS, *PLACES]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder)
    return folder


def make_gold() -> pa.Table:
    """160 labelled texts: the adjective decides."""
    texts, labels = [], []
    for adjective, thing, place in itertools.product(GOOD + BAD, THINGS, PLACES[:2]):
        texts.append(f"a {adjective} {thing} in {place}")
        labels.append("good" if adjective in GOOD else "bad")
    return labelled(texts, labels)


def labelled(texts: list[str], labels: list[str]) -> pa.Table:
    keys = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]
    return pa.table({"row_key": keys, "text": texts, "label": labels, "confidence": [1.0] * len(texts)})
