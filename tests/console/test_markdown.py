"""A model's card is read as Markdown, whoever wrote it; nothing in it is obeyed."""

from __future__ import annotations

import pytest

from pickaxe.console.markdown import markup


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
