from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.serve.tracecontext import SPAN_ID, TRACE_ID, trace_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_the_callers_trace_goes_on_in_a_span_of_ours() -> None:
    context = trace_context(f"00-{TRACE}-{SPAN}-01".encode())
    assert (context.trace_id, context.parent_id) == (TRACE, SPAN)
    assert context.span_id != SPAN
    assert context.header == f"00-{TRACE}-{context.span_id}-01"


def test_a_later_version_may_carry_more_fields() -> None:
    assert trace_context(f"cc-{TRACE}-{SPAN}-01-what-comes-next".encode()).trace_id == TRACE


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-{SPAN}-01-extra",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        "",
        "00",
    ],
)
def test_a_malformed_header_starts_a_new_trace(header: str) -> None:
    context = trace_context(header.encode())
    assert context.trace_id != TRACE
    assert context.parent_id is None


@given(st.one_of(st.none(), st.binary(max_size=120)))
def test_whatever_comes_the_ids_are_sound(header: bytes | None) -> None:
    context = trace_context(header)
    assert TRACE_ID.fullmatch(context.trace_id)
    assert SPAN_ID.fullmatch(context.span_id)


def test_new_traces_differ() -> None:
    assert len({trace_context(None).trace_id for _ in range(1000)}) == 1000
