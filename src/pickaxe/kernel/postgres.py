"""A PostgreSQL database as a workspace's URL names it, and what the server says, in our words.

``postgresql://user:password@host:port/database?schema=name``: everything libpq understands may stand in the query
(https://www.postgresql.org/docs/current/libpq-connect.html); `schema` is ours, default ``pickaxe``. One schema holds one workspace,
catalog and tables' metadata together: ``pg_dump -n`` saves it, ``DROP SCHEMA`` removes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import sqlalchemy as sa
from sqlalchemy import exc

from pickaxe.kernel.errors import BadInput, Conflict, Corrupted, PickaxeError, StorageFull, Unavailable, WriterBusy

DEFAULT_SCHEMA = "pickaxe"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """Where the database is, and the schema in it."""

    url: sa.URL
    schema: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `BadInput`, never showing the password."""
        try:
            url = sa.make_url(text)
        except (exc.ArgumentError, ValueError):
            raise _unusable("a URL that cannot be read (are special characters of the password percent-encoded?)") from None
        if url.drivername not in ("postgresql", "postgres"):
            raise _unusable(f"the scheme {url.drivername!r:.40}")
        if not url.database:
            raise _unusable("no database")
        schema = url.query.get("schema", DEFAULT_SCHEMA)
        if not isinstance(schema, str) or not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
            raise _unusable(f"schema {schema!r:.80}; a schema's name is a-z, 0-9 and '_', at most 63, not pg_…")
        return cls(url.difference_update_query(["schema"]).set(drivername="postgresql"), schema)

    @property
    def shown(self) -> str:
        """For people: no password."""
        at = f"{self.url.host or 'a local socket'}{f':{self.url.port}' if self.url.port else ''}"
        return f"schema {self.schema} of the PostgreSQL database {self.url.database} at {at}"

    def for_sqlalchemy(self) -> sa.URL:
        return self.url.set(drivername="postgresql+psycopg").difference_update_query(["options"])

    def session(self, **settings: str | int) -> dict[str, Any]:
        """Connection arguments: `settings` of the session, this schema alone to look in, and a way to notice a dead peer."""
        given = self.url.query.get("options", "")
        wanted = {"search_path": self.schema, "timezone": "UTC", **settings}
        options = " ".join(
            [*([given] if isinstance(given, str) else given), *(f"-c {key}={value}" for key, value in wanted.items())]
        )
        chosen = {"application_name": "pickaxe", "connect_timeout": _CONNECT_SECONDS} | _KEEPALIVE
        return {"options": options.strip()} | {key: value for key, value in chosen.items() if key not in self.url.query}

    def parts(self) -> dict[str, str]:
        """libpq's keywords and values, with the password: for a connection that is not SQLAlchemy's."""
        told = {
            "host": self.url.host,
            "port": self.url.port,
            "user": self.url.username,
            "password": self.url.password,
            "dbname": self.url.database,
        }
        query = {key: value for key, value in self.url.query.items() if isinstance(value, str) and key != "options"}
        return query | {key: str(value) for key, value in told.items() if value is not None}


_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}


def require_driver() -> None:
    """Raises `Unavailable` when psycopg is not installed."""
    try:
        import psycopg  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise Unavailable(
            "PostgreSQL needs a driver that is not installed", got=str(error), remedy='pip install "pickaxe[postgres]"'
        ) from None


class Said(NamedTuple):
    """What the server said: in our words, None when it is no complaint about the server; and whether it may pass by itself."""

    error: PickaxeError | None
    passing: bool


def translated(error: BaseException, url: PostgresUrl) -> Said:
    """The meaning of an error of SQLAlchemy or psycopg. SQLSTATE codes: PostgreSQL manual, appendix A."""
    original = getattr(error, "orig", None) or error
    said = str(original).strip().partition("\n")[0] or type(original).__name__
    if isinstance(error, exc.TimeoutError):
        return Said(Unavailable(f"all connections to {url.shown} are in use", remedy="try again, or use fewer threads"), True)
    state = getattr(original, "sqlstate", None) or ""
    if not state:
        return _without_state(error, original, said, url)
    for codes, known in _STATES.items():
        if state.startswith(codes):
            return known(said, url)
    return Said(None, False)


