"""The log's first tables.

A log that was made before it had a history has them already, and is taken over as it is.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size"),
        if_not_exists=True,
    )
    op.create_table(
        "log_entries",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("entry_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("vault", sa.LargeBinary(length=16), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.LargeBinary(length=16), nullable=False),
        sa.Column("authority", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("head_version", sa.BigInteger(), nullable=False),
        sa.Column("head_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("entry_id"),
        if_not_exists=True,
    )
    for name, columns in _INDEXES.items():
        op.create_index(name, "log_entries", columns, unique=name == "log_entries_vault", if_not_exists=True)
    op.create_index(
        "log_entries_head",
        "log_entries",
        ["vault", "head_version"],
        sqlite_where=sa.text("head_version > 0"),
        postgresql_where=sa.text("head_version > 0"),
        if_not_exists=True,
    )
    op.create_table(
        "log_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "idx"),
        if_not_exists=True,
    )
    op.create_table(
        "log_tip",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("one"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("log_tip")
    op.drop_table("log_nodes")
    for name in (*_INDEXES, "log_entries_head"):
        op.drop_index(name, "log_entries")
    op.drop_table("log_entries")
    op.drop_table("log_checkpoints")


_INDEXES = {
    "log_entries_authority": ["authority", "seq"],
    "log_entries_provider": ["provider", "seq"],
    "log_entries_vault": ["vault", "n"],
}
