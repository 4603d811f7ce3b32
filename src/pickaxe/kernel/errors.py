"""One error tree for every door: library, command line and HTTP.

A message answers three questions: what was expected, what came, what to do next. The command line prints it and exits with
`exit_code`; the server sends `as_dict()` with `status`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pickaxe.kernel.listed import Reader, where


class PickaxeError(Exception):
    """Base of every error that Pickaxe raises on purpose.

    The detail `see` names a sort of thing (`pickaxe.kernel.listed`): without a `remedy` of its own the error sends its reader where
    those are listed. The detail `reason` says more closely than `code` what is wrong; with the other details it is enough to say the
    same in another language ([decision 32](docs/decisions/0032-errors-in-the-readers-language.md)).
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        parts = [self.message]
        for word, text in (("expected", self.expected), ("got", self.got), ("what to do", self.remedy_for("command"))):
            if text:
                parts.append(f"  {word}: {text}")
        return "\n".join(parts)

    def remedy_for(self, reader: Reader) -> str | None:
        """What to do, with what `reader` has at hand."""
        return self.remedy or where(self.details.get("see"), reader)

    def as_dict(self) -> dict[str, Any]:
        """The `error` member of the JSON envelope."""
        body = {
            "code": self.code,
            "message": self.message,
            "expected": self.expected,
            "got": self.got,
            "remedy": self.remedy_for("route"),
            "details": self.details or None,
        }
        return {key: value for key, value in body.items() if value is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders with their structure, not only their text.
        return (_rebuild, (type(self), self.message, self.expected, self.got, self.remedy, self.details))


def _rebuild(
    cls: type[PickaxeError],
    message: str,
    expected: str | None,
    got: str | None,
    remedy: str | None,
    details: dict[str, Any],
) -> PickaxeError:
    return cls(message, expected=expected, got=got, remedy=remedy, **details)


def from_dict(body: Mapping[str, Any]) -> PickaxeError:
    """An error that came over the wire (see `as_dict`), of its own class where this process knows it."""
    details: Mapping[str, Any] = body.get("details") or {}
    told = {key: body.get(key) for key in ("expected", "got", "remedy")}
    if told["remedy"] == where(details.get("see"), "route"):
        told["remedy"] = None  # it was said for programs; `see` says it again for whoever reads it here
    kind = _by_code(PickaxeError, str(body.get("code"))) or PickaxeError
    error = PickaxeError.__new__(kind)  # a class may want more than a message; what it knew is in the details
    PickaxeError.__init__(error, str(body.get("message")), **told, **details)
    return error


def _by_code(kind: type[PickaxeError], code: str) -> type[PickaxeError] | None:
    if kind.code == code:
        return kind
    return next((found for child in kind.__subclasses__() if (found := _by_code(child, code))), None)


class BadInput(PickaxeError):
    """The caller's data or arguments cannot be used as they are."""

    code, status, exit_code = "bad_input", 422, 2


class NotFound(PickaxeError):
    """Nothing goes by that name or id."""

    code, status, exit_code = "not_found", 404, 3


class NoWorkspace(NotFound):
    """There is no workspace where one was to be read."""


class Conflict(PickaxeError):
    """The request is sound but the present state forbids it."""

    code, status, exit_code = "conflict", 409, 4


class WriterBusy(Conflict):
    """Another process holds the workspace's write lock."""

    code = "writer_busy"


class NewerWorkspace(Conflict):
    """The workspace was written by a newer Pickaxe."""

    code = "newer_workspace"


class StorageFull(PickaxeError):
    """The disk or quota is full; nothing was half-written."""

    code, status, exit_code = "storage_full", 507, 5


class Corrupted(PickaxeError):
    """Stored bytes do not match their digest."""

    code, status, exit_code = "corrupted", 500, 6


class RunFailed(PickaxeError):
    """A run ended without its outputs: an exception, a killed worker, a limit."""

    code, status, exit_code = "run_failed", 500, 7


class RunCancelled(PickaxeError):
    """Somebody asked for the run to stop."""

    code, status, exit_code = "run_cancelled", 409, 8


class GateFailed(PickaxeError):
    """The candidate model did not pass; the line stops before it is published."""

    code, status, exit_code = "gate_failed", 409, 9


class Unavailable(PickaxeError):
    """A capability needs something that is not here: an extra, a device, a free port."""

    code, status, exit_code = "unavailable", 503, 10
