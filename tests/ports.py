"""Ports for servers that the tests start later, or again: below those that the system itself gives out to connections."""

from __future__ import annotations

import random
import socket

_CHANCE = random.SystemRandom()


def free_port() -> int:
    """A port of loopback that nobody has; no connection of another process comes by it."""
    while True:
        port = _CHANCE.randrange(15_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
