"""The kernel's errors, with the HTTP status that serving needs."""

from __future__ import annotations

from typing import Any

from pickaxe.kernel.errors import BadInput, PickaxeError, Unavailable


class TooLarge(BadInput):
    """The body is larger than the server reads."""

    code, status = "too_large", 413


class UnsupportedMedia(BadInput):
    """The body is not declared as JSON."""

    code, status = "unsupported_media", 415


class SlowClient(BadInput):
    """The body did not arrive in time."""

    code, status = "slow_client", 408


class Forbidden(BadInput):
    """The request comes from a place that may not ask (another site's page, another host's name)."""

    code, status = "forbidden", 403


class Busy(Unavailable):
    """As many requests are under way as the server takes; try again after `retry_after` seconds."""

    code = "busy"

    def __init__(self, message: str, *, retry_after: int = 1, **rest: Any) -> None:
        super().__init__(message, retry_after=retry_after, **rest)


class TimedOut(Unavailable):
    """The model did not answer in time."""

    code, status = "timed_out", 504


class ModelFailed(PickaxeError):
    """The model raised, or answered with something that is not a probability per class."""

    code, status = "model_failed", 500


class ModelOverrun(ModelFailed):
    """The model took more memory than it may, or its process went down; it is started again for the next request."""

    code, status = "model_overrun", 503
