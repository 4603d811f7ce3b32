"""A depot whose things are sealed before they leave this process, and go by names that say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pickaxe.kernel.depot.backend import Depot, Kept
from pickaxe.kernel.encryption.vault import Vault, opened_size


class SealedDepot:
    """Seals for `depot` with the keys of `vault`.

    A blob's name is the digest of its content, and anybody may look up the digests of published files: so names are keyed hashes.
    """

    def __init__(self, depot: Depot, vault: Vault) -> None:
        self._depot = depot
        self._vault = vault

    @property
    def place(self) -> str:
        return self._depot.place

    def put(self, name: str, chunks: Iterable[bytes], *, new: bool = False) -> None:
        self._depot.put(self._hidden(name), self._vault.seal(chunks, name), new=new)

    def get(self, name: str) -> Iterator[bytes]:
        return self._vault.open(self._depot.get(self._hidden(name)), name)

    def size(self, name: str) -> int | None:
        size = self._depot.size(self._hidden(name))
        return None if size is None else opened_size(size)

    def names(self) -> Iterator[Kept]:
        """What is there, by hidden names."""
        return self._depot.names()

    def remove(self, name: str) -> None:
        self._depot.remove(self._hidden(name))

    def sweep(self) -> int:
        return self._depot.sweep()

    def _hidden(self, name: str) -> str:
        hidden = self._vault.name(name)
        return f"sealed/{hidden[:2]}/{hidden[2:]}"
