"""The intake: claims an upload, lets the child parse it, and commits what the child sealed.

1. an import is claimed by a lease, so that one worker has it; 2. the child parses and seals without a KeyStore;
3. every batch is one transaction: segments, claims, counts, lease, the vault's new head; 4. the log's outcome
entry states that head. A worker that dies is followed by another after the lease, from the beginning: what is
already stored is known by its fingerprints, so nothing is stored twice and nothing is lost.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
from sqlalchemy import Connection, delete, insert, or_, select, update

from audit.errors import LogUnavailableError
from audit.events import Activity, Actor, Event, EventKind, HeadRef
from audit.log import AuditLog
from identity.principal import System
from importers import wire
from importers.tables import ImportClaimRow, ImportRow
from importers.wire import Claim, Done, Need, Progress, Sealed, Shelf, Task
from keys import envelope
from keys.envelope import Window, context, microseconds
from keys.keystore import KeyStore
from keys.primitives import PrivateKey
from policies.vocabulary import Category
from vault import naming, state
from vault.change import Change, StaleGenerationError
from vault.database import Database
from vault.errors import VaultError
from vault.naming import INTAKE_DRAWER, DrawerName
from vault.segment import Segment
from vault.state import Drawer, VaultState

_IMPORTS = ImportRow.__table__  # type: ignore[attr-defined]
_CLAIMS = ImportClaimRow.__table__  # type: ignore[attr-defined]
LEASE = timedelta(seconds=30)
BATCH = 64
MAX_ATTEMPTS = 5
_FAILED = "importen kunde inte slutföras / the import could not be completed"

#: Who may hold a key of a drawer at a moment: recipients and the window of each.
Wanted = Callable[[VaultState, DrawerName, datetime], Mapping[str, Window]]


class LostLeaseError(Exception):
    """The import was cancelled, or another worker has it."""


@dataclass(frozen=True, slots=True, repr=False)
class Upload:
    """What an import row seals: the one-time key, the file's own name, and on whose behalf it is read."""

    key: bytes
    filename: str
    entry: bytes
    author: tuple[str, str, str, str]
    on_behalf_of: str = ""


