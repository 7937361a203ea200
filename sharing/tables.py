"""Requests for access, and emergency openings, sealed under the vault's rules key."""

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
