"""Tables of short texts in 22 languages and the encodings that they are saved in: what the guess at an encoding is measured by.

Each language of `encoded.toml` has two halves, other sentences and other classes in each. The letters of `pickaxe.data.readers.letters` were chosen while
looking at the half "tuned"; the half "held" was not looked at.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

Half = Literal["tuned", "held"]

WESTERN = ("cp1252", "mac-roman", "cp850")
ENCODINGS: dict[str, tuple[str, ...]] = {
    "zh": ("gb18030",),
    "zh-tw": ("big5",),
    "ja": ("cp932", "euc_jp"),
    "ko": ("cp949",),
    "fr": WESTERN,
    "de": WESTERN,
    "es": WESTERN,
    "pt": WESTERN,
    "it": WESTERN,
    "sv": WESTERN,
    "da": WESTERN,
    "pl": ("cp1250",),
    "cs": ("cp1250",),
    "hu": ("cp1250",),
    "ro": ("cp1250",),
    "tr": ("cp1254",),
    "ru": ("cp1251", "koi8-r"),
    "uk": ("cp1251",),
    "el": ("cp1253",),
    "he": ("cp1255",),
    "ar": ("cp1256",),
    "th": ("cp874",),
}


class Said(NamedTuple):
    """Sentences, two classes, names of the two columns."""

    said: tuple[str, ...]
    classes: tuple[str, str]
    header: tuple[str, str]


TEXTS: dict[str, dict[Half, Said]] = {
    language: {half: Said(*map(tuple, (told["said"], told["classes"], told["header"]))) for half, told in halves.items()}
    for language, halves in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).items()
}


class Table(NamedTuple):
    """A table as it is saved."""

    language: str
    encoding: str
    about: str
    content: str

    @property
    def data(self) -> bytes:
        return self.content.encode(self.encoding)


def tables(half: Half, languages: Sequence[str] = tuple(ENCODINGS)) -> Iterator[Table]:
    """Of every language in each of its encodings: one sentence again and again or several, few rows or many, alone or beside plain columns."""
    shapes = list(product((5, 20, 200, 500), (1, 2, 5), (True, False), (True, False), (True, False)))
    for language in languages:
        own = TEXTS[language][half]
        for number, (rows, sentences, plain_columns, numbered, named) in enumerate(shapes):
            begin = number % len(own.said)
            said = [own.said[(begin + each) % len(own.said)] for each in range(sentences)]
            classes, header = (own.classes, own.header) if named else (("a", "b"), ("text", "kind"))
            about = f"{rows} rows of {sentences}, columns {plain_columns}, numbers {numbered}, classes {named}"
            content = "\r\n".join(_lines(said, rows, classes, header, plain_columns=plain_columns, numbered=numbered)) + "\r\n"
            if not content.isascii():
                yield from (Table(language, encoding, about, content) for encoding in ENCODINGS[language])


def _lines(
    said: Sequence[str], rows: int, classes: tuple[str, str], header: tuple[str, str], *, plain_columns: bool, numbered: bool
) -> Iterator[str]:
    yield ",".join(["id", *header, "email", "date"] if plain_columns else header)
    for row in range(rows):
        text = f"{said[row % len(said)]} ({row})" if numbered else said[row % len(said)]
        cells = [f'"{text}"', classes[row % 2]]
        yield ",".join([str(row), *cells, f"user{row}@example.org", f"2026-03-{1 + row % 28:02}"] if plain_columns else cells)
