"""What a body or a configuration lacks is said with what the field takes."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.fields import fields_of, problem_with, takes


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["a", "b"]
    count: int = Field(default=1, ge=1, le=9)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(min_length=1, max_length=100)
    scopes: list[Literal["read", "write"]] = Field(min_length=1, max_length=2)
    inner: Inner | None = None
    each: dict[str, Inner] = {}
    days: float | None = Field(default=None, gt=0, le=3650)
    either: int | str = 0
    sure: bool = False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scopes": ["read"]}, "name is missing; it takes a text, 1 to 100 characters"),
        ({"name": "x"}, "scopes is missing; it takes a list of read or write, 1 to 2 items"),
        ({"name": "x", "scopes": []}, "it takes a list of read or write"),
        ({"name": "x", "scopes": ["read"], "days": "3"}, "it takes a number, above 0, at most 3650"),
        ({"name": "x", "scopes": ["read"], "sure": 3}, "it takes true or false"),
        ({"name": "x", "scopes": ["read"], "inner": {}}, "inner.kind is missing; it takes a or b"),
        ({"name": "x", "scopes": ["read"], "each": {"y": {}}}, "each.y.kind is missing; it takes a or b"),
        (
            {"name": "x", "scopes": ["read"], "inner": {"kind": "a", "cuont": 3}},
            "inner.cuont is not known here; did you mean count?",
        ),
        ({"name": "x", "scopes": ["read"], "zzz": 1}, "zzz is not known here"),
    ],
)
def test_a_problem_says_what_the_field_takes(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(given)
    found = [f"{'.'.join(map(str, item['loc']))} {problem_with(item, Outer)}" for item in caught.value.errors()]
    assert said in "; ".join(found)


def test_what_the_schema_does_not_tell_is_not_made_up() -> None:
    assert takes(Outer, ["nowhere"]) is None
    assert takes(Outer, ["either"]) == "a whole number or a text"
    assert problem_with({"loc": ("query", "limit"), "type": "missing", "msg": "Field required"}, None) == "is missing"


def test_what_may_be_left_out_stands_last() -> None:
    assert fields_of(Outer) == "name, scopes, and perhaps inner, each, days, either, sure"


def test_a_configuration_says_so_too() -> None:
    class Teacher(Config):
        epochs: int = Field(ge=1)

    with pytest.raises(BadInput, match="epochs: is missing; it takes a whole number, at least 1"):
        Teacher.parse({})


class Gate(Config):
    least: float = Field(default=0.5, le=1)


class Whole(Config):
    name: str = ""
    gate: Gate = Gate()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"colour": 1}, "keys of Whole: name, gate"),
        ({"gate": {"leest": 1}}, "keys of gate: least"),
        ({"gate": {"least": 3}}, None),
    ],
)
def test_keys_are_listed_where_one_is_unknown_and_not_where_a_value_is_wrong(given: dict[str, Any], expected: str | None) -> None:
    with pytest.raises(BadInput) as caught:
        Whole.parse(given)
    assert caught.value.expected == expected
