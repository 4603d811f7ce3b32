"""W3C Trace Context (Recommendation, 23 November 2021): which trace an answer belongs to.

A request may bring ``traceparent: 00-<32 hex trace id>-<16 hex parent id>-<2 hex flags>``; a malformed one is ignored and a
new trace begins (section 4.3, "if parsing fails, the vendor creates a new traceparent").
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

TRACE_ID = re.compile(r"[0-9a-f]{32}")
SPAN_ID = re.compile(r"[0-9a-f]{16}")
_HEADER = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Ids are to be unique, not secret. A system call per id would also hand the interpreter to another thread in mid-request.
_ids = random.Random(random.SystemRandom().getrandbits(256))
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16


class TraceContext(NamedTuple):
    """Ids of one request: the trace it is part of, our span in it, and the caller's span when it named one."""

    trace_id: str
    span_id: str
    parent_id: str | None = None

    @property
    def header(self) -> str:
        """Our own `traceparent`, to hand back or on. Flag 01: every answer is recorded, whatever the caller sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def trace_context(traceparent: bytes | None) -> TraceContext:
    """The caller's trace with a new span of ours, or a new trace."""
    if traceparent is not None:
        match = _HEADER.fullmatch(traceparent.strip())
        if match is not None and _is_sound(match):
            return TraceContext(match[2].decode(), _drawn(8), match[3].decode())
    return TraceContext(_drawn(16), _drawn(8))


def _drawn(size: int) -> str:
    """`size` random bytes in hexadecimal, never all zeros: that means "no id" in the specification."""
    return f"{_ids.randrange(1, 1 << 8 * size):0{2 * size}x}"


def _is_sound(match: re.Match[bytes]) -> bool:
    version, trace_id, span_id, rest = match[1], match[2], match[3], match[5]
    # Version ff is forbidden; version 00 has exactly four fields; later versions may append more.
    return version != b"ff" and trace_id != _NO_TRACE and span_id != _NO_SPAN and (version != b"00" or rest is None)
