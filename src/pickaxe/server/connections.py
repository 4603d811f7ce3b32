"""Connections of strangers: who does not say what they want is let go, and nobody holds all there are.

uvicorn waits for the first line of a request for as long as it takes; whoever opens connections and says nothing would keep
everybody else out.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS = 20.0
"""For the head of a request, from its first byte, or from the beginning of the connection."""
LONGEST_HEAD = 128 << 10
"""Bytes of a request's first line and headers, or somewhat more: what came in one piece with its end is taken."""
MOST_OF_ONE_ADDRESS = 512
"""A proxy on this machine brings everybody's, so those of loopback are not counted."""

_Base: Any = AutoHTTPProtocol
_open = Counter[str]()


class Connection(_Base):
    """uvicorn's, which ends when a request's head does not come."""

    _late: asyncio.TimerHandle | None = None
    _address = ""
    _head = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._address = "" if not peer or _is_loopback(peer[0]) else peer[0]
        _open[self._address] += 1
        if self._address and _open[self._address] > MOST_OF_ONE_ADDRESS:
            transport.abort()
        else:
            self._expect()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._relax()
        elif self.cycle is None or self.cycle.response_complete:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self.transport.abort()
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._relax()
        _open.subtract([self._address])
        if not _open[self._address]:
            del _open[self._address]
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._late is None:
            self._late = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.transport.abort)

    def _relax(self) -> None:
        self._head = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
