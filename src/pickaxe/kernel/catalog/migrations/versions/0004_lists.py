"""Indexes that lists and streams are read by, each beginning with the tenant: with a million events no list reads them all."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("events_by_subject", "events")
    op.create_index("events_by_subject", "events", ["tenant_id", "subject", "kind", "seq"])
    op.create_index("events_by_tenant", "events", ["tenant_id", "seq"])
    op.create_index("runs_by_state", "runs", ["tenant_id", "state", "created_ns", "id"])
    op.create_index("runs_by_name", "runs", ["tenant_id", "name", "created_ns", "id"])
    op.drop_index("ix_runs_name", "runs")
