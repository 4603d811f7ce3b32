"""The words of the planner's fields, results and notes, in one file (`data/words.toml`), by language."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "zh")


def word(section: str, key: str, language: str = "en") -> str:
    """The words for `key` of a section (fields, results, notes); English where the language has none. Raises KeyError for no words."""
    texts = _table()[section][key]
    return texts.get(language, texts["en"])


def is_share(section: str, key: str) -> bool:
    """Whether a plain number is a share, which people read in percent."""
    return _table()[section].get(key, {}).get("shown") == "%"


def note(key: str, language: str = "en", **values: object) -> str:
    """A note with its values filled in."""
    return word("notes", key, language).format(**values)


def known(section: str) -> list[str]:
    return list(_table()[section])


@cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    text = files("pickaxe.compute.planner").joinpath("data", "words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
