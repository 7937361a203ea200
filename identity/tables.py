"""What identity keeps: sessions, branches of the directory, counts of look-ups. No name or number in clear.

Times are microseconds since 1970 UTC. None of these belongs to a vault.
"""

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlmodel import Field, SQLModel


class SessionRow(SQLModel, table=True):
    """One session: only SHA-256 of its token is kept, and who it is of is sealed to that."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_last_seen", "last_seen_us"),)

    token_hash: bytes = Field(primary_key=True, sa_type=LargeBinary)
    sealed: bytes = Field(sa_type=LargeBinary)
    authenticated_us: int = Field(sa_type=BigInteger)
    created_us: int = Field(sa_type=BigInteger)
    last_seen_us: int = Field(sa_type=BigInteger)


class BranchRow(SQLModel, table=True):
    """One organisation's branch, sealed; ``change`` grows by one with each change of any branch."""

    __tablename__ = "directory_branches"

    authority: bytes = Field(primary_key=True, sa_type=LargeBinary)
    change: int = Field(sa_type=BigInteger, unique=True)
    sealed: bytes = Field(sa_type=LargeBinary)
    written_us: int = Field(sa_type=BigInteger)


class LookupRow(SQLModel, table=True):
    """How often a scope (a pseudonym, 16 bytes) did what is limited, in one period."""

    __tablename__ = "lookups"
    __table_args__ = (Index("ix_lookups_since", "since_us"),)

    scope: bytes = Field(primary_key=True, sa_type=LargeBinary)
    period_us: int = Field(primary_key=True, sa_type=BigInteger)
    since_us: int = Field(primary_key=True, sa_type=BigInteger)
    hits: int = Field(sa_type=BigInteger)
