"""The log's tables, in a file of their own on SQLite, beside the vaults' on PostgreSQL
(docs/spec/audit-v1.md). Nothing here is in clear but times, sizes and pseudonyms; only tables stand in this module.
"""  # noqa: D205

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Text
from sqlmodel import Field, SQLModel


class LogTable(SQLModel):
    """Base of the log's tables: metadata of their own, so that no other database gets them."""

    metadata = MetaData()


class EntryRow(LogTable, table=True):
    """One entry; ``seq`` is the leaf's index. Every column but ``leaf_hash`` and ``sealed`` is in the leaf.

    A pseudonym of zeros means none. ``sealed`` goes at retention; its digest stays.
    """

    __tablename__ = "log_entries"
    __table_args__ = (
        Index("log_entries_vault", "vault", "n", unique=True),
        Index("log_entries_provider", "provider", "seq"),
        Index("log_entries_authority", "authority", "seq"),
        Index(
            "log_entries_head",
            "vault",
            "head_version",
            sqlite_where=Column("head_version") > 0,
            postgresql_where=Column("head_version") > 0,
        ),
    )

    seq: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)
    )
    entry_id: bytes = Field(sa_column=Column(LargeBinary(16), unique=True, nullable=False))
    vault: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    n: int = Field(sa_column=Column(BigInteger, nullable=False))
    provider: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    authority: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    at_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    commitment: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    sealed_digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    head_version: int = Field(sa_column=Column(BigInteger, nullable=False))
    head_digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    leaf_hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class NodeRow(LogTable, table=True):
    """A complete subtree's root, kept at every eighth level only; level 0 is the entries' ``leaf_hash``."""

    __tablename__ = "log_nodes"

    level: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    idx: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


class TipRow(LogTable, table=True):
    """The tree's growing edge, one row: its size, its peaks, and the signed note over both."""

    __tablename__ = "log_tip"

    one: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    peaks: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    note: str = Field(sa_column=Column(Text, nullable=False))


class CheckpointRow(LogTable, table=True):
    """A checkpoint that was also written outside the database."""

    __tablename__ = "log_checkpoints"

    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    note: str = Field(sa_column=Column(Text, nullable=False))


class PendingRow(LogTable, table=True):
    """An entry that is durable and waits for its number, on PostgreSQL; ``mac`` is over all but ``sealed``.

    ``writer`` is one connection of one process, ``wseq`` its running number from 1.
    """

    __tablename__ = "log_pending"
    __table_args__ = (
        Index(
            "log_pending_head",
            "vault",
            "head_version",
            sqlite_where=Column("head_version") > 0,
            postgresql_where=Column("head_version") > 0,
        ),
    )

    writer: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    wseq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    entry_id: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    vault: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    provider: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    authority: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    commitment: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    sealed_digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    head_version: int = Field(sa_column=Column(BigInteger, nullable=False))
    head_digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    mac: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class WriterRow(LogTable, table=True):
    """The last number of each writer whose entry has its place in the log, MACed."""

    __tablename__ = "log_writers"

    writer: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    last: int = Field(sa_column=Column(BigInteger, nullable=False))
    mac: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