@dataclass(slots=True)
class _Batch:
    """What the child said since the last commit; and each shelf's digest when it was last looked at."""

    rows: dict[DrawerName, list[Segment]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    progress: Progress | None = None
    shelves: dict[tuple[DrawerName, bytes], bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows.values()) + len(self.claims)


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
    """End an import, whatever it is at: the worker loses its lease at its next commit. False if there is none."""
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
        wanted: Wanted,
        clock: Callable[[], datetime],
    ) -> None:
        self._database, self._keystore, self._log = database, keystore, log
        self._uploads, self._wanted, self._clock = uploads, wanted, clock

    def path(self, import_id: bytes) -> Path:
        """Return where an import's sealed upload lies."""
        return self._uploads / import_id.hex()

    def run_waiting(self) -> int:
        """Run every import that waits or whose worker died; return how many were run."""
        ran = 0
        while (claimed := self._database.write_now(self._claim)) is not None:
            self._run(claimed)
            ran += 1
        return ran

    # --- claiming

    def _claim(self, connection: Connection) -> ImportRow | None:
        """Take the import that has waited longest, of a vault where none is running.

        Two imports of one vault beside each other would each be told that nothing is there yet, and each store it.
        """
        now = microseconds(self._clock())
        leased = (_IMPORTS.c.state == "running") & (_IMPORTS.c.lease_until_us >= now)
        free = or_(_IMPORTS.c.state == "queued", (_IMPORTS.c.state == "running") & ~leased)
        calm = _IMPORTS.c.vault_id.not_in(select(_IMPORTS.c.vault_id).where(leased))
        query = select(_IMPORTS).where(free, calm).order_by(_IMPORTS.c.created_us)
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        lease = {
            "lease_owner": os.urandom(16),
            **self._lease(),
        }  # of this run: threads of one worker differ too
        changes = {"state": "running", "attempts": row["attempts"] + 1, **lease}
        connection.execute(
            update(_IMPORTS).where(*_is(_IMPORTS, row["vault_id"], row["import_id"])).values(changes)
        )
        return ImportRow(**{**row, **changes})

    def _lease(self) -> dict[str, Any]:
        now = self._clock()
        return {"lease_until_us": microseconds(now + LEASE), "updated_us": microseconds(now)}

    # --- running

    def _run(self, row: ImportRow) -> None:
        """Run one attempt; what ends it before its end is tried again, a few times, from the beginning."""
        try:
            if row.attempts > MAX_ATTEMPTS:
                self._end(row, "failed", _FAILED)
                return
            try:
                error = self._converse(row)
            except (wire.BrokenPipeToChildError, BrokenPipeError, VaultError):
                self._database.write_now(lambda connection: self._requeue(connection, row))
                return
            if not error:
                self._end(row, "rehearsed" if row.rehearse else "done", "")
            else:
                self._end(row, "failed", error)
        except LostLeaseError:
            return
        except LogUnavailableError:
            # The log is down, which is no fault of the file: wait for the lease to pass, and do not count it.
            self._database.write_now(
                lambda connection: self._update(connection, row, {"attempts": row.attempts - 1})
            )

    def _requeue(self, connection: Connection, row: ImportRow) -> None:
        self._update(connection, row, {"state": "queued"})

    def _converse(self, row: ImportRow) -> str:
        """Run the child to its end; return why the file was refused, or nothing.

        Raises:
            BrokenPipeToChildError: the child died, or said what it may not.
            VaultError: the vault moved on under it, or is not what it was.
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
        """Extend the lease while the child thinks (it may read long before its first record), or end it."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(LEASE.total_seconds() / 3):
                try:
                    self._database.write_now(lambda connection: self._update(connection, row, {}))
                except LostLeaseError:
                    child.kill()
                    return

        thread = threading.Thread(target=beat, name="import lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _listen(self, row: ImportRow, upload: Upload, child: "subprocess.Popen[bytes]") -> str:
        inward, outward = cast("Any", child.stdout), cast("Any", child.stdin)
        wire.send(outward, self._task(row, upload))
        batch = _Batch()
        while True:
            match wire.from_child(inward):
                case Need(name, month):
                    shelf, tag, digest = self._shelf(row, name, month)
                    batch.shelves[name, tag] = digest
                    wire.send(outward, shelf)
                case Sealed(name, sealed):
                    if sealed.import_id != row.import_id or (name, sealed.tag) not in batch.shelves:
                        raise wire.BrokenPipeToChildError("the import child sealed what it was not asked to")
                    batch.rows.setdefault(name, []).append(sealed)
                case Claim() as claim:
                    batch.claims.append(claim)
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

    def _shelf(self, row: ImportRow, name: str, month: str) -> tuple[Shelf, bytes, bytes]:
        """Return where to seal to, the shelf's tag, and the digest of what stands on it."""
        logged = self._log.latest_head(row.vault_id)
        drawer_name, at = _named(name), self._clock()
        if row.rehearse and drawer_name != INTAKE_DRAWER:
            return self._database.read_now(
                lambda connection: self._rehearse_shelf(connection, row, drawer_name, month, logged)
            )
        opened, head = self._database.write_now(
            lambda connection: self._open_shelf(connection, row, drawer_name, month, logged, at)
        )
        if head is not None:
            self._log_head(row, head)
        return opened

    def _open_shelf(
        self,
        connection: Connection,
        row: ImportRow,
        name: DrawerName,
        month: str,
        logged: HeadRef | None,
        at: datetime,
    ) -> tuple[tuple[Shelf, bytes, bytes], HeadRef | None]:
        change = Change(connection, self._keystore, row.vault_id, logged=logged, at=at)
        before = change.drawer(name)
        generation, public = change.generation_for(name, self._wanted(change.state, name, at))
        changed = before is None or before.current != generation
        found = change.drawer(name)
        assert found is not None  # noqa: S101 generation_for has just made it
        tag = naming.month_tag(change.state.keys, name, month)
        own, theirs = self._fingerprints(connection, change.state, found, tag, row)
        shelf = Shelf(found.id, generation, public.raw, theirs, own)
        return (shelf, tag, found.shelves.get(tag, b"")), change.finish() if changed else None

    def _rehearse_shelf(
        self, connection: Connection, row: ImportRow, name: DrawerName, month: str, logged: HeadRef | None
    ) -> tuple[Shelf, bytes, bytes]:
        """Do the same and change nothing: what is sealed in a rehearsal is thrown away, so any key will do."""
        loaded = state.load(connection, self._keystore, row.vault_id, logged=logged)
        found, tag = state.drawer(connection, loaded, name), naming.month_tag(loaded.keys, name, month)
        own = theirs = b""
        if found is not None:
            own, theirs = self._fingerprints(connection, loaded, found, tag, row)
        public = PrivateKey.generate().public().raw
        return Shelf(naming.drawer_id(loaded.keys, name), 1, public, theirs, own), tag, b""

    def _fingerprints(
        self, connection: Connection, vault_state: VaultState, found: Drawer, tag: bytes, row: ImportRow
    ) -> tuple[bytes, bytes]:
        """Return what stands on a shelf: this import's own, and all others'."""
        rows = state.segments(connection, vault_state, found, tags=[tag])
        own = b"".join(one.fingerprints for one in rows if one.import_id == row.import_id)
        theirs = b"".join(one.fingerprints for one in rows if one.import_id != row.import_id)
        return own, theirs

    # --- committing

    def _commit(self, row: ImportRow, batch: _Batch) -> None:
        logged = self._log.latest_head(row.vault_id)
        head = self._database.write_now(lambda connection: self._store(connection, row, batch, logged))
        if head is not None:
            self._log_head(row, head)
        batch.rows, batch.claims = {}, []

    def _store(
        self, connection: Connection, row: ImportRow, batch: _Batch, logged: HeadRef | None
    ) -> HeadRef | None:
        self._update(connection, row, self._counts(batch.progress))
        rows = {name: kept for name, kept in batch.rows.items() if not row.rehearse or name == INTAKE_DRAWER}
        if not rows and not batch.claims:
            return None
        change = Change(connection, self._keystore, row.vault_id, logged=logged, at=self._clock())
        if not row.rehearse:
            self._hold(connection, change, batch)
            for claim in batch.claims:
                self._keep_claim(connection, row, change.state, claim)
        for name, kept in rows.items():
            change.add(_named(name), kept)
            found = change.drawer(_named(name))
            if found is not None:
                batch.shelves |= {(name, one.tag): found.shelves[one.tag] for one in kept}
        return change.finish() if rows else None

    def _hold(self, connection: Connection, change: Change, batch: _Batch) -> None:
        """Hold what the child was told of each shelf to what stands there now.

        Raises:
            StaleGenerationError: somebody has since added what it brings, or removed what it found there.
        """
        brought: dict[tuple[DrawerName, bytes], set[int]] = {}
        claimed: dict[tuple[DrawerName, bytes], set[int]] = {}
        for name, rows in batch.rows.items():
            for one in rows:
                brought.setdefault((name, one.tag), set()).update(_marks(one.fingerprints))
        for claim in batch.claims:
            tag = naming.month_tag(change.state.keys, _named(claim.name), claim.month)
            claimed.setdefault((claim.name, tag), set()).update(_marks(claim.fingerprints))
        for name, tag in brought.keys() | claimed.keys():
            found = change.drawer(_named(name))
            if found is None or found.shelves.get(tag, b"") == batch.shelves.get((name, tag), b""):
                continue
            there = {
                mark
                for one in state.segments(connection, change.state, found, tags=[tag])
                for mark in _marks(one.fingerprints)
            }
            ours = brought.get((name, tag), set())
            if ours & there or not claimed.get((name, tag), set()) <= there | ours:
                raise StaleGenerationError("the shelf moved on")

    def _keep_claim(
        self, connection: Connection, row: ImportRow, vault_state: VaultState, claim: Claim
    ) -> None:
        name = _named(claim.name)
        at = {
            "vault_id": row.vault_id,
            "import_id": row.import_id,
            "drawer": naming.drawer_id(vault_state.keys, name),
            "tag": naming.month_tag(vault_state.keys, name, claim.month),
        }
        where = [_CLAIMS.c[column] == value for column, value in at.items()]
        old = connection.execute(select(_CLAIMS.c.fingerprints).where(*where)).scalar() or b""
        marks = np.unique(np.frombuffer(bytes(old) + claim.fingerprints, dtype=">u8")).tobytes()
        connection.execute(delete(_CLAIMS).where(*where))
        connection.execute(insert(_CLAIMS).values(**at, fingerprints=marks))

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

    def _update(self, connection: Connection, row: ImportRow, changes: Mapping[str, Any]) -> None:
        """Change the import while the lease is ours; extends it.

        Raises:
            LostLeaseError: it is not.
        """
        where = (*_is(_IMPORTS, row.vault_id, row.import_id), _IMPORTS.c.lease_owner == row.lease_owner)
        running = _IMPORTS.c.state == "running"
        done = connection.execute(
            update(_IMPORTS).where(*where, running).values({**self._lease(), **changes})
        )
        if done.rowcount != 1:
            raise LostLeaseError

    def _end(self, row: ImportRow, final: str, error: str) -> None:
        self._database.write_now(
            lambda connection: self._update(connection, row, {"state": final, "error": error})
        )
        self.path(row.import_id).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove uploads of ended imports, and those cut off as they came in (no import, a day old)."""
        query = select(_IMPORTS.c.import_id, _IMPORTS.c.state)
        states = self._database.read_now(
            lambda connection: {bytes(one).hex(): told for one, told in connection.execute(query)}
        )
        a_day_ago = (self._clock() - timedelta(days=1)).timestamp()
        for file in self._uploads.iterdir():
            waits = states.get(file.name) in {"queued", "running"}
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


def _named(name: str) -> DrawerName:
    """Return the drawer that the child means: a category's, or the intake drawer."""
    try:
        return name if name == INTAKE_DRAWER else Category(name)
    except ValueError:
        raise wire.BrokenPipeToChildError("the import child named an unknown drawer") from None


def _marks(fingerprints: bytes) -> list[int]:
    marks: list[int] = np.frombuffer(fingerprints, dtype=">u8").tolist()
    return marks


def _is(table: Any, vault: bytes, import_id: bytes) -> tuple[Any, Any]:
    return table.c.vault_id == vault, table.c.import_id == import_id
