"""The lineage graph as SVG, drawn here: artifacts in columns from the data on the left, runs as dots on the lines between them.

A drawing holds some hundred artifacts; where the graph goes on, a node says how many more there are and leads to the drawing around it.
So a workspace of any size is walked, not shown at once. Layers are longest paths, rows follow the neighbours' mean (Sugiyama, Tagawa &
Toda 1981, "Methods for visual understanding of hierarchical system structures").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from pickaxe.console.site import link
from pickaxe.console.words import name_of
from pickaxe.kernel.browse import Neighbourhood
from pickaxe.kernel.nouns import Artifact

WIDE, HIGH, ACROSS, DOWN, MARGIN = 184, 42, 58, 12, 14
_SWEEPS = 6
_LETTERS = 26


@dataclass(frozen=True, slots=True)
class Place:
    x: float
    y: float


def drawing(
    near: Neighbourhood, artifacts: Mapping[str, Artifact], runs: Mapping[str, str], centre: str, language: str, label: str
) -> Markup:
    """The `<svg>`. `artifacts` and `runs` (id -> name) are those of `near`; `label` says what it is to who cannot see it."""
    inputs, outputs = _ends(near)
    places = _placed(_columns(near, inputs, outputs, centre), inputs, outputs)
    width = max(place.x for place in places.values()) + WIDE + MARGIN
    height = max(place.y for place in places.values()) + HIGH + MARGIN
    parts = [_run(run, inputs[run], outputs[run], places, runs.get(run, run)) for run in near.run_ids]
    parts += [_node(artifacts[id], places[id], near.more.get(id, 0), id == centre, language) for id in places if id in artifacts]
    return Markup('<svg class="graph" role="group" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>').format(
        label, round(width), round(height), round(width), round(height), Markup("").join(parts)
    )


def _ends(near: Neighbourhood) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """run id -> what it read, run id -> what it made, as far as they are shown."""
    inputs: dict[str, list[str]] = {run: [] for run in near.run_ids}
    outputs: dict[str, list[str]] = {run: [] for run in near.run_ids}
    for start, end in near.links:
        if end in inputs:
            inputs[end].append(start)
        else:
            outputs[start].append(end)
    return inputs, outputs


def _columns(
    near: Neighbourhood, inputs: Mapping[str, list[str]], outputs: Mapping[str, list[str]], centre: str
) -> list[list[str]]:
    """Artifacts by column, left to right: each as far from the centre as its longest way there."""
    reads: dict[str, list[str]] = {}
    makes: dict[str, list[str]] = {}
    for run in near.run_ids:
        for source in inputs[run]:
            makes.setdefault(source, []).extend(outputs[run])
        for made in outputs[run]:
            reads.setdefault(made, []).extend(inputs[run])
    upstream = _distances(centre, lambda id: reads.get(id, []))
    downstream = _distances(centre, lambda id: makes.get(id, []))
    layer = {id: downstream.get(id, 0) - upstream.get(id, 0) for id in near.artifact_ids}
    for id in near.artifact_ids:  # what a run made beside the way to the centre stands with what it made on the way
        if id not in upstream and id not in downstream:
            layer[id] = max((layer[source] for source in reads.get(id, []) if source in layer), default=0) + 1
    first = min(layer.values())
    columns: list[list[str]] = [[] for _ in range(max(layer.values()) - first + 1)]
    for id, place in layer.items():
        columns[place - first].append(id)
    return [column for column in columns if column]


def _distances(start: str, neighbours: Callable[[str], list[str]]) -> dict[str, int]:
    """Longest ways from `start` in a graph without cycles."""
    found, queue = {start: 0}, [start]
    while queue:
        here = queue.pop()
        for other in neighbours(here):
            if found.get(other, -1) < found[here] + 1:
                found[other] = found[here] + 1
                queue.append(other)
    return found


def _placed(columns: list[list[str]], inputs: Mapping[str, list[str]], outputs: Mapping[str, list[str]]) -> dict[str, Place]:
    """Rows by the mean of the neighbours' rows, swept to and fro; columns are centred on each other."""
    near: dict[str, set[str]] = {id: set() for column in columns for id in column}
    for run, sources in inputs.items():
        for source in sources:
            for made in outputs[run]:
                near[source].add(made)
                near[made].add(source)
    row = {id: place - len(column) / 2 for column in columns for place, id in enumerate(column)}
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 else reversed(columns):
            column.sort(key=lambda id: (sum(row[other] for other in near[id]) / len(near[id]) if near[id] else row[id], id))
            row |= {id: place - len(column) / 2 for place, id in enumerate(column)}
    tallest = max(len(column) for column in columns)
    return {
        id: Place(MARGIN + x * (WIDE + ACROSS), MARGIN + (y + (tallest - len(column)) / 2) * (HIGH + DOWN))
        for x, column in enumerate(columns)
        for y, id in enumerate(column)
    }


def _run(id: str, inputs: list[str], outputs: list[str], places: Mapping[str, Place], name: str) -> Markup:
    """A dot with a line from everything the run read and to everything it made."""
    starts, ends = [places[id] for id in inputs if id in places], [places[id] for id in outputs if id in places]
    if not ends:
        return Markup("")
    x = min(place.x for place in ends) - ACROSS / 3
    y = sum(place.y for place in ends) / len(ends) + HIGH / 2
    lines = [_line(place.x + WIDE, place.y + HIGH / 2, x, y) for place in starts]
    lines += [_line(x, y, place.x, place.y + HIGH / 2) for place in ends]
    return Markup('{}<a href="{}" aria-label="{}"><title>{}</title><circle class="run" cx="{}" cy="{}" r="6"/></a>').format(
        Markup("").join(lines), link("runs", id), name, name, round(x, 1), round(y, 1)
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> Markup:
    bend = max(18.0, abs(x2 - x1) / 2)
    return Markup('<path d="M{} {}C{} {} {} {} {} {}"/>').format(
        *(round(value, 1) for value in (x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2))
    )


def _node(item: Artifact, place: Place, more: int, centre: bool, language: str) -> Markup:
    x, y = round(place.x, 1), round(place.y, 1)
    shown = item.ref if len(item.ref) <= _LETTERS else "…" + item.ref[1 - _LETTERS :]
    told = name_of(language, "kind", item.kind) + (f" · {item.meta['rows']:,}" if isinstance(item.meta.get("rows"), int) else "")
    rest = Markup('<text class="more" x="{}" y="{}">+{}</text>').format(x + WIDE - 8, y + 32, more) if more else ""
    return Markup(
        '<a class="node{}" href="{}"><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="7"/>'
        '<text x="{}" y="{}">{}</text><text class="kind" x="{}" y="{}">{}</text>{}</a>'
    ).format(
        " centre" if centre else "",
        link("artifacts", item.id, view="lineage"),
        item.ref,
        x,
        y,
        WIDE,
        HIGH,
        x + 10,
        y + 17,
        shown,
        x + 10,
        y + 32,
        told,
        rest,
    )
