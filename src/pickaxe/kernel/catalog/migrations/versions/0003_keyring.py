"""The keyring of an encrypted workspace: its data keys, each sealed with the master key."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keyring",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("wrapped", sa.String, nullable=False),
        sa.Column("master", sa.String, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
    )
