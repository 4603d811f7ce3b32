"""Journeys behind a server: answers and why they were given, what something touched, questions in SQL, forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pickaxe.kernel.nouns import Artifact
from pickaxe.serve.answering import Answered
from pickaxe.wire.native.api import MOST_ROWS
from pickaxe.wire.native.client_artifacts import artifact_of
from pickaxe.wire.native.client_content import RemoteContent
from pickaxe.wire.native.routes_graph import BlastInfo, EvidenceInfo
from pickaxe.wire.native.routes_money import CostInfo

if TYPE_CHECKING:
    from pickaxe.compute.planner.energy import Footprint
    from pickaxe.compute.planner.here.serving import ServingForecast
    from pickaxe.flows.blast import Blast
    from pickaxe.flows.explain import Explanation


class RemoteJourneys(RemoteContent):
    """The part of `RemoteWorkspace` that `pickaxe.flows.workspace.Workspace` adds to the kernel's."""

    # Answers

    def predict(self, name: str, texts: Sequence[str]) -> Answered:
        """Answer `texts` by the endpoint `name`; every answer is on record.

        Raises `BadInput`, `NotFound`, and `Unavailable` for a model that cannot be loaded.
        """
        return Answered.of(self.api.post(f"/v1/endpoints/{quote(name, safe='')}/predict", {"texts": list(texts)}))

    def feedback(
        self, trace_id: str, label: str, *, by: str, index: int = 0, comment: str | None = None, span_id: str | None = None
    ) -> None:
        """Say what the right label of an answer is; it joins the next labelling round. Raises `NotFound` and `BadInput`."""
        said = {"label": label, "by": by, "index": index, "comment": comment, "span_id": span_id}
        self.api.post(f"/v1/traces/{quote(trace_id, safe='')}/feedback", said)

    def blast(self, target: str, *, annotator: str | None = None) -> Blast:
        """As `pickaxe.flows.blast.blast`."""
        from pickaxe.flows.blast import Blast

        told = BlastInfo.model_validate(self.api.get("/v1/blast", target=target, by=annotator))
        return Blast(
            told.target,
            told.what,
            tuple(item.noun() for item in told.roots),
            tuple(item.noun() for item in told.artifacts),
            tuple(told.run_ids),
            tuple(item.noun() for item in told.endpoints),
            told.answers,
            told.rebuild_nano,
        )

    def explain(self, trace_id: str, *, index: int = 0, count: int = 5) -> Explanation:
        """As `pickaxe.flows.explain.explain`."""
        from pickaxe.flows.explain import Evidence, Explanation
        from pickaxe.monitor.evidence import Neighbour

        told = EvidenceInfo.model_validate(self.api.get(f"/v1/evidence/{quote(trace_id, safe='')}", index=index, count=count))
        evidence, people = (
            tuple(
                Evidence(Neighbour(**{**item.row, "labelled_by": tuple(item.row["labelled_by"])}), tuple(item.labelled_by))
                for item in rows
            )
            for rows in (told.evidence, told.people)
        )
        answer = {**told.answer, "at": datetime.fromisoformat(told.answer["at"])}
        return Explanation(told.trace_id, told.text, answer, told.model.noun(), evidence, people)

    def footprint(self, artifact: Artifact | str, *, grid: str = "world") -> Footprint:
        """The energy that everything upstream of `artifact` took, by meters or estimates, and the CO2 of it in a grid's electricity.

        Its basis is ``unknown`` where no meter read any. Raises `NotFound` for a grid that there is none of.
        """
        from pickaxe.compute.planner.energy import NOTHING_READ

        told = CostInfo.model_validate(self.api.get(f"/v1/cost/{self.artifact(artifact).id}", grid=grid))
        return told.footprint.noun() if told.footprint else NOTHING_READ

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[list[Any]]:
        """Rows of the answer to one SELECT over tables and records; see ``POST /v1/sql``."""
        from pickaxe.kernel.tables.arrow import rows_of

        asked = {"query": query, "params": list(params), "limit": MOST_ROWS}
        return rows_of(self.api.table("POST", "/v1/sql", json=asked))

    def serving_forecast(self, name: str) -> tuple[ServingForecast, ServingForecast]:
        """What serving an endpoint takes there, and the whole server. Raises `NotFound`."""
        from pickaxe.compute.planner.here.foresight import Foresight
        from pickaxe.compute.planner.here.serving import ServingForecast

        told = self.api.get(f"/v1/endpoints/{quote(name, safe='')}/forecast")
        meters, server = ({meter: Foresight(**said) for meter, said in told[part].items()} for part in ("meters", "server"))
        return ServingForecast(name, meters, told["calls_s"], tuple(told["by_traces"])), ServingForecast("", server)

    def keep_scenario(self, name: str, kind: str, scenario: Mapping[str, Any]) -> Artifact:
        """As `pickaxe.compute.planner.scenario.save`."""
        from pickaxe.compute.planner.scenario import plain

        return artifact_of(self.api.post("/v1/scenarios", {"name": name, "kind": kind, "scenario": plain(scenario)}))
