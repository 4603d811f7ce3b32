"""Human time: metered from the annotations that a run made, at the desk where each was given.

An artifact of kind ``annotations`` has the columns `annotator`, `seconds` and `simulated`. What a run's output holds beyond its
inputs is new work, and is charged once. Time of simulated annotators is marked ``simulated`` wherever it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pickaxe.kernel.content import read_arrow
from pickaxe.kernel.ledger.ledger import Usage

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.engine.attempt import Output
    from pickaxe.kernel.nouns import Artifact
    from pickaxe.kernel.workspace import Workspace

KIND = "annotations"


def human_usage(workspace: Workspace, outputs: Mapping[str, Output], inputs: Mapping[str, Artifact]) -> list[Usage]:
    """Milliseconds of labelling in `outputs` that were not in `inputs` already, measured and simulated apart."""
    made = [_totals(read_arrow(output.path)) for output in outputs.values() if output.kind == KIND]
    if not made:
        return []
    had = [_totals(workspace.read_table(artifact)) for artifact in inputs.values() if artifact.kind == KIND]
    readings: list[Usage] = []
    for simulated, basis in ((False, "measured"), (True, "simulated")):
        new = sum(total[simulated] for total in made) - sum(total[simulated] for total in had)
        if new > 0:
            readings.append(Usage("human_ms", new, basis, "seconds of each annotation, at the desk"))
    return readings


def _totals(table: pa.Table) -> dict[bool, int]:
    """Milliseconds by whether the annotator was simulated."""
    totals = {False: 0, True: 0}
    for seconds, simulated in zip(table["seconds"].to_pylist(), table["simulated"].to_pylist(), strict=True):
        totals[simulated] += round(seconds * 1000)
    return totals
