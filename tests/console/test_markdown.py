"""A model's card is read as Markdown, whoever wrote it; nothing in it is obeyed."""

from __future__ import annotations

import pytest

from pickaxe.console.markdown import markup
from pickaxe.console.pages.artifacts import _card
from pickaxe.console.words import catalogue
from pickaxe.flows.publish import PublishConfig
from pickaxe.flows.publish import _card as write_card


def test_a_card_is_structured_below_the_pages_own_headings() -> None:
    card = "---\nlicense: other\n---\n# headlines\n\nTells *sarcasm*.\n\n## Limits\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    found = markup(card)
    assert "license" not in found
    assert "<h3>headlines</h3>" in found
    assert "<h4>Limits</h4>" in found
    assert "<li>one</li>" in found
    assert "<td>1</td>" in found


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "![seen](https://evil.example/pixel.png)",
        "[here](javascript:alert(1))",
        "[here](data:text/html,<script>alert(1)</script>)",
        "[sign out](/sign-out)",
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
    ],
)
def test_nothing_is_obeyed(text: str) -> None:
    found = markup(text)
    for sign in ("<script", "<img", 'href="javascript', 'href="data', 'href="/'):
        assert sign not in found


def test_a_line_at_the_top_is_no_front_matter() -> None:
    assert "<hr />" in markup("---\n\ntext that goes on and is never closed")


def test_links_to_the_web_stay() -> None:
    assert '<a href="https://example.org/a">here</a>' in markup("[here](https://example.org/a)")


def test_the_headings_of_our_own_cards_are_in_the_readers_language(finished_card: str) -> None:
    said = {key: text for key, text in catalogue("zh").items() if key.startswith("artifacts.card_")}
    page = _card(finished_card, "zh")
    assert page.count('<h4 lang="zh">') == len(said) == finished_card.count("\n## ")
    assert all(f">{text}</h4>" in page for text in said.values())
    assert "<h4>Intended use</h4>" in _card(finished_card, "en")
    foreign = finished_card.replace("library_name: pickaxe", "library_name: other")
    assert "<h4>Intended use</h4>" in _card(foreign, "zh")
    odd = "---\nlibrary_name: pickaxe\n---\n## Data <script>\n\n## Data\n"
    assert "<h4>Data &lt;script&gt;</h4>" in _card(odd, "zh")


@pytest.fixture
def finished_card() -> str:
    """As `publish` writes it."""
    config = PublishConfig(task="mail", intended_use="To sort.", limits="Short texts.")
    return write_card(config, {"format": "linear", "classes": ["a", "b"]}, {"verdict": {"rules": []}})
