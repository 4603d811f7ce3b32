"""Suggestions help or stay away."""

from __future__ import annotations

import pytest

from pickaxe.kernel.nearest import did_you_mean, nearest

KNOWN = ["headlines/rows", "headlines/auto_labels", "headlines/model", "reviews/rows"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("headlines/row", ["headlines/rows"]),
        ("headline/rows", ["headlines/rows"]),
        ("Headlines/Auto-Labels", ["headlines/auto_labels"]),
        ("headlines/labels", ["headlines/auto_labels"]),
        ("rows", ["headlines/rows", "reviews/rows"]),
        ("auto_label", ["headlines/auto_labels"]),
        ("reviews", ["reviews/rows"]),
    ],
)
def test_a_slip_of_the_pen_is_understood(asked: str, meant: list[str]) -> None:
    assert nearest(asked, KNOWN) == meant


@pytest.mark.parametrize(
    "asked", ["headlines/profile", "nothing", "x", "", "../../etc/passwd", "lines/a/b", "'; DROP TABLE runs; --"]
)
def test_a_far_off_name_is_not_offered(asked: str) -> None:
    assert nearest(asked, KNOWN) == []
    assert did_you_mean(asked, KNOWN) is None


def test_the_likeliest_come_first_and_not_too_many() -> None:
    assert nearest("model", ["model-of-others", "modal", "models", "metal"], most=2) == ["models", "modal"]
    assert did_you_mean("hour", ["hours", "price"]) == "did you mean hours?"
