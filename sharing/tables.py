"""Requests, emergency openings and notices, sealed under the vault's rules key; log review's by the organisation's."""

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


class CaseWordsRow(SQLModel, table=True):
    """What was said at one step of a case of log review; that the step was taken, the log says.

    ``entry_id`` is the step's own entry, ``access_id`` that of the access which the case is about. ``stream`` is the
    pseudonym of who is to find it: an organisation's questions, what one employee was asked, or zeros.
    """

    __tablename__ = "case_words"

    entry_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    access_id: bytes = Field(sa_type=LargeBinary, index=True)
    stream: bytes = Field(sa_type=LargeBinary, index=True)
    sealed: bytes = Field(sa_type=LargeBinary)
    created_us: int = Field(sa_type=BigInteger)


class ControlRow(SQLModel, table=True):
    """A draw or a control record, by its SHA-256, which the log has; sealed under a key of the organisation's."""

    __tablename__ = "controls"

    digest: bytes = Field(primary_key=True, sa_type=LargeBinary)
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
