"""What is wrong with a field of a pydantic model, in words that say what the field takes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

_PLAIN = {"boolean": "true or false", "object": "an object", "null": "null", "array": "a list"}


def finding(problem: Mapping[str, Any], form: type[BaseModel] | None) -> dict[str, Any]:
    """One of pydantic's findings: `problem` in English, and its `kind` and `values`, by which it can be said in another language."""
    kind, near = str(problem["type"]), _meant(problem, form)
    told = {name: value for name, value in problem.get("ctx", {}).items() if isinstance(value, str | int | float)}
    kind, told = ("unknown_near", {"near": near}) if near else (kind, told)
    return {"problem": problem_with(problem, form), "kind": kind, "values": told}


def problem_with(problem: Mapping[str, Any], form: type[BaseModel] | None) -> str:
    """One of pydantic's findings: of what is missing or of another type what is taken, of what is unknown what was perhaps meant."""
    place, kind = problem["loc"], problem["type"]
    taken = takes(form, place) if form is not None else None
    if kind == "missing":
        return f"is missing; it takes {taken}" if taken else "is missing"
    if kind == "extra_forbidden":
        near = _meant(problem, form)
        return "is not known here" + (f"; did you mean {near}?" if near else "")
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{said}; it takes {taken}" if taken and (kind == "too_short" or kind.endswith("_type")) else said


def takes(form: type[BaseModel], place: Sequence[str | int]) -> str | None:
    """What the field at `place` takes; None where the schema does not tell.

    >>> from pydantic import Field
    >>> class Key(BaseModel):
    ...     days: float = Field(gt=0, le=90)
    >>> takes(Key, ["days"])
    'a number, above 0, at most 90'
    """
    document = form.model_json_schema()
    found = _at(document, place, document.get("$defs", {}))
    return _words(found, document.get("$defs", {})) if found else None


def fields_of(form: type[BaseModel]) -> str:
    """The names of its fields, those that may be left out last.

    >>> class Person(BaseModel):
    ...     nick: str = ""
    ...     name: str
    >>> fields_of(Person)
    'name, and perhaps nick'
    """
    needed = [name for name, field in form.model_fields.items() if field.is_required()]
    rest = [name for name in form.model_fields if name not in needed]
    return ", and perhaps ".join(", ".join(names) for names in (needed, rest) if names)


def names_beside(form: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The names of the fields where a field at `place` belongs.

    >>> class Key(BaseModel):
    ...     days: float
    >>> class Person(BaseModel):
    ...     key: Key
    >>> names_beside(Person, ["key", "dayz"])
    ['days']
    """
    return _names(form, place)


def _meant(problem: Mapping[str, Any], form: type[BaseModel] | None) -> str:
    """The field whose name is near to that of an unknown one."""
    if problem["type"] != "extra_forbidden":
        return ""
    place = problem["loc"]
    return next(iter(difflib.get_close_matches(str(place[-1]), _names(form, place), n=1, cutoff=0.6)), "")


def _names(form: type[BaseModel] | None, place: Sequence[str | int]) -> list[str]:
    if form is None:
        return []
    document = form.model_json_schema()
    inside = _at(document, place[:-1], document.get("$defs", {})) if len(place) > 1 else document
    return list((inside or {}).get("properties", {}))


def _at(schema: Mapping[str, Any], place: Sequence[str | int], known: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = schema
    for part in place:
        found = _inside(_resolved(found, known), part) if found is not None else None
    return _resolved(found, known) if found is not None else None


def _inside(schema: Mapping[str, Any], part: str | int) -> Mapping[str, Any] | None:
    if isinstance(part, int):
        return schema.get("items")
    inside = schema.get("properties", {}).get(part)
    return inside if inside is not None else schema.get("additionalProperties") or None


def _resolved(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference means; of something that may also be null, the something."""
    some = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(some) == 1:
        return _resolved(some[0], known)
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return known.get(name, schema)


def _words(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str | None:
    schema = _resolved(schema, known)
    if "enum" in schema:
        return _either([str(choice) for choice in schema["enum"]])
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        choices = [words for choice in schema["anyOf"] if (words := _words(choice, known))]
        return _either(choices) if choices else None
    match schema.get("type"):
        case "string":
            return _bounded("a text", schema, ("minLength", "maxLength"), " characters")
        case "integer":
            return _bounded("a whole number", schema, ("minimum", "maximum"))
        case "number":
            return _bounded("a number", schema, ("minimum", "maximum"))
        case "array":
            items = _words(schema.get("items", {}), known)
            return _bounded("a list" + (f" of {items}" if items else ""), schema, ("minItems", "maxItems"), " items")
        case "object" if schema.get("properties"):
            return f"an object with {', '.join(schema['properties'])}"
        case kind:
            return _PLAIN.get(str(kind))


def _bounded(what: str, schema: Mapping[str, Any], names: tuple[str, str], unit: str = "") -> str:
    low, high, above = schema.get(names[0]), schema.get(names[1]), schema.get("exclusiveMinimum")
    if low is not None and high is not None:
        return f"{what}, {low:g} to {high:g}{unit}"
    first = f"above {above:g}" if above is not None else f"at least {low:g}{unit}" if low is not None else ""
    return ", ".join(filter(None, (what, first, f"at most {high:g}{unit}" if high is not None else "")))


def _either(choices: Sequence[str]) -> str:
    return ", ".join(choices[:-1]) + f" or {choices[-1]}" if len(choices) > 1 else choices[0]
