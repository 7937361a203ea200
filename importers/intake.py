"""The intake: claims an upload, lets the child parse it, and commits what the child sealed.

1. an import is claimed by a lease (:mod:`importers.lease`), so that one worker has it; 2. the child parses and seals
without a KeyStore; 3. every batch is one transaction: segments, claims, counts, lease, the vault's new head; 4. the
log's outcome entry states that head. A worker that dies is followed by another, from the beginning: what is already
stored is known by its fingerprints, so nothing is stored twice and nothing is lost.
"""

import itertools
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from msgspec.structs import replace
from sqlalchemy import Connection, insert, select, update

from audit.errors import LogUnavailableError
from audit.events import Activity, Actor, Event, EventKind, HeadRef
from audit.log import AuditLog
from identity.principal import System
from importers import lease, wire
from importers.batch import Batch, Digests, hold, keep_claims, named, told_marks
from importers.lease import LEASE, LostLeaseError, Sign
from importers.tables import UNDER_WAY, ImportClaimRow, ImportRow
from importers.wire import Claim, Done, Need, Progress, Sealed, Shelf, Task
from keys import envelope
from keys.envelope import Window, context, microseconds
from keys.keystore import KeyStore
from keys.primitives import PrivateKey
from vault import naming, state
from vault.change import Change
from vault.database import Database, DatabaseUnavailableError
from vault.naming import INTAKE_DRAWER, DrawerName
from vault.state import VaultState

_IMPORTS = ImportRow.__table__  # type: ignore[attr-defined]
_CLAIMS = ImportClaimRow.__table__  # type: ignore[attr-defined]
_LOG = logging.getLogger(__name__)
BATCH = 64
MAX_ATTEMPTS = 5
#: A running import looks this often whether it is still wanted, and every tenth time extends its lease.
LOOK = timedelta(seconds=1)
_RENEW_EVERY = LEASE // LOOK // 3
_FAILED = "importen kunde inte slutföras / the import could not be completed"

#: Who may hold a key of a drawer at a moment: recipients and the window of each.
Wanted = Callable[[VaultState, DrawerName, datetime], Mapping[str, Window]]


@dataclass(frozen=True, slots=True, repr=False)
class Upload:
    """What an import row seals: the one-time key, the file's own name, and on whose behalf it is read."""

    key: bytes
    filename: str
    entry: bytes
    author: tuple[str, str, str, str]
    on_behalf_of: str = ""


def seal_upload(keystore: KeyStore, vault: bytes, import_id: bytes, upload: Upload) -> bytes:
    """Seal what the import row keeps about an upload, under a key of the vault's own: erasure destroys it."""
    fields = {
        "key": upload.key.hex(),
        "filename": upload.filename,
        "entry": upload.entry.hex(),
        "author": upload.author,
        "on_behalf_of": upload.on_behalf_of,
    }
    bound = context("upload-row", vault, import_id)
    return envelope.seal_box(keystore.vault_keys(vault).rules, json.dumps(fields).encode(), bound_to=bound)


def open_upload(keystore: KeyStore, vault: bytes, import_id: bytes, sealed: bytes) -> Upload:
    """Open it again."""
    bound = context("upload-row", vault, import_id)
    fields = json.loads(envelope.open_box(keystore.vault_keys(vault).rules, sealed, bound_to=bound))
    return Upload(
        bytes.fromhex(fields["key"]),
        fields["filename"],
        bytes.fromhex(fields["entry"]),
        cast("tuple[str, str, str, str]", tuple(fields["author"])),
        fields["on_behalf_of"],
    )


def queue(connection: Connection, row: ImportRow) -> None:
    """Write a queued import; the caller has the file durable on disk and the entry in the log."""
    connection.execute(insert(_IMPORTS).values(row.model_dump()))


def find(connection: Connection, vault: bytes, import_id: bytes) -> ImportRow | None:
    """Return one import."""
    row = connection.execute(select(_IMPORTS).where(*_is(_IMPORTS, vault, import_id))).mappings().first()
    return None if row is None else ImportRow(**row)


def of_vault(connection: Connection, vault: bytes) -> list[ImportRow]:
    """Return a vault's imports, newest first."""
    query = select(_IMPORTS).where(_IMPORTS.c.vault_id == vault).order_by(_IMPORTS.c.created_us.desc())
    return [ImportRow(**row) for row in connection.execute(query).mappings()]


