"""Four hundred short texts about sport or money, with their classes."""

from __future__ import annotations

WORDS = {"sport": ["goal", "match", "team", "coach", "league"], "money": ["bank", "share", "profit", "market", "stock"]}
GOLD = {f"row{at:04d}": ("sport", "money")[at % 2] for at in range(400)}
TEXTS = {
    key: " ".join(WORDS[label][(int(key[3:]) * step) % 5] for step in (1, 2, 3)) + f" number {key[3:]}"
    for key, label in GOLD.items()
}
