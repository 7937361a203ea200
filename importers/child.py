"""The import child: bytes from outside are parsed here, in a process that can open nothing of the vault.

It reads a :class:`~importers.wire.Task` from standard input, then parses, fingerprints, sorts into shelves
(drawer and month), leaves out what is there already, seals what is new to public halves, and writes sealed
segments to standard output. Rejected rows go sealed into the intake drawer, the first of them on a shelf of
their own: a file of a million bad rows is stored whole, and its owner is shown some hundred.

Memory: what waits is bounded (:mod:`importers.waiting`), and of what went by only fingerprints are kept.
"""

import json
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from importers import apple_health, detect, fhir
from importers.candidates import Candidate, FormatError, Item, Reason, Rejection
from importers.detect import Format
from importers.upload import open_upload
from importers.waiting import Key, Waiting
from importers.wire import (
    BrokenPipeToChildError,
    Claim,
    Done,
    Need,
    Progress,
    Sealed,
    Shelf,
    Task,
    from_parent,
    send,
)
from keys.envelope import moment
from keys.keystore import VaultKeys
from keys.primitives import KeysError, PublicKey
from policies.vocabulary import Category
from vault import marks, naming, segment
from vault.columns import NOTHING, Builder, Columns, Marks, Shape, Units, read_marks, write_marks
from vault.errors import MalformedRecordError
from vault.naming import INTAKE_DRAWER
from vault.record import Author, AuthorKind, Code, Origin, Provenance
from vault.segment import Lock, Place

#: So many rows, or so much text, are fingerprinted and sorted together.
ROWS = 8192
TEXT = 4 << 20
#: So many of an import's rejected rows are shown, and stand on a shelf of their own.
SHOWN = 200
#: So many shelves are asked for at once.
AT_ONCE = 120
MEMORY = 2 << 30
CPU_SECONDS = 3600
_TELL_EVERY = 1.0


@dataclass(slots=True)
class _Shelf:
    """Where to seal to, what stood there already, and what of it this import itself brought in an earlier try."""

    place: Place
    seen: Marks
    own: Marks


