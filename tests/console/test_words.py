"""Both languages say everything, and templates say nothing by themselves."""

from __future__ import annotations

import re
import string
from importlib.resources import files

import pytest

from pickaxe.console.words import LANGUAGES, catalogue, chosen, translator

TEMPLATES = sorted(files("pickaxe.console").joinpath("templates").iterdir(), key=lambda file: file.name)
SAME_IN_BOTH = {"Pickaxe", "Ctrl", "K", "p", "ms", "Enter", "U", "S", "N"}
"""Names, keys and units that templates may hold as they are."""
SPOKEN = ("title", "aria-label", "placeholder", "alt", "value")


def test_both_languages_have_the_same_keys() -> None:
    english, chinese = ({key.partition("#")[0] for key in catalogue(language)} for language in ("en", "zh"))
    assert len(english) > 50
    assert english == chinese


def test_both_languages_take_the_same_values() -> None:
    fields = {
        (language, key): _fields(text) for language in LANGUAGES for key, text in catalogue(language).items() if "#" not in key
    }
    assert {fields["en", key] == fields["zh", key] for _, key in fields} == {True}


def test_one_is_said_as_one_and_chinese_needs_no_word_for_it() -> None:
    en, zh = translator("en"), translator("zh")
    assert [en("line.rows", n=n) for n in (0, "1", 1, "1,000")] == ["0 rows", "1 row", "1 row", "1,000 rows"]
    assert [zh("line.rows", n=n) for n in (1, 2)] == ["1 行", "2 行"]


def test_what_counts_is_the_first_value_of_its_text() -> None:
    counted = {key.removesuffix("#one"): text for key, text in catalogue("en").items() if key.endswith("#one")}
    assert len(counted) > 5
    for key in counted:
        fields = [name for _, name, _, _ in string.Formatter().parse(catalogue("en")[key]) if name]
        assert fields[0] in ("n", "count"), key


def test_chinese_is_chinese() -> None:
    """A text left in English is one that somebody forgot; names and formats have no Chinese form."""
    english, chinese = catalogue("en"), catalogue("zh")
    words = re.compile(r"[a-z]{4,}")
    forgotten = [key for key, text in chinese.items() if text == english[key] and words.search(re.sub(r"{\w+}", "", text))]
    assert forgotten == []


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_templates_hold_no_text_of_their_own(file) -> None:
    markup = _without_code(file.read_text(encoding="utf-8"))
    spoken = [value for name in SPOKEN for value in re.findall(rf'\b{name}="([^"]*)"', markup)]
    text = re.sub(r"<[^>]*>", " ", markup)
    said = set(re.findall(r"[^\W\d_]+", " ".join([text, *spoken])))
    assert said <= SAME_IN_BOTH


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_every_word_that_a_template_names_is_there(file) -> None:
    named = set(re.findall(r"""\bt\(["']([\w.]+)["'][,)]""", file.read_text(encoding="utf-8")))
    assert named <= set(catalogue("en"))


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, None, "en"),
        ("zh", "en", "zh"),
        ("tlh", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "de;q=0.9,zh-TW;q=0.4,en;q=0.2", "zh"),
        (None, "fr,en;q=bad,;q=,zh;q=0.1", "zh"),
        (None, "*", "en"),
    ],
)
def test_the_language_is_chosen_then_accepted(cookie: str | None, accepted: str | None, language: str) -> None:
    assert chosen(cookie, accepted) == language


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_a_field_with_a_pattern_says_what_is_expected(file) -> None:
    for tag in re.findall(r"pattern=.*", file.read_text(encoding="utf-8")):
        assert tag.count("pattern=") == len(re.findall(r"title=[\"']", tag)), tag


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _without_code(markup: str) -> str:
    for code in (r"{#.*?#}", r"{%.*?%}", r"{{.*?}}", r"&\w+;"):
        markup = re.sub(code, " ", markup, flags=re.DOTALL)
    return markup
