"""What was said in cases of log review, and what its controls keep."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "case_words",
        sa.Column("entry_id", sa.LargeBinary(), nullable=False),
        sa.Column("access_id", sa.LargeBinary(), nullable=False),
        sa.Column("stream", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    op.create_table(
        "controls",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_case_words_access_id", "case_words", ["access_id"])
    op.create_index("ix_case_words_stream", "case_words", ["stream"])


def downgrade() -> None:
    op.drop_index("ix_case_words_stream", "case_words")
    op.drop_index("ix_case_words_access_id", "case_words")
    op.drop_table("case_words")
    op.drop_table("controls")