class Child:
    """One import."""

    def __init__(self, task: Task, inward: BinaryIO, outward: BinaryIO) -> None:
        self._task, self._in, self._out = task, inward, outward
        self._keys = VaultKeys(task.vault, blind=task.blind, rules=b"", intake=task.intake)
        self._waiting = Waiting()
        self._shelves: dict[Key, _Shelf] = {}
        self._locks: dict[tuple[bytes, int], Lock] = {}
        self._single, self._text = Builder(), 0
        self._report, self._report_shape = Builder(), self._shape_of_report()
        self._progress = Progress("", 0, 0, 0, 0, 0)
        self._told = 0.0

    def run(self) -> None:
        """Read it all, then say that it is done."""
        error = ""
        try:
            with Path(self._task.path).open("rb") as file:
                stream = open_upload(file, self._task.upload, self._task.upload_key)
                for item in self._items(stream):
                    self._take(item)
                    self._tell(stream)
        except FormatError as refused:
            error = f"{refused.sv} / {refused}"
        self._sort_single()
        self._sort_report()
        self._seal(self._waiting.all())
        send(self._out, self._progress)
        send(self._out, Done(error))

    def _items(self, stream: BinaryIO) -> Iterator[Item]:
        start = stream.read(detect.SNIFF) or b""
        stream.seek(0)
        found = detect.detect(start, self._task.filename)
        self._progress.format = found
        match found:
            case Format.APPLE_HEALTH:
                return apple_health.read(stream, provenance=self._provenance(Origin.APPLE_HEALTH))
            case Format.FHIR:
                return fhir.read_file(stream, provenance=self._provenance(Origin.FHIR_FILE))
            case Format.NDJSON:
                return fhir.read_lines(stream, provenance=self._provenance(Origin.FHIR_FILE))

    def _provenance(self, origin: Origin) -> Provenance:
        kind, who, name, organisation = self._task.author
        return Provenance(
            Author(AuthorKind(kind), who, name, organisation),
            origin,
            moment(self._task.received_us),
            on_behalf_of=self._task.on_behalf_of,
            import_id=self._task.import_id.hex(),
        )

    def _tell(self, stream: BinaryIO) -> None:
        now = time.monotonic()
        if now - self._told > _TELL_EVERY:
            self._told = now
            self._progress.position = max(self._progress.position, stream.tell())
            send(self._out, self._progress)

    # --- what was read

    def _take(self, item: Item) -> None:
        match item:
            case Columns():
                self._progress.read += len(item)
                self._sort(item)
            case Candidate():
                self._progress.read += 1
                self._take_single(item)
            case Rejection():
                self._progress.read += 1
                self._reject(item)

    def _take_single(self, item: Candidate) -> None:
        try:
            self._single.add(item.record)
        except MalformedRecordError:
            self._reject(Rejection.of(item.where, Reason.DOES_NOT_FIT))
            return
        self._text += len(item.record.resource) + len(item.record.text)
        if len(self._single) >= ROWS or self._text >= TEXT:
            self._sort_single()

    def _sort_single(self) -> None:
        single, self._single, self._text = self._single, Builder(), 0
        self._sort(single.columns())

    def _sort(self, columns: Columns) -> None:
        if not len(columns):
            return
        self._waiting.sort_in(marks.marked(columns, self._keys.intake))
        self._seal(self._waiting.ripe())

    def _reject(self, item: Rejection) -> None:
        self._progress.rejected += 1
        where = json.dumps([item.where, item.reason_sv], ensure_ascii=False)
        shape = self._report.shape(self._report_shape)
        self._report.row(shape, self._task.received_us, (NOTHING, NOTHING), text=item.reason, resource=where)
        if len(self._report) >= ROWS:
            self._sort_report()

    def _shape_of_report(self) -> Shape:
        return Shape(
            category=Category.DOCUMENT,
            kind="OperationOutcome",
            code=Code("urn:halsovalvet:import", "rejected"),
            status="final",
            units=Units("", None, same=False),
            parts=(),
            provenance=self._provenance(Origin.FHIR_FILE),
        )

    def _sort_report(self) -> None:
        """Number the rejected rows, and shelve them: those that are shown, and the rest."""
        report, self._report = self._report.columns(), Builder()
        last = self._progress.rejected
        numbered = report.marked(np.arange(last - len(report) + 1, last + 1, dtype=np.uint64))
        shown, shelf = numbered.fingerprint <= SHOWN, self._task.import_id.hex()
        for month, rows in ((shelf, shown), (f"{shelf}+", ~shown)):
            if rows.any():
                self._waiting.put((INTAKE_DRAWER, month), numbered.take(rows))
        self._seal(self._waiting.ripe())

    # --- sealing

    def _seal(self, keys: Sequence[Key]) -> None:
        self._ask([key for key in keys if key not in self._shelves])
        for key in keys:
            self._seal_shelf(key, self._shelves[key])

    def _ask(self, keys: Sequence[Key]) -> None:
        for name, of_drawer in groupby(sorted(keys), key=lambda key: key[0]):
            months = [month for _, month in of_drawer]
            for at in range(0, len(months), AT_ONCE):
                self._ask_some(name, months[at : at + AT_ONCE])

    def _ask_some(self, name: str, months: list[str]) -> None:
        send(self._out, Need(str(name), months))
        told = from_parent(self._in)
        if not isinstance(told, Shelf):
            raise BrokenPipeToChildError("the parent answered something else")
        lock = self._lock(told)
        for month, theirs, own in zip(months, told.theirs, told.own, strict=True):
            place = Place(lock, naming.month_tag(self._keys, name, month))
            self._shelves[name, month] = _Shelf(place, read_marks(theirs), read_marks(own))

    def _lock(self, told: Shelf) -> Lock:
        """Return the lock of all that this import seals to one generation of a drawer."""
        lock = self._locks.get((told.drawer, told.generation))
        if lock is None:
            vault, public = self._task.vault, PublicKey(told.public)
            lock = Lock.to(public, vault=vault, drawer=told.drawer, generation=told.generation)
            self._locks[told.drawer, told.generation] = lock
        return lock

    def _seal_shelf(self, key: Key, shelf: _Shelf) -> None:
        rows = self._waiting.take(key)
        found = rows.fingerprint
        seen, at = np.unique(found, return_index=True)  # of several that are alike, the first stays
        first = np.zeros(len(rows), dtype=bool)
        first[at] = True
        there, mine = _among(found, shelf.seen), _among(found, shelf.own)
        shelf.seen = np.union1d(shelf.seen, seen) if len(shelf.seen) else seen
        if key[0] != INTAKE_DRAWER:
            self._progress.stored += int((first & ~there).sum())
            self._progress.duplicates += int((~first | there).sum())
            self._claim(key, found[there])
        fresh = rows.take(first & ~there & ~mine).in_time_order()
        written = datetime.now(UTC)
        place = [(shelf.place, len(fresh))]
        for row in segment.seal_all(fresh, place, import_id=self._task.import_id, written=written):
            send(self._out, Sealed(str(key[0]), row))

    def _claim(self, key: Key, claimed: Marks) -> None:
        if len(claimed):
            send(self._out, Claim(str(key[0]), key[1], write_marks(np.unique(claimed))))


def _among(found: Marks, known: Marks) -> npt.NDArray[np.bool_]:
    return np.isin(found, known) if len(known) else np.zeros(len(found), dtype=bool)


def main() -> None:
    """Run one import between standard input and standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    inward, outward = cast("BinaryIO", sys.stdin.buffer), cast("BinaryIO", sys.stdout.buffer)
    task = from_parent(inward)
    if not isinstance(task, Task):
        raise SystemExit(2)
    try:
        Child(task, inward, outward).run()
    except KeysError:
        send(outward, Done("filen är skadad / the upload is damaged"))
    except Exception as error:  # noqa: BLE001 whatever it is, its text may quote the file
        raise SystemExit(_fault(error)) from None


def _fault(error: Exception) -> str:
    """Say what kind of error it was and where, and nothing of what stood there."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"import child: {type(error).__name__} in {frame.name}, {Path(frame.filename).name}:{frame.lineno}"


if __name__ == "__main__":
    main()
