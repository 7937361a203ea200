"""The log: append an event, get a Receipt once it is on disk; read entries back; prove them.

1. The event is checked and encoded by the caller's thread, and its readers' keys found.
2. The one writer thread salts, seals and commits to it and makes it durable, in a group with what else waits: on SQLite
   numbered and in the tree, on PostgreSQL pending its number.
3. Only then is a Receipt made, here and nowhere else.

Any fault raises :class:`LogUnavailableError` and returns nothing: audit down means that nothing opens.
Format: docs/spec/audit-v1.md. Whether the reader of entries may read them, and that reading is logged in its
turn, is the caller's matter.
"""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path

from audit import body, evidence, merkle, store, tiles
from audit.anchor import Anchor
from audit.body import SERVICE, Readers, Sealer, month_at, new_entry_id
from audit.checkpoint import Checkpoint, CheckpointError, open_checkpoint, verifier_key
from audit.database import FAULTS, Connection, Pool, PostgreSQL, SQLite
from audit.direct import DirectLedger
from audit.draft import Job, Waiter
from audit.encoding import EncodingError, encode
from audit.entry import Entry, EntryState, Inclusion, open_row, open_rows
from audit.errors import LogUnavailableError, NoSuchEntryError
from audit.events import Event, HeadRef
from audit.evidence import Receipt as TakenAlong
from audit.evidence import Silence
from audit.keeper import Keeper
from audit.leaf import NOBODY
from audit.ledger import Ledger
from audit.pending import PendingLedger
from audit.sequencer import Sequencer
from audit.store import Stored
from audit.tiles import Tile
from audit.writer import Writer
from keys.envelope import microseconds, moment
from keys.keystore import KeyStore
from keys.primitives import KeysError, tag
from keys.receipt import NOTHING, Opens, Receipt, timed, untimed

CHECKPOINT_EVERY = timedelta(seconds=1)

_ID_SIZE = 16
_DIGEST_SIZE = 32
_REMEMBERED_NAMES = 50_000
_BATCH = 2000  # entries whose bodies go in one transaction
_A_MOMENT = timedelta(microseconds=1)
__all__ = ["AuditLog", "Entry", "EntryState", "Inclusion"]
_FAULTS = (*FAULTS, EncodingError, KeysError, CheckpointError, LookupError, merkle.ProofError)