def cancel(connection: Connection, vault: bytes, import_id: bytes, *, at: datetime) -> bool:
    """End an import, whatever it is at: its worker commits nothing more and ends within a second. False if none."""
    ended = {"state": "cancelled", "lease_owner": b"", "lease_until_us": 0, "updated_us": microseconds(at)}
    done = connection.execute(update(_IMPORTS).where(*_is(_IMPORTS, vault, import_id)).values(ended))
    return done.rowcount == 1


def claims_of_others(
    connection: Connection, vault: bytes, import_id: bytes
) -> dict[tuple[bytes, bytes], dict[int, bytes]]:
    """Return what imports other than one also brought, by shelf: each fingerprint and the first import that
    claims it. Cancelled ones claim nothing.
    """  # noqa: D205
    query = (
        select(_CLAIMS.c.drawer, _CLAIMS.c.tag, _CLAIMS.c.fingerprints, _CLAIMS.c.import_id)
        .join(
            _IMPORTS,
            (_IMPORTS.c.import_id == _CLAIMS.c.import_id) & (_IMPORTS.c.vault_id == _CLAIMS.c.vault_id),
        )
        .where(_CLAIMS.c.vault_id == vault, _CLAIMS.c.import_id != import_id, _IMPORTS.c.state != "cancelled")
        .order_by(_IMPORTS.c.created_us, _IMPORTS.c.import_id)
    )
    found: dict[tuple[bytes, bytes], dict[int, bytes]] = {}
    for drawer, tag, marks, claimer in connection.execute(query):
        shelf = found.setdefault((bytes(drawer), bytes(tag)), {})
        for mark in np.frombuffer(marks, dtype=">u8").tolist():
            shelf.setdefault(mark, bytes(claimer))
    return found


