"""The catalog's tables. Times are integer nanoseconds since the epoch; money and quantities are integers too.

Everything that must add up is here and only here: nouns, the edges between them, events, and the ledger's facts (pools,
leases, usage, prices). A change needs a migration in ``migrations/versions``; a test compares the two.

What users bring (documents, texts, digests of content) is in columns of the types of `sealed`, so that an encrypted workspace shows
none of it. Names, ids, times and amounts stay plain: they are what queries order and add up.
"""

from __future__ import annotations

import sqlalchemy as sa

from pickaxe.kernel.catalog.sealed import SealedJson, SealedName

HEAD = "0005"
"""The newest migration. A workspace at any other revision is upgraded, or refused when it is unknown here."""

metadata = sa.MetaData()

# SQLite gives autoincrement to INTEGER keys only; PostgreSQL wants BIGINT for a sequence that never runs out.
_Sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
)

principals = sa.Table(
    "principals",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant_id", sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False, server_default="admin"),
    sa.Column("secret", sa.String),  # a password's hash; None for who signs in elsewhere, or not at all
    sa.Column("identity", sa.String),  # issuer and subject of an OpenID provider
    sa.Column("created_ns", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("disabled_ns", sa.BigInteger),
    sa.UniqueConstraint("tenant_id", "name"),
    sa.Index("principals_by_identity", "identity", unique=True),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant_id", sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("principal_id", sa.ForeignKey("principals.id"), nullable=False, index=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("hash", sa.String, nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("expires_ns", sa.BigInteger),
    sa.Column("revoked_ns", sa.BigInteger),
    sa.CheckConstraint("kind IN ('api', 'session')", name="kind"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant_id", sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("principal_id", sa.ForeignKey("principals.id"), nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("step", sa.String, nullable=False),
    sa.Column("config", SealedJson("runs.config"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("error", SealedJson("runs.error")),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("started_ns", sa.BigInteger),
    sa.Column("ended_ns", sa.BigInteger),
    sa.Column("heartbeat_ns", sa.BigInteger),
    sa.Index("runs_by_time", "tenant_id", "created_ns", "id"),
    sa.Index("runs_by_state", "tenant_id", "state", "created_ns", "id"),
    sa.Index("runs_by_name", "tenant_id", "name", "created_ns", "id"),
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant_id", sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("digest", SealedName("artifacts.digest"), nullable=False, index=True),
    sa.Column("stored", sa.String, nullable=False),
    sa.Column("pin", SealedJson("artifacts.pin"), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("meta", SealedJson("artifacts.meta"), nullable=False),
    sa.Column("run_id", sa.ForeignKey("runs.id"), index=True),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "name", "version"),
    sa.Index("artifacts_by_time", "tenant_id", "created_ns", "id"),
    sa.Index("artifacts_by_store", "tenant_id", "stored", "name", "version", "created_ns"),
)

aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("tenant_id", sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("alias", sa.String, primary_key=True),
    sa.Column("artifact_id", sa.ForeignKey("artifacts.id"), nullable=False),
    sa.Column("set_ns", sa.BigInteger, nullable=False),
)

edges = sa.Table(
    "edges",
    metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("direction", sa.String, primary_key=True),
    sa.Column("role", sa.String, primary_key=True),
    sa.Column("artifact_id", sa.ForeignKey("artifacts.id"), nullable=False, index=True),
    sa.CheckConstraint("direction IN ('in', 'out')", name="direction"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("tenant_id", sa.String, nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("name", SealedName("events.name"), nullable=False, default=""),
    sa.Column("value", sa.Float),
    sa.Column("step", sa.BigInteger),
    sa.Column("body", SealedJson("events.body"), nullable=False),
    sa.Index("events_by_kind", "tenant_id", "kind", "seq"),
    sa.Index("events_by_name", "tenant_id", "kind", "name", "seq"),
    sa.Index("events_by_subject", "tenant_id", "subject", "kind", "seq"),
    sa.Index("events_by_tenant", "tenant_id", "seq"),
    sqlite_autoincrement=True,
)

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant_id", sa.ForeignKey("tenants.id"), nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("routes", SealedJson("endpoints.routes"), nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("meta", SealedJson("endpoints.meta"), nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "name"),
)

pools = sa.Table(
    "pools",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("resource", sa.String, nullable=False),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("machine", sa.JSON, nullable=False),
    sa.Column("opened_ns", sa.BigInteger, nullable=False),
    sa.Column("heartbeat_ns", sa.BigInteger, nullable=False),
    sa.Column("closed_ns", sa.BigInteger),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("tenant_id", sa.String, nullable=False, server_default="tenant-local"),
    sa.Column("pool_id", sa.ForeignKey("pools.id"), nullable=False, index=True),
    sa.Column("holder", sa.String, nullable=False, index=True),
    sa.Column("amount", sa.Integer, nullable=False),
    sa.Column("start_ns", sa.BigInteger, nullable=False),
    sa.Column("end_ns", sa.BigInteger),
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("id", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("tenant_id", sa.String, nullable=False, server_default="tenant-local"),
    sa.Column("holder", sa.String, nullable=False, index=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("meter", sa.String, nullable=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("basis", sa.String, nullable=False),
    sa.Column("method", sa.String, nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.CheckConstraint("basis IN ('measured', 'estimated', 'simulated')", name="basis"),
)

prices = sa.Table(
    "prices",
    metadata,
    sa.Column("meter", sa.String, primary_key=True),
    sa.Column("valid_from_ns", sa.BigInteger, primary_key=True),
    sa.Column("nano", sa.BigInteger, nullable=False),
    sa.Column("per", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),
)

keyring = sa.Table(
    "keyring",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("wrapped", sa.String, nullable=False),  # a data key, sealed with the master key
    sa.Column("master", sa.String, nullable=False),  # a name for the master key
    sa.Column("created_ns", sa.BigInteger, nullable=False),
)
