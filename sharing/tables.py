"""Requests for access, emergency openings, and what people chose to be told of, sealed under the vault's rules key."""

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel


class AccessRequestRow(SQLModel, table=True):
    """What staff asked a citizen for, and whether it is still open."""

    __tablename__ = "access_requests"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    request_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    state: str
    sealed: bytes = Field(sa_type=LargeBinary)
    created_us: int = Field(sa_type=BigInteger)


class EmergencyOpeningRow(SQLModel, table=True):
    """That a vault was opened in an emergency (nödöppning), when, by whom and why."""

    __tablename__ = "emergency_openings"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    opening_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    sealed: bytes = Field(sa_type=LargeBinary)
    created_us: int = Field(sa_type=BigInteger)


class NoticeRow(SQLModel, table=True):
    """What one person (a keyed tag) chose to be told of in a vault's log, and how; the job that tells them.

    A worker looks after ``due_us`` (0: there is nothing to look for) and owns the row until ``lease_until_us``.
    """

    __tablename__ = "notices"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    person: bytes = Field(primary_key=True, sa_type=LargeBinary)
    sealed: bytes = Field(sa_type=LargeBinary)
    due_us: int = Field(sa_type=BigInteger, index=True)
    lease_owner: bytes = Field(default=b"", sa_type=LargeBinary)
    lease_until_us: int = Field(default=0, sa_type=BigInteger)
