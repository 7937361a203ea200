"""The log: append an event, get a Receipt once it is on disk; read entries back; prove them.

1. The event is encoded, salted, committed to and sealed by the caller's thread.
2. The one writer thread numbers it and grows the tree, in a group with what else waits, and commits.
3. Only then is a Receipt made and signed, here and nowhere else.

Any fault raises :class:`LogUnavailableError` and returns nothing: audit down means that nothing opens.
Format: docs/spec/audit-v1.md. Whether the reader of entries may read them, and that reading is logged in its
turn, is the caller's matter.
"""

import asyncio
import contextlib
import functools
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy import event as on
from sqlalchemy.exc import SQLAlchemyError

from audit import body, merkle, store
from audit.anchor import Anchor
from audit.body import SERVICE, Body, Readers, Sealer, month_of
from audit.checkpoint import CheckpointError, open_checkpoint
from audit.encoding import EncodingError
from audit.entry import Entry, EntryState, Inclusion, open_rows
from audit.errors import LogUnavailableError, NoSuchEntryError
from audit.events import Event, HeadRef
from audit.leaf import NOBODY
from audit.sequencer import Draft, Sequencer
from audit.store import Stored
from audit.tables import LogTable
from audit.writer import Job, Writer
from keys.envelope import microseconds, moment
from keys.keystore import KeyStore
from keys.primitives import KeysError, Signer
from keys.receipt import Opens, Receipt

CHECKPOINT_EVERY = timedelta(seconds=1)
BUSY_MS = 5_000  # how long to wait for another process's write

_ID_SIZE = 16
_DIGEST_SIZE = 32
_REMEMBERED_NAMES = 50_000
_NO_OPENS = Opens()
__all__ = ["AuditLog", "Entry", "EntryState", "Inclusion"]
_FAULTS = (
    SQLAlchemyError,
    sqlite3.Error,
    OSError,
    KeysError,
    CheckpointError,
    LookupError,
    merkle.ProofError,
)


