"""Artifacts behind a server; the other side is `pickaxe.wire.native.routes_artifacts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.paging import batched
from pickaxe.wire.native.api import ASKED_AT_ONCE, PAGE, Api
from pickaxe.wire.native.nouns import ArtifactInfo


class RemoteArtifacts:
    """What `pickaxe.kernel.artifacts.Artifacts` has for whoever looks, over HTTP."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, reference: str) -> Artifact:
        """By id, ``name`` (newest), ``name:3`` or ``name@alias``; raises `NotFound`."""
        return artifact_of(self._api.get(f"/v1/artifacts/{quote(reference, safe='/:@')}"))

    def find(self, *, id: str | None = None, digest: str | None = None, name: str | None = None) -> Artifact | None:
        """The newest artifact that matches every given property."""
        if id is None:
            return next(iter(self._page(digest=digest, name=name, limit=1)[0]), None)
        found = self.many([id]).get(id)
        return found if found and digest in (None, found.digest) and name in (None, found.name) else None

    def list(self, *, kind: str | None = None, prefix: str = "") -> list[Artifact]:
        """Every version, oldest first."""
        return [artifact_of(item) for item in self._api.pages("/v1/artifacts", kind=kind, prefix=prefix, limit=PAGE)][::-1]

    def page(
        self,
        *,
        kind: str | None = None,
        prefix: str = "",
        name: str | None = None,
        run_id: str | None = None,
        digest: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[list[Artifact], str | None]:
        """As `pickaxe.kernel.artifacts.Artifacts.page`; of more than 1,000 in several requests."""
        return self._page(kind=kind, prefix=prefix, name=name, run_id=run_id, digest=digest, after=after, limit=limit)

    def many(self, ids: Sequence[str]) -> dict[str, Artifact]:
        """Those of the artifacts `ids` that there are, by id."""
        told = (self._api.get("/v1/artifacts", id=some)["items"] for some in batched(dict.fromkeys(ids), ASKED_AT_ONCE))
        return {artifact.id: artifact for items in told for artifact in map(artifact_of, items)}

    def alias(self, artifact: Artifact, alias: str) -> None:
        """Point ``name@alias`` at this version, taking it from any other."""
        self._api.post("/v1/aliases", {"artifact": artifact.id, "alias": alias})

    def _page(self, *, limit: int, after: str | None = None, **filters: Any) -> tuple[list[Artifact], str | None]:
        items, following = self._api.some("/v1/artifacts", limit, after=after, **filters)
        return [artifact_of(item) for item in items], following


def artifact_of(told: Any) -> Artifact:
    return ArtifactInfo.model_validate(told).noun()
