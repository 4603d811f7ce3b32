"""Near-duplicate texts: MinHash and LSH find candidates, the true Jaccard similarity decides.

Two texts are compared by their sets of five-character pieces, upper and lower case and runs of white space taken as the same.

1. MinHash sketches and LSH (rensa, MIT; Broder, *On the resemblance and containment of documents*, 1997; banding as in Leskovec,
   Rajaraman and Ullman, *Mining of Massive Datasets*, section 3.4) flag the few texts that resemble any other.
2. Among these, two texts can only be similar enough if they share some of their rarest pieces, at places that leave enough others
   to share (prefix and positional filter: Xiao, Wang, Lin and Yu, *Efficient similarity joins for near duplicate detection*, WWW
   2008). This loses nothing, and keeps logs and forms, in which everything resembles everything, from costing their square.
3. The exact similarity of each remaining pair decides; nothing is called a duplicate on the word of a sketch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

PIECE = 5
PERMUTATIONS = 120  # divides into bands of 2, 3, 4, 5, 6 and 8 rows
_SEED = 1
_BLOCK = 20_000


class Match(NamedTuple):
    """A text that repeats another: positions of both in the list, and their Jaccard similarity (1.0 with `exact` when verbatim)."""

    at: int
    of: int
    jaccard: float
    exact: bool


def bands(threshold: float) -> int:
    """The fewest LSH bands that miss fewer than 1 in 10,000 pairs at the threshold."""
    return next((count for count in (15, 20, 24, 30, 40, 60) if recall(threshold, count) >= 0.9999), PERMUTATIONS)


def recall(threshold: float, count: int) -> float:
    """Chance that a pair whose similarity is exactly the threshold shares one of `count` bands."""
    return 1.0 - (1.0 - threshold ** (PERMUTATIONS // count)) ** count


def repeats(texts: Sequence[str], *, threshold: float, anchors: int = 0, among: bool = True) -> list[Match]:
    """Every text that repeats an earlier kept one.

    The first `anchors` texts are kept whatever they are. Each later text is compared with the anchors and, if `among`, with
    the later texts kept so far; when one is at least `threshold` similar, the text is reported and not kept. Because a text's
    fate depends on earlier texts only, it does not change when texts are added at the end.
    """
    found: list[Match] = []
    first: dict[str, int] = {}
    for at, text in enumerate(texts):
        of = first.get(text)
        if of is None:
            if among or at < anchors:
                first[text] = at
        elif at >= anchors:
            found.append(Match(at, of, 1.0, True))
    gone = {match.at for match in found}
    found += _near(texts, [at for at in range(len(texts)) if at not in gone], threshold, anchors, among)
    return sorted(found)


def _near(texts: Sequence[str], alive: list[int], threshold: float, anchors: int, among: bool) -> list[Match]:
    plain = [_plain(texts[at]) for at in alive]
    flagged = [place for place, flag in enumerate(_flags(plain, threshold)) if flag]
    ranked = _ranked_pieces([plain[place] for place in flagged])
    kept: dict[int, list[tuple[int, int]]] = {}
    found: list[Match] = []
    for number, place in enumerate(flagged):
        at = alive[place]
        mine = ranked.of(number)
        prefix = mine[: len(mine) - ceil(threshold * len(mine) - 1e-9) + 1].tolist()
        if at >= anchors:
            close = _close(prefix, len(mine), kept, ranked.sizes, threshold)
            best = max(((_jaccard(mine, ranked.of(other)), -other) for other in close), default=(0.0, 0))
            if best[0] >= threshold:
                found.append(Match(at, alive[flagged[-best[1]]], best[0], False))
                continue
            if not among:
                continue
        for position, piece in enumerate(prefix):
            kept.setdefault(piece, []).append((number, position))
    return found


def _close(
    prefix: Sequence[int], size: int, kept: Mapping[int, Sequence[tuple[int, int]]], sizes: Sequence[int], threshold: float
) -> list[int]:
    """Kept texts that can still be similar enough after their rarest pieces have been compared."""
    shared: dict[int, int] = {}
    for position, piece in enumerate(prefix):
        for other, place in kept.get(piece, ()):
            so_far, other_size = shared.get(other, 0), sizes[other]
            needed = threshold / (1 + threshold) * (size + other_size) - 1e-9
            if so_far >= 0:
                possible = so_far + 1 + min(size - position - 1, other_size - place - 1)
                shared[other] = so_far + 1 if possible >= needed else -1
    return [other for other, count in shared.items() if count > 0]


class _Ranked(NamedTuple):
    """The different pieces of each text, rarest first, as numbers; text i has pieces[begins[i]:begins[i + 1]]."""

    pieces: np.ndarray
    begins: np.ndarray
    sizes: Sequence[int]

    def of(self, text: int) -> np.ndarray:
        return self.pieces[self.begins[text] : self.begins[text + 1]]


def _ranked_pieces(plain: Sequence[str]) -> _Ranked:
    import numpy as np

    if not plain:
        return _Ranked(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), [])
    hashes, offsets = _piece_hashes(plain)
    _, numbers, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    pieces, text = rank[numbers], np.repeat(np.arange(len(plain)), np.diff(offsets.astype(np.int64)))
    order = np.lexsort((pieces, text))
    pieces, text = pieces[order], text[order]
    first = np.r_[True, (pieces[1:] != pieces[:-1]) | (text[1:] != text[:-1])]
    begins = np.searchsorted(text[first], np.arange(len(plain) + 1))
    return _Ranked(pieces[first], begins, np.diff(begins).tolist())


def _flags(plain: Sequence[str], threshold: float) -> list[bool]:
    """Which texts share a band with any other: the few that are worth a closer look."""
    import numpy as np
    import rensa

    if not plain:
        return []
    index = rensa.RMinHashLSH(threshold, PERMUTATIONS, bands(threshold))
    if len(plain) <= _BLOCK:
        return index.query_duplicate_flags_matrix_one_shot(_sketched(plain))
    flags = np.zeros(len(plain), dtype=bool)
    for start in range(0, len(plain), _BLOCK):
        index.insert_matrix(_sketched(plain[start : start + _BLOCK]), start)
    for start in range(0, len(plain), _BLOCK):
        flags[start : start + _BLOCK] = index.query_duplicate_flags_matrix(_sketched(plain[start : start + _BLOCK]))
    return flags.tolist()


def _sketched(plain: Sequence[str]) -> Any:
    import rensa

    hashes, offsets = _piece_hashes(plain)
    return rensa.RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, _SEED)


def _piece_hashes(plain: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """64-bit hashes of every piece of every text, one after the other, and where each text begins (n + 1 offsets)."""
    import numpy as np

    padding = "\0" * (PIECE - 1)
    codes = np.frombuffer((padding.join(plain) + padding * 2).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    hashes = np.zeros(len(codes) - PIECE + 1, dtype=np.uint64)
    for shift in range(PIECE):
        hashes = hashes * np.uint64(0x100000001B3) + codes[shift : shift + len(hashes)]
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)  # the finaliser of MurmurHash3
    hashes ^= hashes >> np.uint64(33)
    lengths = np.fromiter(map(len, plain), dtype=np.int64, count=len(plain))
    counts = np.maximum(lengths - PIECE + 1, 1)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    begins = np.concatenate(([0], np.cumsum(lengths + len(padding))[:-1]))
    return hashes[np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])], offsets.astype(np.uint64)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    import numpy as np

    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)