class Intake:
    """The worker's side of imports."""

    def __init__(
        self,
        database: Database,
        keystore: KeyStore,
        log: AuditLog,
        *,
        uploads: Path,
        workers: Path,
        wanted: Wanted,
        clock: Callable[[], datetime],
    ) -> None:
        self._database, self._keystore, self._log = database, keystore, log
        self._uploads, self._workers, self._wanted, self._clock = uploads, workers, wanted, clock
        self._told_to_stop = threading.Event()

    def path(self, import_id: bytes) -> Path:
        """Return where an import's sealed upload lies."""
        return self._uploads / import_id.hex()

    def run_waiting(self) -> int:
        """Run every import that waits or whose worker died; return how many were run."""
        ran = 0
        while not self._told_to_stop.is_set() and (claimed := self._take_turn()) is not None:
            self._run(claimed)
            ran += 1
        return ran

    def stop(self) -> None:
        """Claim nothing more, and give back what runs: another worker takes it up at once."""
        self._told_to_stop.set()

    # --- claiming

    @cached_property
    def _sign(self) -> Sign:
        return Sign(self._workers)

    def _take_turn(self) -> ImportRow | None:
        """Claim an import. First a look, which disturbs nobody who writes."""
        at = self._clock()
        waiting = self._database.read_now(lambda reader: lease.next_in_turn(reader, self._sign, at))
        return None if waiting is None else self._database.write_now(self._claim)

    def _claim(self, connection: Connection) -> ImportRow | None:
        return lease.claim(connection, self._sign, self._clock())

    def _update(self, connection: Connection, row: ImportRow, changes: Mapping[str, Any]) -> None:
        lease.hold(connection, row, changes, at=self._clock())

    # --- running

    def _run(self, row: ImportRow) -> None:
        """Run one attempt. What ends it before its end is tried again from the beginning."""
        try:
            self._attempt(row)
        except LostLeaseError:
            pass
        except (LogUnavailableError, DatabaseUnavailableError) as fault:
            # No fault of the file: it is not counted, and when the lease has passed it is taken up again.
            _LOG.warning("an import waits: %s", type(fault).__name__)

    def _attempt(self, row: ImportRow) -> None:
        try:
            error = self._converse(row)
        except (LostLeaseError, LogUnavailableError, DatabaseUnavailableError):
            raise
        except Exception as fault:  # noqa: BLE001 whatever ended it, its text may quote the file
            self._try_again(row, fault)
            return
        if not error:
            self._end(row, "rehearsed" if row.rehearse else "done", "", {"position": row.size})
        else:
            self._end(row, "failed", error)

    def _try_again(self, row: ImportRow, fault: Exception) -> None:
        """Put the import back in the queue, a few times; to be told to stop is not the file's fault."""
        if self._told_to_stop.is_set():
            self._database.write_now(lambda connection: self._update(connection, row, {"state": "queued"}))
            return
        tried = {"attempts": row.attempts + 1}
        if row.attempts + 1 >= MAX_ATTEMPTS:
            self._end(row, "failed", _FAILED, tried)
        else:
            self._database.write_now(
                lambda connection: self._update(connection, row, {"state": "queued", **tried})
            )
        _LOG.warning("try %d of an import ended early: %s", row.attempts + 1, type(fault).__name__)

    def _converse(self, row: ImportRow) -> str:
        """Run the child to its end; return why the file was refused, or nothing.

        Raises:
            wire.BrokenPipeToChildError: the child died or was ended, or said what it may not.
            vault.errors.VaultError: the vault moved on under it, or is not what it was.
            LostLeaseError: the import was cancelled, or another worker has it.
        """
        upload = open_upload(self._keystore, row.vault_id, row.import_id, row.sealed)
        child = subprocess.Popen(
            [sys.executable, "-I", "-m", "importers.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
            close_fds=True,
        )
        with child, self._beating(row, child):
            try:
                return self._listen(row, upload, child)
            finally:
                child.kill()

    @contextmanager
    def _beating(self, row: ImportRow, child: "subprocess.Popen[bytes]") -> Iterator[None]:
        """End the child once it is not wanted, and extend the lease (it may read long before its first record)."""
        over = threading.Event()

        def beat() -> None:
            for tick in itertools.count(1):
                if over.wait(LOOK.total_seconds()):
                    return
                if self._told_to_stop.is_set() or not self._is_ours(row, tick):
                    child.kill()
                    return

        thread = threading.Thread(target=beat, name="import lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _is_ours(self, row: ImportRow, tick: int) -> bool:
        try:
            if tick % _RENEW_EVERY:
                return self._database.read_now(lambda connection: lease.is_ours(connection, row))
            self._database.write_now(lambda connection: self._update(connection, row, {}))
        except LostLeaseError:
            return False
        except DatabaseUnavailableError:
            return True  # should it come back before the lease is over, the import goes on
        return True

    def _listen(self, row: ImportRow, upload: Upload, child: "subprocess.Popen[bytes]") -> str:
        inward, outward = cast("Any", child.stdout), cast("Any", child.stdin)
        wire.send(outward, self._task(row, upload))
        batch = Batch()
        while True:
            match wire.from_child(inward):
                case Need(name, months):
                    shelf, digests = self._shelf(row, name, months)
                    batch.shelves |= digests
                    wire.send(outward, shelf)
                case Sealed(name, sealed):
                    batch.add(name, sealed, import_id=row.import_id)
                case Claim() as claim:
                    batch.claim(claim)
                case Progress() as progress:
                    batch.progress = progress
                    self._commit(row, batch)
                case Done(error):
                    self._commit(row, batch)
                    self._log_end(row, upload, batch.progress)
                    return error
            if len(batch) >= BATCH:
                self._commit(row, batch)

    def _task(self, row: ImportRow, upload: Upload) -> Task:
        keys = self._keystore.vault_keys(row.vault_id)
        return Task(
            path=str(self.path(row.import_id)),
            filename=upload.filename,
            upload=row.import_id,
            upload_key=upload.key,
            vault=row.vault_id,
            blind=keys.blind,
            intake=keys.intake,
            import_id=row.import_id,
            received_us=row.created_us,
            author=upload.author,
            on_behalf_of=upload.on_behalf_of,
        )

    def _shelf(self, row: ImportRow, name: str, months: list[str]) -> tuple[Shelf, Digests]:
        """Return where to seal to, and the digest of what stands on each shelf."""
        logged = self._log.latest_head(row.vault_id)
        at = self._clock()
        if row.rehearse and named(name) != INTAKE_DRAWER:
            return self._database.read_now(
                lambda connection: self._rehearse_shelf(connection, row, name, months, logged)
            )
        shelf, digests, head = self._database.write_now(
            lambda connection: self._open_shelf(connection, row, name, months, logged, at)
        )
        if head is not None:
            self._log_head(row, head)
        return shelf, digests

    def _open_shelf(
        self,
        connection: Connection,
        row: ImportRow,
        name: str,
        months: list[str],
        logged: HeadRef | None,
        at: datetime,
    ) -> tuple[Shelf, Digests, HeadRef | None]:
        change = Change(connection, self._keystore, row.vault_id, logged=logged, at=at)
        before = change.drawer(named(name))
        wanted = self._wanted(change.state, named(name), at)
        generation, public = change.generation_for(named(name), wanted)
        changed = before is None or before.current != generation
        found = change.drawer(named(name))
        assert found is not None  # noqa: S101 generation_for has just made it
        tags = [naming.month_tag(change.state.keys, named(name), month) for month in months]
        theirs, own = told_marks(connection, change.state, found, tags, row.import_id)
        digests = {(name, tag): found.shelves.get(tag, b"") for tag in tags}
        shelf = Shelf(found.id, generation, public.raw, theirs, own)
        return shelf, digests, change.finish() if changed else None

    def _rehearse_shelf(
        self, connection: Connection, row: ImportRow, name: str, months: list[str], logged: HeadRef | None
    ) -> tuple[Shelf, Digests]:
        """Do the same and change nothing: what is sealed in a rehearsal is thrown away, so any key will do."""
        loaded = state.load(connection, self._keystore, row.vault_id, logged=logged)
        found = state.drawer(connection, loaded, named(name))
        tags = [naming.month_tag(loaded.keys, named(name), month) for month in months]
        theirs, own = told_marks(connection, loaded, found, tags, row.import_id)
        public = PrivateKey.generate().public().raw
        shelf = Shelf(naming.drawer_id(loaded.keys, named(name)), 1, public, theirs, own)
        return shelf, {(name, tag): b"" for tag in tags}

    # --- committing

    def _commit(self, row: ImportRow, batch: Batch) -> None:
        logged = self._log.latest_head(row.vault_id)
        head, shelves = self._database.write_now(
            lambda connection: self._store(connection, row, batch, logged)
        )
        if head is not None:
            self._log_head(row, head)
        batch.shelves |= shelves
        batch.rows, batch.claims = {}, {}

    def _store(
        self, connection: Connection, row: ImportRow, batch: Batch, logged: HeadRef | None
    ) -> tuple[HeadRef | None, Digests]:
        """Return the new head, and the digest of each shelf that now stands otherwise."""
        self._update(connection, row, self._counts(batch.progress))
        rows = {name: kept for name, kept in batch.rows.items() if not row.rehearse or name == INTAKE_DRAWER}
        if not rows and not batch.claims:
            return None, {}
        change = Change(connection, self._keystore, row.vault_id, logged=logged, at=self._clock())
        if not row.rehearse:
            claimed = batch.marks_of_claims(change.state)
            hold(connection, change, batch, claimed)
            keep_claims(connection, change.state, row.import_id, claimed)
        shelves: Digests = {}
        for name, kept in rows.items():
            change.add_foreign(named(name), kept)
            found = change.drawer(named(name))
            if found is not None:
                shelves |= {(name, one.tag): found.shelves[one.tag] for one in kept}
        return change.finish() if rows else None, shelves

    def _counts(self, progress: Progress | None) -> dict[str, Any]:
        if progress is None:
            return {}
        return {
            "format": progress.format,
            "position": progress.position,
            "read": progress.read,
            "stored": progress.stored,
            "duplicates": progress.duplicates,
            "rejected": progress.rejected,
        }

    def _end(
        self, row: ImportRow, final: str, error: str, changes: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        ended = {"state": final, "error": error, **changes}
        self._database.write_now(lambda connection: self._update(connection, row, ended))
        self.path(row.import_id).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove uploads of ended imports, those cut off as they came in (no import, a day old), and dead signs."""
        self._sign.tidy()
        query = select(_IMPORTS.c.import_id, _IMPORTS.c.state)
        states = self._database.read_now(
            lambda connection: {bytes(one).hex(): told for one, told in connection.execute(query)}
        )
        a_day_ago = (self._clock() - timedelta(days=1)).timestamp()
        for file in self._uploads.iterdir():
            waits = states.get(file.name) in UNDER_WAY
            if not waits and (file.name in states or file.stat().st_mtime < a_day_ago):
                file.unlink(missing_ok=True)

    def _log_head(self, row: ImportRow, head: HeadRef) -> None:
        """State a batch's new head in the log; what the import came to is said once, at its end."""
        self._log.append_now(replace(self._event(row), head=head))

    def _log_end(self, row: ImportRow, upload: Upload, progress: Progress | None) -> None:
        told = self._counts(progress)
        if row.rehearse:
            told = {"rejected": told.get("rejected", 0)}  # nothing else was stored
        counts: dict[str, int] = {
            name: told[name] for name in ("stored", "duplicates", "rejected") if name in told
        }
        self._log.append_now(replace(self._event(row), counts=counts, outcome_of=upload.entry))

    def _event(self, row: ImportRow) -> Event:
        return Event(
            kind=EventKind.OUTCOME,
            activity=Activity.WRITE,
            at=self._clock(),
            actor=Actor.of(System("import", row.import_id.hex())),
            vault=row.vault_id,
            subject=row.import_id.hex(),
        )


def _is(table: Any, vault: bytes, import_id: bytes) -> tuple[Any, Any]:
    return table.c.vault_id == vault, table.c.import_id == import_id
