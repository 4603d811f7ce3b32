"""Markdown that anybody may have written, as markup of a page: its own HTML is shown and not obeyed, links lead to the web alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"\A---\r?\n.*?^---\r?$", re.DOTALL | re.MULTILINE)
_BELOW = 2
"""A page's own headings are h1 and h2."""


def markup(text: str, *, headings: Mapping[str, str] | None = None, language: str = "") -> Markup:
    """CommonMark with tables, without front matter. `headings`: what some are called in another `language`."""
    reader = _reader()
    tokens = reader.parse(_FRONT_MATTER.sub("", text, count=1))
    for token, inside in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + _BELOW)}"
        if token.type == "heading_open" and inside and headings and (said := headings.get(inside.content)):
            token.attrSet("lang", language)
            inside.children = reader.parseInline(said)[0].children
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704 (its HTML is escaped)


def says(text: str, line: str) -> bool:
    """Whether `line` is in the front matter of `text`."""
    found = _FRONT_MATTER.match(text)
    return found is not None and line in found[0].splitlines()


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    reader.validateLink = lambda url: url.lower().startswith(("http://", "https://"))
    return reader
