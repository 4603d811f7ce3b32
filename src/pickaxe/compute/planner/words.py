"""The words of the planner's fields, results, notes and units, in one file (`data/words.toml`), by language."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Note:
    """Something to say: which words of the section `notes`, and the values in them. As text it is English."""

    key: str
    values: tuple[tuple[str, object], ...] = ()

    def said(self, language: str = "en") -> str:
        values = {name: said(value, language) for name, value in self.values}
        return in_units(word("notes", self.key, language).format(**values), language)

    def __str__(self) -> str:
        return self.said()


def note(key: str, **values: object) -> Note:
    """A note that can be said in any language."""
    return Note(key, tuple(values.items()))


def said(value: Any, language: str = "en") -> Any:
    """The same value with every note in it as text."""
    if isinstance(value, Note):
        return value.said(language)
    if isinstance(value, Mapping):
        return {name: said(item, language) for name, item in value.items()}
    return [said(item, language) for item in value] if isinstance(value, (list, tuple)) else value


def in_all(*notes: Note) -> dict[str, str]:
    """The notes in every language, one after the other: for an error, whose message is English."""
    return {language: "\n".join(each.said(language) for each in notes) for language in LANGUAGES}


def word(section: str, key: str, language: str = "en") -> str:
    """The words for `key` of a section (fields, results, notes); English where the language has none. Raises KeyError for no words."""
    texts = _entry(section, key)
    of_model = key.removeprefix("mix.").rsplit(".", 1)[0] + ": " if key.startswith("mix.") else ""
    return of_model + texts.get(language, texts["en"])


def in_units(text: str, language: str) -> str:
    """A written quantity with the words of its unit in a language: "2.4 days" -> "2.4 天". Symbols (GB, kWh, s) are the same in all."""
    if language == "en":
        return text
    units = _table()["units"]
    return _unit_words().sub(lambda found: units[found.group()].get(language, found.group()), text)


def is_share(section: str, key: str) -> bool:
    """Whether a plain number is a share, which people read in percent."""
    return _entry(section, key).get("shown") == "%"


def known(section: str) -> list[str]:
    return list(_table()[section])


def _entry(section: str, key: str) -> dict[str, str]:
    """The words of a key; `mix.NAME.share` shares those of mix_share."""
    if key.startswith("mix."):
        key = f"mix_{key.rsplit('.', 1)[1]}"
    return _table()[section][key]


@cache
def _unit_words() -> re.Pattern[str]:
    longest_first = sorted(_table()["units"], key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])")


@cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    text = files("pickaxe.compute.planner").joinpath("data", "words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
