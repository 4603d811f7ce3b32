"""Writes a small workspace with the Pickaxe that is imported: ``python tests/data_workspaces/make.py 0001`` makes ``0001.tar.zst``.

Run once for each schema, before the next migration lands: with the older code on PYTHONPATH. What is in it is in `EXPECTED`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

EXPECTED = {"artifacts": 5, "runs": 2, "traces": 3, "endpoints": 1, "rows": 40}


def fill(folder: Path) -> None:
    """A source, a table, two runs, an alias, an endpoint, traces, and what they cost."""
    import pyarrow as pa

    import pickaxe
    from pickaxe.kernel.nouns import Route
    from tests.kernel.sample_steps import Count, count, double

    with pickaxe.open(folder) as workspace:
        (folder.parent / "words.txt").write_text("eins\nzwei\n", encoding="utf-8")
        workspace.import_files(folder.parent / "words.txt", "words/source")
        rows = pa.table(
            {"row_key": [f"{number:016x}" for number in range(40)], "text": [f"text {number}" for number in range(40)]}
        )
        workspace.import_table(rows, "words/rows")
        counted = workspace.run(count, Count(upto=2), name="words/count", cores=1)
        doubled = workspace.run(double, pickaxe.Config(), name="words/double", inputs={"total": counted["total"]}, cores=1)
        model = folder.parent / "model"
        model.mkdir()
        (model / "pickaxe.json").write_text('{"format": "fake-words", "classes": ["serious", "sarcastic"]}', encoding="utf-8")
        student = workspace.import_files(model, "words/student", kind="model")
        workspace.alias(doubled["total"], "production")
        workspace.publish("words", [Route(student.id)], {"round": 1})
        for number in range(3):
            body = {"endpoint": "words", "artifact_id": student.id, "span_id": f"{number:016x}", "texts": ["eins"]}
            body |= {"labels": ["serious"], "probs": [[0.9, 0.1]], "ms": 1.5, "status": 200}
            workspace.emit("trace", f"{number:032x}", name="words", value=1.5, body=body)


def pack(folder: Path, target: Path) -> None:
    import tarfile

    import pyarrow as pa

    with pa.CompressedOutputStream(str(target), "zstd") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        archive.add(folder, arcname=".")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        fill(Path(scratch) / "workspace")
        pack(Path(scratch) / "workspace", Path(__file__).parent / f"{sys.argv[1]}.tar.zst")
