"""Hints of who acts for whom."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "mandates",
        sa.Column("vault_id", sa.LargeBinary(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("vault_id", "tag"),
    )
    op.create_index("ix_mandates_tag", "mandates", ["tag"])


def downgrade() -> None:
    op.drop_index("ix_mandates_tag", "mandates")
    op.drop_table("mandates")
