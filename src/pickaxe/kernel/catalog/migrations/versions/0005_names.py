"""Events of one name (an endpoint's answers, a queue's actions) are found by it, and tables among all other artifacts."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("events_by_name", "events", ["tenant_id", "kind", "name", "seq"])
    op.create_index("artifacts_by_store", "artifacts", ["tenant_id", "stored", "name", "version", "created_ns"])
