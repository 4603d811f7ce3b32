"""The spine: nouns, edges, events and the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
    )
    op.create_table(
        "principals",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant_id", sa.String, sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.UniqueConstraint("tenant_id", "name"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant_id", sa.String, sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("principal_id", sa.String, sa.ForeignKey("principals.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("started_ns", sa.BigInteger),
        sa.Column("ended_ns", sa.BigInteger),
        sa.Column("heartbeat_ns", sa.BigInteger),
    )
    op.create_index("ix_runs_name", "runs", ["name"])
    op.create_table(
        "artifacts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant_id", sa.String, sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("stored", sa.String, nullable=False),
        sa.Column("pin", sa.JSON, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.id")),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("tenant_id", "name", "version"),
    )
    op.create_index("ix_artifacts_digest", "artifacts", ["digest"])
    op.create_index("ix_artifacts_run_id", "artifacts", ["run_id"])
    op.create_table(
        "aliases",
        sa.Column("tenant_id", sa.String, sa.ForeignKey("tenants.id"), primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("alias", sa.String, primary_key=True),
        sa.Column("artifact_id", sa.String, sa.ForeignKey("artifacts.id"), nullable=False),
        sa.Column("set_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "edges",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("direction", sa.String, primary_key=True),
        sa.Column("role", sa.String, primary_key=True),
        sa.Column("artifact_id", sa.String, sa.ForeignKey("artifacts.id"), nullable=False),
        sa.CheckConstraint("direction IN ('in', 'out')", name="direction"),
    )
    op.create_index("ix_edges_artifact_id", "edges", ["artifact_id"])
    op.create_table(
        "events",
        sa.Column("seq", _Sequence, primary_key=True, autoincrement=True),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("step", sa.BigInteger),
        sa.Column("body", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_kind", "events", ["kind", "seq"])
    op.create_index("events_by_subject", "events", ["subject", "kind", "seq"])
    op.create_table(
        "endpoints",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant_id", sa.String, sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("routes", sa.JSON, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("tenant_id", "name"),
    )
    op.create_table(
        "pools",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("resource", sa.String, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("machine", sa.JSON, nullable=False),
        sa.Column("opened_ns", sa.BigInteger, nullable=False),
        sa.Column("heartbeat_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_ns", sa.BigInteger),
    )
    op.create_table(
        "leases",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("pool_id", sa.String, sa.ForeignKey("pools.id"), nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("start_ns", sa.BigInteger, nullable=False),
        sa.Column("end_ns", sa.BigInteger),
    )
    op.create_index("ix_leases_pool_id", "leases", ["pool_id"])
    op.create_index("ix_leases_holder", "leases", ["holder"])
    op.create_table(
        "usage",
        sa.Column("id", _Sequence, primary_key=True, autoincrement=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("meter", sa.String, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("basis", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.CheckConstraint("basis IN ('measured', 'estimated', 'simulated')", name="basis"),
    )
    op.create_index("ix_usage_holder", "usage", ["holder"])
    op.create_table(
        "prices",
        sa.Column("meter", sa.String, primary_key=True),
        sa.Column("valid_from_ns", sa.BigInteger, primary_key=True),
        sa.Column("nano", sa.BigInteger, nullable=False),
        sa.Column("per", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
    )
