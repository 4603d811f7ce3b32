"""What a route adds to the audit log's entry about its request, which the server's outer layer writes."""

from __future__ import annotations

from typing import Any

from fastapi import Request

NOTE = "pickaxe.audit"
"""Key in the ASGI scope."""


def note(request: Request, on: str, **what: Any) -> None:
    """Say on which thing (an id) the request acted, and how. Never a secret."""
    request.scope[NOTE] = {"on": on, **what}
