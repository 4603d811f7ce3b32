"""Runs behind a server; the other side is `pickaxe.wire.native.routes_runs`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from pickaxe.kernel.nouns import Run, RunState
from pickaxe.kernel.paging import batched
from pickaxe.kernel.runs import run_id_of
from pickaxe.wire.native.api import ASKED_AT_ONCE, PAGE, Api
from pickaxe.wire.native.nouns import RunInfo


class RemoteRuns:
    """What `pickaxe.kernel.runs.Runs` has to read, over HTTP."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, run_id: str) -> Run:
        """Raises `NotFound`."""
        return _run(self._api.get(f"/v1/runs/{quote(run_id, safe='')}"))

    def cached(self, key: str) -> Run | None:
        """The succeeded run of this key, if there is one."""
        found = self.many([run_id_of(key)])
        return next((run for run in found.values() if run.key == key and run.state == RunState.SUCCEEDED), None)

    def list(self, *, prefix: str = "", limit: int = 1000) -> list[Run]:
        """Newest first."""
        return self.page(prefix=prefix, limit=limit)[0]

    def page(
        self,
        *,
        name: str = "",
        prefix: str = "",
        step: str = "",
        states: Collection[str] = (),
        names: Collection[str] | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[list[Run], str | None]:
        """As `pickaxe.kernel.runs.Runs.page`; of more than 1,000 in several requests."""
        if names is not None and not (names := [each for each in names if name in ("", each)]):
            return [], None  # a filter that is left out asks for all
        asked = {"name": names or name, "prefix": prefix, "step": step, "state": [str(state) for state in states]}
        items, following = self._api.some("/v1/runs", limit, after=after, **asked)
        return [_run(item) for item in items], following

    def each_alone(self, *, page: int = 5_000) -> Iterator[Run]:
        """Every run, newest first."""
        return map(_run, self._api.pages("/v1/runs", limit=min(page, PAGE)))

    def many(self, ids: Sequence[str]) -> dict[str, Run]:
        """Those of the runs `ids` that there are, by id."""
        told = (self._api.get("/v1/runs", id=some)["items"] for some in batched(dict.fromkeys(ids), ASKED_AT_ONCE))
        return {run.id: run for items in told for run in map(_run, items)}


def _run(told: Any) -> Run:
    return RunInfo.model_validate(told).noun()
