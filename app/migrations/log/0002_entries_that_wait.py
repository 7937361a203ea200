"""Entries that wait for their number, and how far each writer's have got."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "log_pending",
        sa.Column("writer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wseq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("vault", sa.LargeBinary(length=16), nullable=False),
        sa.Column("head_version", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("writer", "wseq"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE log_pending ALTER COLUMN entries SET STORAGE EXTERNAL")
    op.create_index(
        "log_pending_head",
        "log_pending",
        ["vault", "head_version"],
        sqlite_where=sa.text("head_version > 0"),
        postgresql_where=sa.text("head_version > 0"),
    )
    op.create_table(
        "log_writers",
        sa.Column("writer", sa.LargeBinary(length=16), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("writer"),
    )


def downgrade() -> None:
    op.drop_table("log_writers")
    op.drop_index("log_pending_head", "log_pending")
    op.drop_table("log_pending")
