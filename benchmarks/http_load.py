"""A load generator: HTTP/1.1 with keep-alive on bare sockets, so that it is not what is measured."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any


async def load(port: int, requests: Sequence[bytes], concurrency: int, seconds: float) -> list[float]:
    """Keep `concurrency` connections busy with `requests`, over and over; the seconds each one took.

    Raises `RuntimeError` for any answer that is not 200.
    """
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    ends = [loop.create_future() for _ in range(concurrency)]
    for number, end in enumerate(ends):
        # Connections start at different places, so that they do not ask the same at the same time.
        first = number * len(requests) // concurrency
        own = [*requests[first:], *requests[:first]]
        await loop.create_connection(lambda own=own, end=end: _Connection(own, until, latencies, end), "127.0.0.1", port)
    await asyncio.gather(*ends)
    return latencies


def json_request(path: str, body: Any) -> bytes:
    """A POST of `body`, as bytes on the wire."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


class _Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next."""

    def __init__(self, requests: list[bytes], until: float, latencies: list[float], ended: asyncio.Future[None]) -> None:
        self._requests, self._until, self._latencies, self._ended = requests, until, latencies, ended
        self._buffer = b""
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(size):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._end(RuntimeError(f"not answered: {self._buffer[:300]!r}"))
            return
        now = time.perf_counter()
        self._latencies.append(now - self._started)
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(RuntimeError("the server closed the connection"))

    def _send(self) -> None:
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        self._started = time.perf_counter()
        self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None) if error is None else self._ended.set_exception(error)
            self._transport.close()
