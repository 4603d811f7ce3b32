"""The words of the planner's fields, results and notes, in one file (`data/words.toml`), by language."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "zh")


def word(section: str, key: str, language: str = "en") -> str:
    """The words for `key` of a section (fields, results, notes); English where the language has none. Raises KeyError for no words."""
    texts = _entry(section, key)
    of_model = key.removeprefix("mix.").rsplit(".", 1)[0] + ": " if key.startswith("mix.") else ""
    return of_model + texts.get(language, texts["en"])


def is_share(section: str, key: str) -> bool:
    """Whether a plain number is a share, which people read in percent."""
    return _entry(section, key).get("shown") == "%"


def note(key: str, language: str = "en", **values: object) -> str:
    """A note with its values filled in."""
    return word("notes", key, language).format(**values)


def known(section: str) -> list[str]:
    return list(_table()[section])


def _entry(section: str, key: str) -> dict[str, str]:
    """The words of a key; `mix.NAME.share` shares those of mix_share."""
    if key.startswith("mix."):
        key = f"mix_{key.rsplit('.', 1)[1]}"
    return _table()[section][key]


@cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    text = files("pickaxe.compute.planner").joinpath("data", "words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
