"""People, keys and tenants: who acts, with what rights, and whose every lease and reading is."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("principals") as table:
        table.add_column(sa.Column("role", sa.String, nullable=False, server_default="admin"))
        table.add_column(sa.Column("secret", sa.String))
        table.add_column(sa.Column("identity", sa.String))
        table.add_column(sa.Column("created_ns", sa.BigInteger, nullable=False, server_default="0"))
        table.add_column(sa.Column("disabled_ns", sa.BigInteger))
    op.create_index("principals_by_identity", "principals", ["identity"], unique=True)
    op.create_table(
        "keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant_id", sa.String, sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("principal_id", sa.String, sa.ForeignKey("principals.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False, unique=True),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("expires_ns", sa.BigInteger),
        sa.Column("revoked_ns", sa.BigInteger),
        sa.CheckConstraint("kind IN ('api', 'session')", name="kind"),
    )
    op.create_index("ix_keys_principal_id", "keys", ["principal_id"])
    for name in ("leases", "usage"):
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("tenant_id", sa.String, nullable=False, server_default="tenant-local"))
    op.create_index("runs_by_time", "runs", ["tenant_id", "created_ns", "id"])
    op.create_index("artifacts_by_time", "artifacts", ["tenant_id", "created_ns", "id"])
    op.drop_index("events_by_kind", "events")
    op.create_index("events_by_kind", "events", ["tenant_id", "kind", "seq"])
