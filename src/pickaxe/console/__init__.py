"""The web pages: server-rendered, readable without JavaScript where that is possible, live where something happens.

A page named `x` is four files and one line: ``pages/x.py`` with a ``router(site)``, ``templates/x.html``, the words
``words/en/x.toml`` and ``words/zh/x.toml``, and its name in `PAGES` (`pickaxe.console.pages`).
"""

from pickaxe.console.pages import Console, pages

__all__ = ["Console", "pages"]
