"""Emergency openings."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "emergency_openings",
        sa.Column("vault_id", sa.LargeBinary(), nullable=False),
        sa.Column("opening_id", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("vault_id", "opening_id"),
    )


def downgrade() -> None:
    op.drop_table("emergency_openings")
