"""Every page in 中文: nothing of the product's own is left in English.

What people brought (texts, names) stands in ``<bdi>``, what is written as one types it in ``<code>`` and ``<pre>``, and what a program
said in an element that says ``lang="en"``. The rest is ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.testclient import TestClient

from pickaxe.kernel.workspace import Workspace
from tests.console.site import application
from tests.console.test_every_page import PATHS, names
from tests.console.test_journeys import workspace

__all__ = ["names", "workspace"]
pytestmark = pytest.mark.slow  # whoever comes first waits for the line

MORE = {f"plan {kind}": f"/plan/{kind}" for kind in ("serve", "pool", "app", "payback", "own")} | {
    "data": "/data",
    "sql": "/data/-/sql?q=SELECT+1+AS+one",
    "labelling": "/label",
    "review": "/review",
    "changes of a kind": "/settings/changes?kind=commands&routine=1",
}
# Names, units, and terms of the field that Chinese texts use as they are.
_TERMS = """
ZFLOP SELECT AS Authorization Bearer SECRET AI headlines reuters TSV
Pickaxe English API SQL AWS GPU CPU MFU FLOP FLOPS PFLOP PFLOPS ZeRO DP TP PP CP EP SP CSV JSON JSONL Parquet TOML
OpenID SQLite PUE LoRA token tokens KV MoE HBM NVLink ECE AUROC MMD URL ID UTC p vs Ctrl Enter ms min kWh MWh GWh
GB MB kB TB Wh W GPU-h CO USD CNY EUR GBP JPY ReLU ONNX ONNX-int int bf fp nf Vega Llama BLOOM OPT PaLM MegaScale
ByteRobust GPT Claude Gemini DeepSeek Qwen Mixtral
"""
TERMS = frozenset(_TERMS.split())
SKIPPED = {"script", "style", "code", "pre", "bdi", "kbd", "option", "title"}
SPOKEN = ("aria-label", "placeholder", "title", "alt")


class _Said(HTMLParser):
    """The texts of a page that are the product's own, and the specifications of its charts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.charts: list[Any] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        skipped = tag in SKIPPED or given.get("lang") == "en"
        if not skipped and not self._inside():
            self.texts += [value for name in SPOKEN if (value := given.get(name))]
        if spec := given.get("data-chart"):
            self.charts.append(json.loads(spec))
        if tag not in ("input", "br", "img", "meta", "link", "path", "rect", "hr", "line", "circle"):
            self._open.append((tag, skipped))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._inside():
            self.texts.append(" ".join(data.split()))

    def _inside(self) -> bool:
        return any(skipped for _, skipped in self._open)


def english(text: str) -> Iterator[str]:
    """Words that are neither terms nor names with a digit, a slash, a dot or a colon in them."""
    for word in re.findall(r"[A-Za-z0-9_./:@+−–%$¥*#=-]*[A-Za-z][A-Za-z0-9_./:@+%$*#='-]*", text):
        bare = word.strip(".,:-'")
        if re.fullmatch(r"[A-Za-z'-]{2,}", bare) and bare not in TERMS:
            yield bare


def words_of(chart: Any, place: str = "") -> Iterator[str]:
    """What a chart says: titles and the texts of its rows."""
    if isinstance(chart, dict):
        for name, value in chart.items():
            yield from words_of(value, name)
    elif isinstance(chart, list):
        for value in chart:
            yield from words_of(value, place)
    elif isinstance(chart, str) and place == "title":
        yield chart


@pytest.mark.parametrize("path", (PATHS | MORE).values(), ids=PATHS | MORE)
def test_a_page_is_all_in_chinese(workspace: Workspace, names: dict[str, str], path: str) -> None:
    data = {"tiny", "good", "bad", "ada", "root", "local", "production", "home", "one", *known(workspace)}
    with TestClient(application(workspace), base_url="http://localhost") as client:
        page = client.get(path.format(**names), headers={"accept-language": "zh"}, cookies={"pickaxe-language": "zh"})
    said = _Said()
    said.feed(page.text)
    left = {word: text for text in [*said.texts, *words_of(said.charts)] for word in english(text) if word not in data}
    assert left == {}


def known(workspace: Workspace) -> set[str]:
    """Names that are the workspace's own: of artifacts and runs, of steps and of what they measured."""
    runs = workspace.runs.list()
    found = {part for item in (*workspace.artifacts.list(), *runs) for part in re.split(r"[/:]", item.name)}
    measured = {event.name for event in workspace.log.list(kind="metric", limit=10_000)}
    return found | {run.step.rpartition(":")[2] for run in runs} | measured
