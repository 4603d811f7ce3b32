"""What went wrong, in the reader's language: by the error's `reason` and details, never by its English sentence.

``problem.toml`` has for a reason the message, and with ``-expected`` and ``-remedy`` the rest. What has no words there is said as the
program said it, and marked as English; what came (`got`) is never translated, as it is the reader's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Any

from markupsafe import Markup, escape

from pickaxe.console.words import DEFAULT, catalogue
from pickaxe.kernel.errors import PickaxeError

PARTS = ("message", "expected", "remedy")

Error = PickaxeError | Mapping[str, Any]
"""An error, or its `as_dict()` as it was kept or answered."""


class _OnAPage(Formatter):
    """Sets the reader's own values apart, so that they change neither the markup nor the direction of the sentence."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return Markup("<bdi>{}</bdi>").format(super().format_field(value, format_spec))


def in_words(error: Error, language: str) -> dict[str, str]:
    """Those parts of an error that we can say in a language; all of them or the first, and nothing in English, as it is in that."""
    return _filled(error, language, str.format_map)


def _filled(error: Error, language: str, fill: Callable[[str, Mapping[str, Any]], str]) -> dict[str, str]:
    said, words = _parts(error), catalogue(language)
    details: Mapping[str, Any] = said["details"] or {}
    reason = details.get("reason")
    if (fields := details.get("fields")) and (found := _fields(fields, words)):
        details = {**details, "problems": found}
    if language == DEFAULT or f"problem.{reason}" not in words:
        return {}
    keys = {"message": f"problem.{reason}", "expected": f"problem.{reason}-expected", "remedy": f"problem.{reason}-remedy"}
    if details.get("near"):
        keys["remedy"] = "problem.near"
    try:
        return {part: fill(words[keys[part]], details) for part in PARTS if said[part] and keys[part] in words}
    except KeyError:  # it was kept by a version that knew less of it
        return {}


def _fields(fields: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> str | None:
    """What is wrong with each of them; None where one has no words."""
    texts = [words.get(f"field.{item.get('kind')}") for item in fields]
    known = [(item, text) for item, text in zip(fields, texts, strict=True) if text]
    said = [f"{item['field']}{words['field.is']}{text.format_map(item['values'])}" for item, text in known]
    return words["field.and"].join(said) if len(known) == len(fields) else None


def message(error: Error, language: str) -> Markup:
    return _told(error, "message", language)


def expected(error: Error, language: str) -> Markup:
    return _told(error, "expected", language)


def remedy(error: Error, language: str) -> Markup:
    return _told(error, "remedy", language)


def _told(error: Error, part: str, language: str) -> Markup:
    """Nothing where the error has no such part."""
    if text := _filled(error, language, lambda text, values: _OnAPage().vformat(str(escape(text)), (), values)).get(part):
        return Markup(text)  # noqa: S704 - words and values are escaped
    return Markup('<span lang="en">{}</span>').format(text) if (text := _parts(error)[part]) else Markup("")


def _parts(error: Error) -> Mapping[str, Any]:
    """For a reader of a page: where things are listed stands on it as a link."""
    if isinstance(error, PickaxeError):
        return {**{part: getattr(error, part) for part in PARTS}, "details": error.details}
    return {part: error.get(part) for part in (*PARTS, "details")}
