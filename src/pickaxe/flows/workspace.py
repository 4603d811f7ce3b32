"""What `pickaxe.open` gives: a tenant's workspace, and the journeys through it as methods.

`pickaxe.wire.native.client.RemoteWorkspace` has the same methods over HTTP; `tests/wire/test_same_facade.py` compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import Conflict
from pickaxe.kernel.location import Location
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.stores import Mode
from pickaxe.kernel.workspace import Workspace as KernelWorkspace
from pickaxe.serve.answering import Answered, Answering

if TYPE_CHECKING:
    from pickaxe.compute.planner.energy import Footprint
    from pickaxe.compute.planner.here.serving import ServingForecast
    from pickaxe.flows.blast import Blast
    from pickaxe.flows.explain import Explanation
    from pickaxe.flows.left_jobs import LeftJobs
    from pickaxe.flows.line import LineWatcher
    from pickaxe.flows.produce import Product
    from pickaxe.flows.task import Task


class Workspace(KernelWorkspace):
    """A tenant's view of the stores; the one that opens them sees as the local tenant, and closes them.

    Raises `WriterBusy` when another process writes, `NewerWorkspace` when a newer version did, `NotFound` when a reader finds
    nothing there. Use it as a context manager, or call `close`.
    """

    def __init__(self, path: Path | str | Location | None = None, *, mode: Mode = "w", settings: Settings | None = None) -> None:
        super().__init__(path, mode=mode, settings=settings)
        self._answering = Answering(self)

    @property
    def jobs(self) -> LeftJobs:
        """Lines that a server carries out, or will when the next one starts."""
        from pickaxe.flows.left_jobs import LeftJobs

        return LeftJobs(self)

    def produce(self, task: Task | Path | str, *, watcher: LineWatcher | None = None) -> Product:
        """Run the line for `task`; see `pickaxe.produce`."""
        from pickaxe.flows.produce import produce

        return produce(task, self, watcher=watcher)

    # Answers

    def predict(self, name: str, texts: Sequence[str]) -> Answered:
        """Answer `texts` by the endpoint `name`; every answer is on record, as a server's are.

        Raises `BadInput`, `NotFound`, and `Unavailable` for a model that cannot be loaded.
        """
        if self.mode != "w":
            raise Conflict(
                "an answer is put on record, and this workspace was opened for reading", remedy='mode="w", or a server'
            )
        return self._answering.ask(self.tenant_id, name, texts)

    def feedback(
        self, trace_id: str, label: str, *, by: str, index: int = 0, comment: str | None = None, span_id: str | None = None
    ) -> None:
        """Say what the right label of an answer is; it joins the next labelling round. Raises `NotFound` and `BadInput`."""
        from pickaxe.serve.records import Opinion, Records

        Records(self).add_feedback(trace_id, Opinion(label, by, index, comment, span_id))

    def explain(self, trace_id: str, *, index: int = 0, count: int = 5) -> Explanation:
        """Why an answer was given; see `pickaxe.flows.explain.explain`."""
        from pickaxe.flows.explain import explain

        return explain(self, trace_id, index=index, count=count)

    # Questions

    def blast(self, target: str, *, annotator: str | None = None) -> Blast:
        """What a row, a person's labels or an artifact touched; see `pickaxe.flows.blast.blast`."""
        from pickaxe.flows.blast import blast

        return blast(self, target, annotator=annotator)

    def footprint(self, artifact: Artifact | str, *, grid: str = "world") -> Footprint:
        """The energy that everything upstream of `artifact` took, by meters or estimates, and the CO2 of it in a grid's electricity.

        Its basis is ``unknown`` where no meter read any. Raises `NotFound` for a grid that there is none of.
        """
        from pickaxe.compute.planner import energy

        intensity = energy.grid(grid)
        return energy.metered((charge for run in self.cost(artifact).runs for charge in run.charges), intensity)

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[list[Any]]:
        """Rows of the answer to one SELECT over tables and records; see `pickaxe.flows.query.query`."""
        from pickaxe.flows.query import query as ask
        from pickaxe.kernel.tables.arrow import rows_of

        return rows_of(ask(self, query, params))

    # Forecasts

    def serving_forecast(self, name: str) -> tuple[ServingForecast, ServingForecast]:
        """What serving an endpoint takes here, and the whole server. Raises `NotFound`."""
        from pickaxe.compute.planner.here.serving import forecast_endpoint, forecast_server

        self.endpoint(name)
        return forecast_endpoint(self, name), forecast_server(self)

    def keep_scenario(self, name: str, kind: str, scenario: Mapping[str, Any]) -> Artifact:
        """Keep a scenario with its forecast; see `pickaxe.compute.planner.scenario.save`."""
        from pickaxe.compute.planner.scenario import save

        return save(self, name, kind, scenario)

    def close(self) -> None:
        """Close the stores, for every view of them. Idempotent."""
        self._answering.stop()
        super().close()
