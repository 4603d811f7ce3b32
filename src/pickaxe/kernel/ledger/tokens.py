"""Tokens: counted where they enter a model, by the code that runs it, and read off by whoever pays for it.

A text that passes three times counts three times; special tokens count, padding does not. Models that read no tokens (n-grams) count none.
"""

from __future__ import annotations

import threading

METER = "tokens"
METHOD = "counted where they enter a model, every pass, without padding"


class _OfThread(threading.local):
    tokens = 0


_lock = threading.Lock()
_everywhere = 0
_here = _OfThread()


def count_tokens(number: int) -> None:
    """Say that a model is given so many tokens now."""
    global _everywhere
    _here.tokens += number
    with _lock:
        _everywhere += number


def tokens_of_process() -> int:
    """Tokens that this process's models were given, by all of its threads."""
    return _everywhere


def tokens_of_thread() -> int:
    """Tokens of the calling thread: the difference before and after a call of a predictor is what the call took."""
    return _here.tokens