def _without_state(error: BaseException, original: Any, said: str, url: PostgresUrl) -> Said:
    """libpq gives no code for a connection that did not come about or broke; the server's words for a refusal are FATAL."""
    import psycopg

    if isinstance(original, psycopg.DataError):
        return Said(BadInput("a text cannot be kept", got=said, remedy="remove its NUL characters"), False)
    if not isinstance(original, psycopg.OperationalError | psycopg.InterfaceError):
        return Said(None, False)
    if "FATAL" in said and not _STARTING.search(said) and not getattr(error, "connection_invalidated", False):
        return _refused(said, url)
    return _unreachable(said, url)


# In the server's own language only when that is English; in another one a start-up is waited for less patiently.
_STARTING = re.compile(
    r"starting up|shutting down|in recovery|too many (clients|connections)|not( yet)? accepting|terminating connection|remaining connection"
)


def _refused(said: str, url: PostgresUrl) -> Said:
    error = Unavailable(
        f"the server of {url.shown} refuses the connection",
        got=said.rpartition("FATAL:")[2].strip(),
        remedy="check user, password and database in the workspace's catalog URL, and pg_hba.conf on the server",
    )
    return Said(error, False)


def _unreachable(said: str, url: PostgresUrl) -> Said:
    error = Unavailable(
        f"{url.shown} cannot be reached",
        got=said,
        remedy="start the server, or check the workspace's catalog URL and the network",
    )
    return Said(error, True)


def _full(said: str, url: PostgresUrl) -> Said:
    remedy = "free some space on the database's disk and do it again; nothing was half-written"
    return Said(StorageFull(f"there is no room left for {url.shown}", got=said, remedy=remedy), False)


def _busy(said: str, url: PostgresUrl) -> Said:
    remedy = "do it again; if it stays so, look for a transaction that does not end in pg_stat_activity"
    return Said(WriterBusy(f"{url.shown} is being written by another process", got=said, remedy=remedy), False)


def _undone(said: str, url: PostgresUrl) -> Said:
    return Said(Unavailable(f"two writers of {url.shown} were in each other's way", got=said, remedy="do it again"), True)


def _spoilt(said: str, url: PostgresUrl) -> Said:
    return Said(Corrupted(f"{url.shown} is damaged", got=said, remedy="restore the database from a backup"), False)


def _forbidden(said: str, url: PostgresUrl) -> Said:
    remedy = f"let the user create and change tables: GRANT CREATE ON DATABASE, or make the schema {url.schema} and give it to the user"
    return Said(Conflict(f"the user of {url.shown} may not do this", got=said, remedy=remedy), False)


def _read_only(said: str, url: PostgresUrl) -> Said:
    remedy = 'write to the primary server, or open the workspace to read only (mode="r")'
    return Said(Conflict(f"{url.shown} can only be read", got=said, remedy=remedy), False)


def _bad_text(said: str, url: PostgresUrl) -> Said:
    return Said(BadInput("a text cannot be kept", got=said, remedy="use plain Unicode text without NUL characters"), False)


_STATES = {
    ("08", "57P", "58", "53300", "25P03"): _unreachable,
    ("40",): _undone,
    ("53100",): _full,
    ("53", "XX000"): _unreachable,
    ("55P03", "57014"): _busy,
    ("28", "3D000"): _refused,
    ("42501",): _forbidden,
    ("25006",): _read_only,
    ("XX001", "XX002"): _spoilt,
    ("22021", "22P05"): _bad_text,
}


def _unusable(got: str) -> BadInput:
    return BadInput(
        "the workspace's catalog URL is not usable",
        expected="postgresql://user:password@host:port/database?schema=name",
        got=got,
    )
