"""The vault's tables. They hold opaque ids, sealed bytes, sizes, versions and write times, nothing else.

Every table is led by ``vault_id``, so that it shards. Formats: docs/spec/vault-v1.md.
"""

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel


class VaultRow(SQLModel, table=True):
    """One vault: sealed profile and rules, and the head that authenticates all the rest."""

    __tablename__ = "vaults"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    created_us: int = Field(sa_type=BigInteger)
    profile: bytes = Field(sa_type=LargeBinary)
    rules: bytes = Field(sa_type=LargeBinary)
    head: bytes = Field(sa_type=LargeBinary)
    head_mac: bytes = Field(sa_type=LargeBinary)


class RuleVersionRow(SQLModel, table=True):
    """A version of the rules that another took over from: the very bytes that stood in the vault's row."""

    __tablename__ = "rule_versions"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    version: int = Field(primary_key=True, sa_type=BigInteger)
    sealed: bytes = Field(sa_type=LargeBinary)
    written_us: int = Field(sa_type=BigInteger)  # when the next one took over


class MandateRow(SQLModel, table=True):
    """A hint that a vault's rules name somebody (a keyed tag) as proxy, and what the owner calls them, sealed."""

    __tablename__ = "mandates"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    tag: bytes = Field(primary_key=True, sa_type=LargeBinary, index=True)
    sealed: bytes = Field(sa_type=LargeBinary)


class AliasRow(SQLModel, table=True):
    """A person's alias (a keyed function of a personal number) and the vault it leads to."""

    __tablename__ = "aliases"

    alias: bytes = Field(primary_key=True, sa_type=LargeBinary)
    vault_id: bytes = Field(sa_type=LargeBinary, index=True)


class DrawerRow(SQLModel, table=True):
    """One drawer: its manifest, the (tag, shelf digest) pairs of its live segments, sorted by tag."""

    __tablename__ = "drawers"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    drawer: bytes = Field(primary_key=True, sa_type=LargeBinary)
    manifest: bytes = Field(sa_type=LargeBinary)


class GenerationRow(SQLModel, table=True):
    """A generation's public half; new segments go to the highest."""

    __tablename__ = "generations"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    drawer: bytes = Field(primary_key=True, sa_type=LargeBinary)
    generation: int = Field(primary_key=True)
    public: bytes = Field(sa_type=LargeBinary)


class WrapRow(SQLModel, table=True):
    """A generation's private half, sealed for one recipient (named by a blind tag) inside the shred key."""

    __tablename__ = "wraps"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    drawer: bytes = Field(primary_key=True, sa_type=LargeBinary)
    generation: int = Field(primary_key=True)
    recipient: bytes = Field(primary_key=True, sa_type=LargeBinary)
    sealed: bytes = Field(sa_type=LargeBinary)


class SegmentRow(SQLModel, table=True):
    """n records of one drawer and month, sealed; see :mod:`vault.segment`."""

    __tablename__ = "segments"

    vault_id: bytes = Field(primary_key=True, sa_type=LargeBinary)
    drawer: bytes = Field(primary_key=True, sa_type=LargeBinary)
    tag: bytes = Field(primary_key=True, sa_type=LargeBinary)
    segment: bytes = Field(primary_key=True, sa_type=LargeBinary)
    generation: int  # whose pair sealed the key; settling it in another moves it on
    born: int  # the generation in the header, which never changes
    import_id: bytes = Field(sa_type=LargeBinary, index=True)  # empty where no import brought it
    sealed_key: bytes = Field(sa_type=LargeBinary)
    body: bytes = Field(sa_type=LargeBinary)
    summary: bytes = Field(sa_type=LargeBinary)
    fingerprints: bytes = Field(sa_type=LargeBinary)
    digests: bytes = Field(sa_type=LargeBinary)
    written_us: int = Field(sa_type=BigInteger)
