"""Column types whose content is sealed in an encrypted workspace and plain in another.

The vault travels with the database's dialect, which every engine has of its own: several workspaces may be open in one process,
and rows read from one and written to another are opened and sealed on the way.
"""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import operators
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator

from pickaxe.kernel.catalog.database_json import dumps, loads
from pickaxe.kernel.encryption.vault import MARK, Vault

_ATTRIBUTE = "pickaxe_vault"
_BY_EQUALITY = {operators.eq, operators.ne, operators.in_op, operators.not_in_op, operators.is_, operators.is_not}


def give_vault(connection: sa.Connection, vault: Vault) -> None:
    """Let this connection's engine seal and open from now on."""
    setattr(connection.dialect, _ATTRIBUTE, vault)


class SealedJson(TypeDecorator[Any]):
    """A JSON document. Sealed, it is a JSON string; a query can then only take it as a whole."""

    impl = sa.JSON
    cache_ok = True

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        vault = _vault(dialect)
        return value if vault is None else vault.seal_text(dumps(value), self.column)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        vault = _vault(dialect)
        if vault is None or not isinstance(value, str) or not value.startswith(MARK):
            return value
        return loads(vault.open_text(value, self.column))

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return self.impl_instance.coerce_compared_value(op, value)


class OpenedText(TypeDecorator[str]):
    """What `SealedJson` keeps, cast to text by the query, as the JSON text that it stands for: for whoever decodes very many at once."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        vault = _vault(dialect)
        if vault is None:  # not one call for each of millions
            return None

        def opened(value: str | None) -> str | None:
            return vault.open_text(loads(value), self.column) if value and value.startswith(f'"{MARK}') else value

        return opened


class _Equality(TypeDecorator.Comparator[str]):
    """Only what equality can answer."""

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> sa.ColumnElement[Any]:
        if op not in _BY_EQUALITY:
            raise TypeError(f"{getattr(op, '__name__', op)} says nothing about a column that may be sealed")
        return super().operate(op, *other, **kwargs)


class SealedName(TypeDecorator[str]):
    """A short text that queries compare with ``=``. Sealed, equal texts are equal; order and patterns are gone.

    So they are refused in every workspace, with `TypeError`: a query that finds nothing in some of them would be worse.
    """

    impl = sa.String
    cache_ok = True

    comparator_factory = cast(Any, _Equality)

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        vault = _vault(dialect)
        return value if vault is None or value is None else vault.seal_name(value, self.column)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        vault = _vault(dialect)
        return value if vault is None or value is None else vault.open_name(value, self.column)


def _vault(dialect: Dialect) -> Vault | None:
    return cast("Vault | None", getattr(dialect, _ATTRIBUTE, None))
