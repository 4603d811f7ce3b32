"""Reading what a page's forms and filters send, without trusting it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Query, Request
from pydantic import BeforeValidator

from pickaxe.kernel.errors import BadInput
from pickaxe.serve.http import read_body

_MOST_FIELDS = 30
_SECONDS = 10.0

Text = Annotated[str, Query(max_length=300)]
"""What somebody typed into a filter."""
After = Annotated[str | None, Query(max_length=300), BeforeValidator(lambda value: value or None)]
"""The key of the last line of the page before."""
Place = Annotated[int, Query(ge=0, le=2**63 - 1), BeforeValidator(lambda value: value or 0)]
"""A number to go on from; a field that was left empty means the beginning."""


async def fields_of(request: Request, *, largest: int = 4_000) -> dict[str, str]:
    """The fields of a posted form, the first value of each. Raises `TooLarge` for more than `largest` bytes, and `SlowClient`."""
    body = await read_body(request, most=largest, seconds=_SECONDS, what="form")
    try:
        parsed = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise BadInput("the form has too many fields", expected=f"at most {_MOST_FIELDS}", got=str(error)[:100]) from None
    return {name: values[0] for name, values in parsed.items()}
