"""Text that anybody may have written, as a terminal may show it."""

from __future__ import annotations

_TURNING = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""What turns the order of letters (Unicode Standard Annex 9)."""
_SHOWN = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
    0x7F: "\u2421",
    **dict.fromkeys((*range(0x80, 0xA0), *_TURNING), "\ufffd"),
}


def visible(text: str) -> str:
    """`text` with a sign in the place of what a terminal would obey (colours, titles, answers typed in the reader's name: ECMA-48)
    or what would show it in another order; line breaks and tabs stay."""
    return text.translate(_SHOWN)
