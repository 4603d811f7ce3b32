"""The console's words, by language: one TOML file per page and language, ``words/<language>/<page>.toml``.

A text that counts has a form for one where the language has it: ``rows = { one = "{n} row", other = "{n} rows" }``, by the names of
CLDR's plural categories. The first value in it is the number.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"

Translate = Callable[..., str]


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """``page.key`` -> text, of every page; the text for one is at ``page.key#one``."""
    folder = files("pickaxe.console").joinpath("words", language)
    found: dict[str, str] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        page = file.name.removesuffix(".toml")
        for key, text in tomllib.loads(file.read_text(encoding="utf-8")).items():
            forms = {"other": text} if isinstance(text, str) else text
            found |= {f"{page}.{key}" + ("" if form == "other" else f"#{form}"): said for form, said in forms.items()}
    return found


def translator(language: str) -> Translate:
    """``t(key, name=value…)``; a key that no catalogue has is a mistake of ours and raises `KeyError`."""
    words = catalogue(language)

    def t(key: str, /, **values: object) -> str:
        text = words[key]
        if f"{key}#one" in words and str(values[_first_value(text)]) == "1":
            text = words[f"{key}#one"]
        return text.format(**values) if values else text

    return t


def _first_value(text: str) -> str:
    return next(name for _, name, _, _ in string.Formatter().parse(text) if name)


def name_of(language: str, group: str, value: str) -> str:
    """A value of an open set (a kind, a stage, a meter) in words where there are some, else as it is."""
    return catalogue(language).get(f"{group}.{value}", value)


def chosen(cookie: str | None, accepted: str | None) -> str:
    """The language that somebody chose, else the first that their browser accepts and we speak."""
    if cookie in LANGUAGES:
        return cookie
    ranked = sorted(_accepted(accepted or ""), key=lambda item: -item[1])
    return next((tag for tag, _ in ranked if tag in LANGUAGES), DEFAULT)


def _accepted(header: str) -> list[tuple[str, float]]:
    """``zh-CN,zh;q=0.9`` -> [("zh", 1.0), ("zh", 0.9)]; what cannot be read counts nothing."""
    found: list[tuple[str, float]] = []
    for part in header[:400].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            found.append((tag.partition("-")[0].lower(), float(quality or 1)))
        except ValueError:
            continue
    return found
