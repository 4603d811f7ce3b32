"""Typed configuration: a frozen pydantic model beside its component, unknown keys refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.fields import finding, names_beside


class Config(BaseModel):
    """Base of every step's and backend's configuration.

    The values of a config are part of a run's key, so a config holds what decides the result and nothing else
    (no paths to scratch space, no thread counts that leave the result alone).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @classmethod
    def parse(cls, values: dict[str, Any], *, where: str = "config") -> Self:
        """Validate `values`; raise `BadInput` that names each offending field and the keys that exist."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            found = [_problem(cls, where, item) for item in error.errors()]
            said = (f"{item['field']}: {item['problem']}" + (f" (got {item['got']})" if item["got"] else "") for item in found)
            form, keys = _keys_in_question(cls, error.errors())
            raise BadInput(
                f"{where} is not valid: {'; '.join(said)}",
                expected=f"keys of {form}: {keys}" if keys else None,
                remedy="correct or remove the fields named above",
                reason="config_fields",
                where=where,
                form=form,
                keys=keys,
                fields=found,
            ) from None


def _keys_in_question(form: type[Config], problems: Sequence[Any]) -> tuple[str, str]:
    """Of the first unknown or missing key: the section where it stands, and what keys that has. None: every key is right."""
    place = next((item["loc"] for item in problems if item["type"] in ("extra_forbidden", "missing") and item["loc"]), None)
    if place is None:
        return form.__name__, ""
    return ".".join(map(str, place[:-1])) or form.__name__, ", ".join(names_beside(form, place))


def _problem(form: type[Config], where: str, item: Any) -> dict[str, Any]:
    """What a validator said of one field; of several together without their values, which may be a whole document."""
    one = item["loc"] and item["type"] != "missing"
    got = f"{item['input']!r:.80}" if one else ""
    return {"field": ".".join([where, *map(str, item["loc"])]), **finding(item, form), "got": got}