class AuditLog:
    """One log; several processes may hold it open."""

    def __init__(
        self,
        ledger: Ledger,
        pool: Pool,
        keystore: KeyStore,
        *,
        checkpoint_every: timedelta,
        origin: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._pool = pool
        self._keeper = Keeper(ledger, checkpoint_every=checkpoint_every)
        self._writer = Writer(ledger, self._keeper, receipts=self._receipts)
        self._sealer = Sealer(keystore)
        self._keystore = keystore
        self._pseudonym = functools.lru_cache(_REMEMBERED_NAMES)(keystore.pseudonym)
        self._receipt_key = keystore.receipt_key()
        self._public = keystore.log_signer().public()
        self._origin = origin
        self._clock = clock

    @classmethod
    def open(
        cls,
        store: Path | str,
        keystore: KeyStore,
        *,
        origin: str,
        checkpoint_dir: Path,
        clock: Callable[[], datetime],
        checkpoint_every: timedelta = CHECKPOINT_EVERY,
    ) -> "AuditLog":
        """Open a log whose tables are there: a SQLite file, or a ``postgresql+psycopg://`` URL.

        Raises:
            LogUnavailableError: not writable, or not the continuation of its checkpoints outside.
        """
        signer = keystore.log_signer()
        anchor = Anchor(checkpoint_dir, origin=origin, public=signer.public())
        sequencer = Sequencer(signer=signer, origin=origin, anchor=anchor, clock=clock)
        ledger: Ledger
        if isinstance(store, Path):
            pool = Pool(file := SQLite(store))
            ledger = DirectLedger(file, sequencer)
        else:
            pool = Pool(server := PostgreSQL(store))
            ledger = PendingLedger(server, sequencer, key=keystore.service_key("log-pending"), clock=clock)
        log = cls(ledger, pool, keystore, checkpoint_every=checkpoint_every, origin=origin, clock=clock)
        try:
            log._keeper.start()
        except LogUnavailableError:
            ledger.close()
            raise
        log._writer.start()
        return log

    # --- writing

    async def append(self, event: Event, *, opens: Opens = NOTHING) -> Receipt:
        """Log an event; the Receipt says that it is on disk.

        Raises:
            LogUnavailableError: it is not, or nobody can tell.
        """
        waiter: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        try:
            _check(event)
            now_ms = microseconds(self._clock()) // 1000
            readers = self._sealer.find(event, month := month_at(now_ms))
            if readers is None:
                readers = await asyncio.to_thread(self._sealer.make, event, month)
            job = self._job(event, opens, now_ms, readers, waiter)
        except _FAULTS as error:
            raise _unavailable(error) from None
        self._writer.gather(job)
        return await waiter

    def append_now(self, event: Event, *, opens: Opens = NOTHING) -> Receipt:
        """Do the same for a thread or a command, which may wait.

        Raises:
            LogUnavailableError: it is not on disk, or nobody can tell.
        """
        waiter: Future[Receipt] = Future()
        self._writer.submit(self._job_now(event, opens, waiter))
        return waiter.result()

    def follow(self, event: Event) -> None:
        """Log an outcome without waiting: for what holds nothing up (counts), never for what permits."""
        try:
            self._writer.gather(self._job_now(event, NOTHING, None))
        except LogUnavailableError:
            self._writer.lose(1)

    @property
    def lost_outcomes(self) -> int:
        """How many events handed to :meth:`follow` could not be written since the log was opened."""
        return self._writer.lost

    def checkpoint(self) -> None:
        """Sign the tree as it stands, all that is durable in it, and carry it out of the database now.

        Raises:
            LogUnavailableError: it could not be written, or contradicts one that was.
        """
        if self._writer.is_closed:
            raise LogUnavailableError("the log is closed")
        self._keeper.seal()
        self._keeper.checkpoint()

    def close(self) -> None:
        """Write what waits and a last checkpoint; afterwards every call is refused."""
        self._writer.close()
        self._keeper.close()
        self._ledger.close()
        self._pool.close()

    # --- reading

    def latest_head(self, vault: bytes, *, beside: object = None) -> HeadRef | None:
        """Return the newest head that the log states for a vault, whichever process logged it.

        ``beside`` is the driver's cursor by which the caller asks for the vault, outside any transaction.

        Raises:
            LogUnavailableError: the log cannot be read, or the entry is not what was logged.
        """
        pseudonym = self._pseudonym(body.vault_scope(vault))
        with _fail_closed(), self._pool.lent(beside) as connection:
            if self._writer.is_closed:
                raise LogUnavailableError("the log is closed")
            return self._ledger.newest_head(connection, pseudonym)

    def entries_of_vault(
        self, vault: bytes, *, before_seq: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """Return a vault's entries, newest first, opened under the vault's keys."""
        return self._entries_of(body.vault_scope(vault), before_seq, limit)

    def entries_of_organisation(
        self, identifier: str, *, before_seq: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """Return what a provider's or an authority's staff and systems did, newest first, under its keys."""
        return self._entries_of(body.organisation_scope(identifier), before_seq, limit)

    def number_after(self, at: datetime) -> int:
        """Return the number of the first entry that is younger than a time, or that the next one will have."""
        with self._reading() as connection:
            return store.first_after(connection, microseconds(at))

    def number_before(self, at: datetime) -> int:
        """Return how many entries are older than a time: the number of the first that is not."""
        return self.number_after(at - _A_MOMENT)

    def oldest_body(self, end: int) -> datetime | None:
        """Return when the oldest entry before a number was made that still has a body; None if none has."""
        with self._reading() as connection:
            row = store.first_with_body(connection, end)
        return None if row is None else moment(row.leaf.at_us)

    def take_bodies(self, end: int, told: Callable[[int, int], None]) -> int:
        """Take the bodies of all entries before a number away, a batch at a time; return how many there were.

        Leaves and tree stay. The caller has logged it, and that their time is over.
        """
        taken = 0
        for begin in range(0, end, _BATCH):
            with _fail_closed(), self._pool.lent() as connection:
                taken += store.take_bodies(connection, begin, min(end, begin + _BATCH))
            told(min(end, begin + _BATCH), end)
        return taken

    def _entries_of(self, scope: str, before: int | None, limit: int) -> list[Entry]:
        with self._reading() as connection:
            name = self._pseudonym(scope)
            rows = store.of_name(connection, name, before=before, limit=limit)
            return open_rows(rows, scope, name, self._keystore)

    def entry(self, entry_id: bytes, *, vault: bytes | None = None, organisation: str | None = None) -> Entry:
        """Return one entry, opened as a vault or an organisation, or with neither as the installation.

        Raises:
            NoSuchEntryError: there is none under that reader; nothing tells which.
        """
        scope, name = SERVICE, NOBODY
        if vault is not None:
            scope = body.vault_scope(vault)
        elif organisation is not None:
            scope = body.organisation_scope(organisation)
        with self._reading() as connection:
            row = store.by_id(connection, entry_id)
            if scope != SERVICE:
                name = self._pseudonym(scope)
            if row is None or not _is_of(row, name):
                raise NoSuchEntryError("no such entry")
            return open_rows([row], scope, name, self._keystore)[0]

    def inclusion(self, entry_id: bytes) -> Inclusion:
        """Prove that an entry stands in the log, against the newest checkpoint.

        Raises:
            NoSuchEntryError: there is no such entry.
            LogUnavailableError: the tree as stored does not prove it.
        """
        return self._prove(lambda connection: [_there(store.by_id(connection, entry_id))])[0]

    def take_receipt(self, entry_id: bytes, *, vault: bytes) -> TakenAlong:
        """Return what the reader of a vault's log takes along of an entry: the proof, and the opening if there is one.

        Raises:
            NoSuchEntryError: there is none of that id about this vault.
            LogUnavailableError: the entry is not what was logged.
        """
        scope = body.vault_scope(vault)
        with self._reading() as connection:
            row = _there(store.by_id(connection, entry_id))
            if row.leaf.vault != self._pseudonym(scope):
                raise NoSuchEntryError("no such entry")
            state, plain = open_row(row, scope, self._keystore)
        if state is EntryState.DAMAGED:
            raise LogUnavailableError("the entry is not what was logged")
        return TakenAlong(self.inclusion(entry_id), plain)

    def take_silence(self, vault: bytes, begin: datetime, end: datetime) -> Silence:
        """Return a vault's rows from the last before a period to the first after it; the newest ends it at the latest.

        Raises:
            audit.errors.TooManyEntriesError: there are more than one file is to hold.
        """
        name, since, until = self._pseudonym(body.vault_scope(vault)), microseconds(begin), microseconds(end)
        ends = until

        def choose(connection: Connection) -> list[Stored]:
            nonlocal ends
            rows, ends = evidence.around(connection, name, since, until)
            return rows

        proven = self._prove(choose)
        return Silence(since, ends, tuple(proven))

    @property
    def verifier_key(self) -> str:
        """The key by which anybody verifies this log's checkpoints, as others' tools take it."""
        return verifier_key(self._origin, self._public)

    # --- what is anybody's to see: the tree, never an entry

    @property
    def identity(self) -> tuple[str, bytes]:
        """The log's origin and its public key: whom its checkpoints are by."""
        return self._origin, self._public

    def newest_checkpoint(self) -> tuple[Checkpoint, str]:
        """Return the newest checkpoint that was carried out of the database, and its note.

        Raises:
            LogUnavailableError: it cannot be read, or is not the log's.
        """
        with self._looking() as connection:
            return self._newest(connection)

    def tile(self, tile: Tile) -> bytes:
        """Return a tile of the tree of the newest checkpoint.

        Raises:
            tiles.NoSuchTileError: there is none.
            LogUnavailableError: it cannot be read.
        """
        with self._looking() as connection:
            return tiles.read(connection, tile, self._newest(connection)[0].size)

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Prove that the log's first ``second`` entries begin with its first ``first``; empty from nothing.

        Raises:
            LogUnavailableError: the log has not so many, or its tree does not prove it.
        """
        with self._looking() as connection:
            return merkle.consistency_proof(first, second, store.finder(connection)) if first else []

    @contextlib.contextmanager
    def _looking(self) -> Iterator[Connection]:
        """Give what is numbered; nobody's look seals, or writes anything."""
        if self._writer.is_closed:
            raise LogUnavailableError("the log is closed")
        with _fail_closed(), self._pool.snapshot() as connection:
            yield connection

    def _newest(self, connection: Connection) -> tuple[Checkpoint, str]:
        note = store.newest_checkpoint(connection) or ""
        return open_checkpoint(note, origin=self._origin, public=self._public), note

    # --- inside

    def _prove(self, choose: Callable[[Connection], list[Stored]]) -> list[Inclusion]:
        """Prove the rows chosen, against one checkpoint; one that covers them is made if need be."""
        for _ in range(2):
            with self._reading() as connection:
                rows = choose(connection)
                found = evidence.prove(connection, rows, origin=self._origin, public=self._public)
                if found is not None:
                    return found
            self.checkpoint()
        raise LogUnavailableError("no checkpoint covers the entry")

    def _job_now(self, event: Event, opens: Opens, waiter: Waiter | None) -> Job:
        with _fail_closed():
            _check(event)
            now_ms = microseconds(self._clock()) // 1000
            month = month_at(now_ms)
            readers = self._sealer.find(event, month) or self._sealer.make(event, month)
            return self._job(event, opens, now_ms, readers, waiter)

    def _job(self, event: Event, opens: Opens, now_ms: int, readers: Readers, waiter: Waiter | None) -> Job:
        """Encode what a checked event's entry and receipt will say."""
        entry_id, vault = new_entry_id(now_ms), event.vault or b""
        rest = untimed(entry_id, vault, opens, pending=self._ledger.is_pending)
        return Job(entry_id, encode(event), readers, event.head, vault, opens, rest, waiter)

    def _receipts(self, jobs: Sequence[Job], at: datetime) -> list[Receipt]:
        """Give the word for entries that are on disk."""
        key, begins, pending = self._receipt_key, timed(at), self._ledger.is_pending
        return [
            Receipt(job.entry_id, at, job.vault, job.opens, pending, tag(key, begins + job.untimed))
            for job in jobs
        ]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._writer.is_closed:
            raise LogUnavailableError("the log is closed")
        self._keeper.seal()
        with _fail_closed(), self._pool.snapshot() as connection:
            yield connection


def _there(row: Stored | None) -> Stored:
    if row is None:
        raise NoSuchEntryError("no such entry")
    return row


def _is_of(row: Stored, name: bytes) -> bool:
    """Tell whether an entry is a reader's; what concerns nobody is the installation's."""
    leaf = row.leaf
    if name == NOBODY:
        return leaf.vault == leaf.provider == leaf.authority == NOBODY
    return row.concerns(name)


def _check(event: Event) -> None:
    """Refuse an event whose ids would not fit the leaf."""
    if event.vault is not None and len(event.vault) != _ID_SIZE:
        raise EncodingError("a vault id is 16 bytes")
    if event.document is not None and len(event.document) != _DIGEST_SIZE:
        raise EncodingError("a document's digest is 32 bytes")
    head = event.head
    if head is None:
        return
    if event.vault is None or head.version < 1 or len(head.digest) != _DIGEST_SIZE:
        raise EncodingError("a head is of a vault, from version 1, with a digest of 32 bytes")


@contextlib.contextmanager
def _fail_closed() -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise _unavailable(error) from None


def _unavailable(error: Exception) -> LogUnavailableError:
    """Return the one error that others see, without its cause."""
    if isinstance(error, EncodingError):
        return LogUnavailableError(str(error))
    return LogUnavailableError("the log or its keys cannot be reached")
