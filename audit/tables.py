"""The log's tables, in a file of their own on SQLite, beside the vaults' on PostgreSQL
(docs/spec/audit-v1.md). Nothing here is in clear but times, sizes and pseudonyms; only tables stand in this module.
"""  # noqa: D205

from sqlalchemy import DDL, BigInteger, Column, Index, Integer, LargeBinary, MetaData, Text, event
from sqlmodel import Field, SQLModel

_ITS_OWN_INDEX = {"sqlite_with_rowid": False}


class LogTable(SQLModel):
    """Base of the log's tables: metadata of their own, so that no other database gets them."""

    metadata = MetaData()


class EntryRow(LogTable, table=True):
    """One entry; ``seq`` is the leaf's index, ``leaf`` its data, and ``sealed`` goes at retention.

    Nothing in it is indexed but its number: that would cost each entry more than all the rest.
    """

    __tablename__ = "log_entries"

    seq: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)
    )
    leaf: bytes = Field(sa_column=Column(LargeBinary(185), nullable=False))
    leaf_hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class IdRow(LogTable, table=True):
    """By which number an entry is found; like :class:`NameRow` of all entries before ``log_tip.listed``."""

    __tablename__ = "log_ids"
    __table_args__ = _ITS_OWN_INDEX

    entry_id: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))


class NameRow(LogTable, table=True):
    """Which entries concern somebody: a vault's pseudonym (zeros for none), a provider's or an authority's.

    ``numbers`` are entries' numbers of 8 bytes each, ascending, from ``first`` on: a run that was listed at once.
    """

    __tablename__ = "log_names"
    __table_args__ = _ITS_OWN_INDEX

    name: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    first: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    numbers: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class HeadRow(LogTable, table=True):
    """Which entry states a head of a vault: written with the entry, since every request asks for the newest."""

    __tablename__ = "log_heads"
    __table_args__ = _ITS_OWN_INDEX

    vault: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))


class NodeRow(LogTable, table=True):
    """A complete subtree's root, kept at every eighth level only; level 0 is the entries' ``leaf_hash``."""

    __tablename__ = "log_nodes"

    level: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    idx: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


class TipRow(LogTable, table=True):
    """The tree's growing edge, one row: its size, its peaks, and the signed note over both.

    ``listed`` is how many of the entries stand in ``log_ids`` and ``log_names``: the first ones.
    """

    __tablename__ = "log_tip"

    one: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    peaks: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    note: str = Field(sa_column=Column(Text, nullable=False))
    listed: int = Field(sa_column=Column(BigInteger, nullable=False))


class CheckpointRow(LogTable, table=True):
    """A checkpoint that was also written outside the database."""

    __tablename__ = "log_checkpoints"

    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    note: str = Field(sa_column=Column(Text, nullable=False))


class PendingRow(LogTable, table=True):
    """Entries that are durable and wait for their numbers, on PostgreSQL: a group, or one that states a head.

    ``writer`` is one connection of one process, ``wseq`` its running number from 1; ``mac`` is over all the rest.
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
    vault: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    head_version: int = Field(sa_column=Column(BigInteger, nullable=False))
    entries: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    mac: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


#: PostgreSQL would try to compress what is sealed, for three times as long as it takes to write it.
_UNCOMPRESSED = DDL("ALTER TABLE log_pending ALTER COLUMN entries SET STORAGE EXTERNAL")  # type: ignore[no-untyped-call]
event.listen(
    LogTable.metadata.tables["log_pending"],
    "after_create",
    _UNCOMPRESSED.execute_if(dialect="postgresql"),
)


class WriterRow(LogTable, table=True):
    """The last number of each writer whose entry has its place in the log, MACed."""

    __tablename__ = "log_writers"

    writer: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    last: int = Field(sa_column=Column(BigInteger, nullable=False))
    mac: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
