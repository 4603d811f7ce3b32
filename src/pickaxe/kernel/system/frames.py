"""Messages between a process and one it started, over a socket: JSON, some bytes, and open files."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LENGTHS = struct.Struct("!II")
_MOST_DESCRIPTORS = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    said: Mapping[str, Any]
    body: bytes = b""
    descriptors: Sequence[int] = ()


def send(to: socket.socket, frame: Frame) -> None:
    """Send all of it; the descriptors stay the sender's to close. Raises `OSError` when nobody is there any more."""
    said = json.dumps(frame.said).encode()
    head = _LENGTHS.pack(len(said), len(frame.body))
    if frame.descriptors:
        socket.send_fds(to, [head], list(frame.descriptors))
    else:
        to.sendall(head)
    to.sendall(said + frame.body)


def receive(source: socket.socket) -> Frame | None:
    """The next message; None at the end. Raises `OSError`, and `TimeoutError` when the socket has a timeout and it is over."""
    head, descriptors, _, _ = socket.recv_fds(source, _LENGTHS.size, _MOST_DESCRIPTORS)
    if not head:
        return None
    said, body = _LENGTHS.unpack(head + _exactly(source, _LENGTHS.size - len(head)))
    return Frame(json.loads(_exactly(source, said)), _exactly(source, body), descriptors)


def _exactly(source: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = source.recv(size - len(parts))
        if not part:
            raise ConnectionResetError("the other process broke off")
        parts += part
    return bytes(parts)