class AuditLog:
    """One log in one SQLite file; several processes may hold it open."""

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        sealer: Sealer,
        keystore: KeyStore,
        *,
        signer: Signer,
        origin: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._sealer = sealer
        self._keystore = keystore
        self._pseudonym = functools.lru_cache(_REMEMBERED_NAMES)(keystore.pseudonym)
        self._signer = signer
        self._public = signer.public()
        self._origin = origin
        self._clock = clock

    @classmethod
    def open(
        cls,
        path: Path,
        keystore: KeyStore,
        *,
        origin: str,
        checkpoint_dir: Path,
        clock: Callable[[], datetime],
        checkpoint_every: timedelta = CHECKPOINT_EVERY,
    ) -> "AuditLog":
        """Open a log, making it where there is none.

        Raises:
            LogUnavailableError: not writable, or not the continuation of its checkpoints outside.
        """
        engine, sealer, signer = _engine(path), Sealer(keystore), keystore.log_signer()
        anchor = Anchor(checkpoint_dir, origin=origin, public=signer.public())
        sequencer = Sequencer(
            _engine(path), sealer=sealer, signer=signer, origin=origin, anchor=anchor, clock=clock
        )
        writer = Writer(sequencer, checkpoint_every=checkpoint_every)
        try:
            _make_tables(engine)
            writer.start()
        except LogUnavailableError:
            engine.dispose()
            raise
        except _FAULTS:
            engine.dispose()
            raise LogUnavailableError("the log's file cannot be opened") from None
        return cls(engine, writer, sealer, keystore, signer=signer, origin=origin, clock=clock)

    # --- writing

    async def append(self, event: Event, *, opens: Opens = _NO_OPENS) -> Receipt:
        """Log an event; the Receipt says that it is on disk.

        Raises:
            LogUnavailableError: it is not, or nobody can tell.
        """
        draft = self._draft(event, await self._readers_with_keys(event))
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._writer.submit(Job(draft, waiter))
        return self._receipt(event, draft, await waiter, opens)

    def append_now(self, event: Event, *, opens: Opens = _NO_OPENS) -> Receipt:
        """Do the same for a thread or a command, which may wait.

        Raises:
            LogUnavailableError: it is not on disk, or nobody can tell.
        """
        draft = self._draft(event, self._readers(event))
        waiter: Future[int] = Future()
        self._writer.submit(Job(draft, waiter))
        return self._receipt(event, draft, waiter.result(), opens)

    def follow(self, event: Event) -> None:
        """Log an outcome without waiting: for what holds nothing up (counts), never for what permits."""
        try:
            self._writer.submit(Job(self._draft(event, self._readers(event)), None))
        except LogUnavailableError:
            self._writer.lose(1)

    @property
    def lost_outcomes(self) -> int:
        """How many events handed to :meth:`follow` could not be written since the log was opened."""
        return self._writer.lost

    def checkpoint(self) -> None:
        """Sign the tree as it stands and carry it out of the database now.

        Raises:
            LogUnavailableError: it could not be written, or contradicts one that was.
        """
        wish: Future[None] = Future()
        self._writer.submit(wish)
        wish.result()

    def close(self) -> None:
        """Write what waits and a last checkpoint; afterwards every call is refused."""
        self._writer.close()
        self._engine.dispose()

    # --- reading

    def latest_head(self, vault: bytes) -> HeadRef | None:
        """Return the newest head that the log states for a vault, whichever process logged it.

        Raises:
            LogUnavailableError: the log cannot be read, or the entry is not what was logged.
        """
        with self._reading() as connection:
            found = store.newest_head(connection, self._pseudonym(body.vault_scope(vault)))
        if found is None:
            return None
        if not found.is_intact:
            raise LogUnavailableError("an entry is not what was logged")
        return HeadRef(found.leaf.head_version, found.leaf.head_digest)

    def entries_of_vault(
        self, vault: bytes, *, before_seq: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """Return a vault's entries, newest first, opened under the vault's keys."""
        scope = body.vault_scope(vault)
        with self._reading() as connection:
            pseudonym = self._pseudonym(scope)
            rows = store.of_vault(connection, pseudonym, before=before_seq, limit=limit)
            return open_rows(rows, scope, self._keystore)

    def entries_of_organisation(
        self, identifier: str, *, before_seq: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """Return what a provider's or an authority's staff and systems did, newest first, under its keys."""
        scope = body.organisation_scope(identifier)
        with self._reading() as connection:
            pseudonym = self._pseudonym(scope)
            rows = store.of_organisation(connection, pseudonym, before=before_seq, limit=limit)
            return open_rows(rows, scope, self._keystore)

    def entry(self, entry_id: bytes, *, vault: bytes | None = None, organisation: str | None = None) -> Entry:
        """Return one entry, opened as a vault or an organisation, or with neither as the installation.

        Raises:
            NoSuchEntryError: there is none under that reader; nothing tells which.
        """
        scope = SERVICE
        if vault is not None:
            scope = body.vault_scope(vault)
        elif organisation is not None:
            scope = body.organisation_scope(organisation)
        with self._reading() as connection:
            row = store.by_id(connection, entry_id)
            if row is None or not self._concerns(row, scope):
                raise NoSuchEntryError("no such entry")
            return open_rows([row], scope, self._keystore)[0]

    def inclusion(self, entry_id: bytes) -> Inclusion:
        """Prove that an entry stands in the log, against the newest checkpoint.

        Raises:
            NoSuchEntryError: there is no such entry.
            LogUnavailableError: the tree as stored does not prove it.
        """
        for _ in range(2):
            with self._reading() as connection:
                row = store.by_id(connection, entry_id)
                if row is None:
                    raise NoSuchEntryError("no such entry")
                note = store.newest_checkpoint(connection) or ""
                head = open_checkpoint(note, origin=self._origin, public=self._public)
                if row.seq < head.size:
                    proof = merkle.inclusion_proof(row.seq, head.size, store.finder(connection))
                    merkle.check_inclusion(row.seq, head.size, row.leaf.hash(), proof, head.root)
                    return Inclusion(row.seq, head.size, row.leaf.encode(), tuple(proof), note)
            self.checkpoint()  # the entry is younger than the newest one
        raise LogUnavailableError("no checkpoint covers the entry")

    # --- inside

    def _readers(self, event: Event) -> Readers:
        with _fail_closed():
            _check(event)
            return Readers.of(event, self._pseudonym)

    async def _readers_with_keys(self, event: Event) -> Readers:
        """Fetch the month's keys in a thread if they are not at hand: the KeyStore may have to make them."""
        readers = self._readers(event)
        with _fail_closed():
            month = month_of(moment(self._now()))
            if not self._sealer.is_warm(readers, month):
                await asyncio.to_thread(self._sealer.warm, readers, month)
        return readers

    def _draft(self, event: Event, readers: Readers) -> Draft:
        with _fail_closed():
            now = self._now()
            month, content = month_of(moment(now)), Body.of(event)
            entry_id = (now // 1000).to_bytes(6, "big") + os.urandom(10)  # near in time, near in the index
            sealed = self._sealer.seal(entry_id, content, readers, month=month)
            return Draft(entry_id, content, readers, event.head, month, sealed)

    def _now(self) -> int:
        return microseconds(self._clock())

    def _receipt(self, event: Event, draft: Draft, at_us: int, opens: Opens) -> Receipt:
        unsigned = Receipt(draft.entry_id, moment(at_us), event.vault or b"", opens)
        return replace(unsigned, signature=self._signer.sign(unsigned.message()))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _fail_closed(), self._engine.connect() as connection:
            if self._writer.is_closed:
                raise LogUnavailableError("the log is closed")
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    def _concerns(self, row: Stored, scope: str) -> bool:
        leaf = row.leaf
        if scope == SERVICE:
            return leaf.vault == leaf.provider == leaf.authority == NOBODY
        return self._pseudonym(scope) in (leaf.vault, leaf.provider, leaf.authority)


def _check(event: Event) -> None:
    """Refuse an event whose ids would not fit the leaf."""
    if event.vault is not None and len(event.vault) != _ID_SIZE:
        raise EncodingError("a vault id is 16 bytes")
    head = event.head
    if head is None:
        return
    if event.vault is None or head.version < 1 or len(head.digest) != _DIGEST_SIZE:
        raise EncodingError("a head is of a vault, from version 1, with a digest of 32 bytes")


@contextlib.contextmanager
def _fail_closed() -> Iterator[None]:
    try:
        yield
    except EncodingError as error:
        raise LogUnavailableError(str(error)) from None
    except _FAULTS:
        raise LogUnavailableError("the log or its keys cannot be reached") from None


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", hide_parameters=True)
    on.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own would be deferred
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _make_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # two processes may start at once
        LogTable.metadata.create_all(connection)
        connection.exec_driver_sql("COMMIT")
