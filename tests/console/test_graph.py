"""The lineage drawing stays a drawing however much hangs on an artifact."""

from __future__ import annotations

import re

import sqlalchemy as sa

from pickaxe.console.charts import thinned
from pickaxe.console.graph import drawing
from pickaxe.kernel import browse
from pickaxe.kernel.catalog.schema import artifacts, edges, runs
from pickaxe.kernel.workspace import Workspace

READERS = 2000


def _hub(workspace: Workspace) -> str:
    """An artifact that thousands of runs read, each of which makes one more."""
    made = [_artifact(workspace, "art-hub", "hub", None)]
    ran, ends = list[dict[str, object]](), list[dict[str, object]]()
    for number in range(READERS):
        run = f"run-{number:05d}"
        ran.append(
            {"id": run, "tenant_id": workspace.tenant_id, "principal_id": workspace.principal_id, "name": f"t/r{number}", "key": run,
             "state": "succeeded", "step": "x:y", "config": {}, "attempt": 1, "created_ns": number}
        )  # fmt: skip
        made.append(_artifact(workspace, f"art-{number:05d}", f"t/a{number}", run))
        ends.append({"run_id": run, "direction": "in", "role": "of", "artifact_id": "art-hub"})
        ends.append({"run_id": run, "direction": "out", "role": "made", "artifact_id": f"art-{number:05d}"})
    with workspace.catalog.write() as connection:
        for table, rows in ((runs, ran), (artifacts, made), (edges, ends)):
            connection.execute(sa.insert(table), rows)
    return "art-hub"


def _artifact(workspace: Workspace, id: str, name: str, run_id: str | None) -> dict[str, object]:
    return {"id": id, "tenant_id": workspace.tenant_id, "name": name, "version": 1, "kind": "dataset", "digest": id, "stored": "json",
            "pin": {}, "size": 1, "meta": {}, "run_id": run_id, "created_ns": 1}  # fmt: skip


def test_a_hub_of_thousands_is_drawn_in_part_and_counted_in_full(empty: Workspace) -> None:
    near = browse.around(empty, _hub(empty), most=100)
    assert len(near.artifact_ids) == 100
    assert near.more["art-hub"] == READERS - 99
    names = browse.run_names(empty, near.run_ids)
    drawn = drawing(near, empty.artifacts.many(list(near.artifact_ids)), names, "art-hub", "en", "hub")
    assert drawn.count('class="node') == 100
    assert f"+{READERS - 99}" in drawn
    assert len(drawn) < 100_000


def test_data_stands_left_of_what_was_made_of_it(empty: Workspace) -> None:
    near = browse.around(empty, _hub(empty), most=4)
    drawn = drawing(near, empty.artifacts.many(list(near.artifact_ids)), {}, "art-hub", "en", "hub")
    hub, *others = (float(x) for x in re.findall(r'<rect x="([\d.]+)"', drawn))
    assert all(hub < other for other in others)


def test_names_page_by_key(empty: Workspace) -> None:
    _hub(empty)
    found, after = browse.names(empty, contains="t/a1", limit=30)
    assert after == found[-1].newest.name
    further, _ = browse.names(empty, contains="t/a1", limit=30, after=after)
    assert found[-1].newest.name < further[0].newest.name
    assert browse.names(empty, contains="nothing")[0] == []


def test_a_thinned_curve_keeps_its_ends_and_its_peaks() -> None:
    points = [(float(step), float(step == 5003)) for step in range(10_000)]
    kept = thinned(points, 400)
    assert len(kept) <= 400
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert (5003.0, 1.0) in kept
    assert kept == sorted(kept)
