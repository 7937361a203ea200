"""The job table is the truth about imports; a queue only wakes the worker (design: jobs)."""

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel

#: The states of an import that has not come to its end.
UNDER_WAY = ("queued", "running")


class ImportRow(SQLModel, table=True):
    """One upload and what became of it. ``sealed`` holds upload key, importing principal and file name.

    ``state`` is one of queued, running, rehearsed, done, failed, cancelled. A worker owns a running import
    while it lives and ``lease_until_us`` lies ahead; after that another takes it up from the beginning, and the
    fingerprints see to it that nothing is stored twice. ``attempts`` counts the tries that the file itself ended.
    """

    __tablename__ = "imports"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    import_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    state: str = Field(index=True)
    rehearse: bool
    format: str
    sealed: bytes = Field(sa_type=LargeBinary)
    created_us: int = Field(sa_type=BigInteger)
    updated_us: int = Field(sa_type=BigInteger)
    lease_owner: bytes = Field(default=b"", sa_type=LargeBinary)
    lease_until_us: int = Field(default=0, sa_type=BigInteger)
    attempts: int = 0
    size: int = Field(default=0, sa_type=BigInteger)
    position: int = Field(default=0, sa_type=BigInteger)
    read: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    error: str = ""


class ImportClaimRow(SQLModel, table=True):
    """Fingerprints that an import brought but another had stored: undo keeps what anyone still claims."""

    __tablename__ = "import_claims"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    import_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    drawer: bytes = Field(primary_key=True, sa_type=LargeBinary)
    tag: bytes = Field(primary_key=True, sa_type=LargeBinary)
    fingerprints: bytes = Field(sa_type=LargeBinary)
