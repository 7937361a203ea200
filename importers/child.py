"""The import child: bytes from outside are parsed here, in a process that can open nothing of the vault.

It reads a :class:`~importers.wire.Task` from standard input, then parses, fingerprints, sorts into shelves
(drawer and month), leaves out what is there already, seals what is new to public halves, and writes sealed
segments to standard output. Rejected rows go sealed into the intake drawer. Memory is bounded by
``PENDING`` units whatever the file's size.
"""

import json
import resource
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from importers import apple_health, detect, fhir
from importers.candidates import Candidate, FormatError, Reason, Rejection, excerpt
from importers.upload import open_upload
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
from keys.primitives import KeysError, PublicKey, fingerprint
from policies.vocabulary import Category
from vault import naming, segment
from vault.errors import MalformedRecordError
from vault.naming import INTAKE_DRAWER, DrawerName
from vault.record import Author, AuthorKind, Code, Origin, Provenance, Record
from vault.resource import canonical_content
from vault.segment import FULL, Place

#: What waits is counted in units of text: a measurement costs one, a whole resource one for each of its 2 KiB.
UNIT = 2048
PENDING = 20_000
HEAVY = 4096
MEMORY = 2 << 30
CPU_SECONDS = 3600
#: A date outside these years is a slip; at the calendar's very ends other time zones have no such moment.
YEARS = range(1800, 2201)
_TELL_EVERY = 0.3
Fingerprints = npt.NDArray[np.uint64]
Key = tuple[DrawerName, str]


class Child:
    """One import."""

    def __init__(self, task: Task, inward: BinaryIO, outward: BinaryIO) -> None:
        self._task, self._in, self._out = task, inward, outward
        self._keys = VaultKeys(task.vault, blind=task.blind, rules=b"", intake=task.intake)
        self._pending: dict[Key, list[Record]] = defaultdict(list)
        self._cost: dict[Key, int] = defaultdict(int)
        self._total = 0
        self._seen: dict[Key, Fingerprints] = {}
        self._own: dict[Key, Fingerprints] = {}
        self._places: dict[Key, Place] = {}
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
        while self._pending:  # flushing a shelf may reject a row, which then waits on another
            self._flush(next(iter(self._pending)))
        send(self._out, self._progress)
        send(self._out, Done(error))

    def _items(self, stream: BinaryIO) -> Iterator[Candidate | Rejection]:
        start = stream.read(4096) or b""
        stream.seek(0)
        found = detect.detect(start, self._task.filename)
        self._progress.format = found
        match found:
            case "apple-health":
                return apple_health.read(stream, provenance=self._provenance(Origin.APPLE_HEALTH))
            case _:
                return fhir.read(stream, provenance=self._provenance(Origin.FHIR_FILE))

    def _provenance(self, origin: Origin) -> Provenance:
        kind, who, name, organisation = self._task.author
        return Provenance(
            Author(AuthorKind(kind), who, name, organisation),
            origin,
            moment(self._task.received_us),
            on_behalf_of=self._task.on_behalf_of,
            import_id=self._task.import_id.hex(),
        )

    def _take(self, item: Candidate | Rejection) -> None:
        self._progress.read += 1
        match item:
            case Candidate(record, where) if record.start.year not in YEARS:
                self._reject(Rejection.of(where, Reason.BAD_DATE, excerpt(record.start.isoformat())))
            case Candidate(record):
                mark = fingerprint(self._keys.intake, canonical_content(record))
                self._put((record.category, record.month), replace(record, fingerprint=mark))
            case Rejection():
                self._reject(item)

    def _reject(self, item: Rejection) -> None:
        self._progress.rejected += 1
        report = Record(
            category=Category.DOCUMENT,
            kind="OperationOutcome",
            code=Code("urn:halsovalvet:import", "rejected"),
            start=moment(self._task.received_us),
            provenance=self._provenance(Origin.FHIR_FILE),
            text=item.reason,
            resource=json.dumps([item.where, item.reason_sv], ensure_ascii=False),
            fingerprint=self._progress.rejected,
        )
        self._put((INTAKE_DRAWER, self._task.import_id.hex()), report)

    def _put(self, key: Key, record: Record) -> None:
        cost = 1 + (len(record.resource) + len(record.text)) // UNIT
        self._pending[key].append(record)
        self._cost[key] += cost
        self._total += cost
        if len(self._pending[key]) >= FULL or self._cost[key] >= HEAVY:
            self._flush(key)
        elif self._total >= PENDING:
            self._flush(max(self._pending, key=lambda one: self._cost[one]))

    def _flush(self, key: Key) -> None:
        records = self._pending.pop(key)
        self._total -= self._cost.pop(key)
        place = self._places.get(key) or self._ask(key)
        marks = np.array([record.fingerprint for record in records], dtype=np.uint64)
        first = np.zeros(len(marks), dtype=bool)
        first[np.unique(marks, return_index=True)[1]] = True
        there, mine = np.isin(marks, self._seen[key]), np.isin(marks, self._own[key])
        fresh = first & ~there & ~mine
        self._seen[key] = np.union1d(self._seen[key], marks)
        self._own[key] = np.setdiff1d(self._own[key], marks)
        if key[0] != INTAKE_DRAWER:
            self._progress.stored += int((first & ~there).sum())
            self._progress.duplicates += int((~first | there).sum())
            self._claim(key, marks[there])
        kept = sorted((records[i] for i in np.flatnonzero(fresh)), key=lambda record: record.start)
        if kept:
            self._seal(key, place, kept)

    def _ask(self, key: Key) -> Place:
        send(self._out, Need(str(key[0]), key[1]))
        shelf = from_parent(self._in)
        if not isinstance(shelf, Shelf):
            raise BrokenPipeToChildError("the parent answered something else")
        self._seen[key] = np.frombuffer(shelf.theirs, dtype=">u8").astype(np.uint64)
        self._own[key] = np.frombuffer(shelf.own, dtype=">u8").astype(np.uint64)
        tag = naming.month_tag(self._keys, *key)
        place = Place(self._task.vault, shelf.drawer, tag, shelf.generation, PublicKey(shelf.public))
        self._places[key] = place
        return place

    def _claim(self, key: Key, marks: Fingerprints) -> None:
        if len(marks):
            send(self._out, Claim(str(key[0]), key[1], np.unique(marks).astype(">u8").tobytes()))

    def _seal(self, key: Key, place: Place, records: list[Record]) -> None:
        try:
            row = segment.seal(records, place, import_id=self._task.import_id, written=datetime.now(UTC))
        except MalformedRecordError:
            self._seal_singly(key, place, records)
            return
        send(self._out, Sealed(str(key[0]), row))

    def _seal_singly(self, key: Key, place: Place, records: list[Record]) -> None:
        """Find the one record that cannot be kept, list it, and keep the others."""
        half = len(records) // 2
        if half:
            self._seal(key, place, records[:half])
            self._seal(key, place, records[half:])
            return
        self._progress.stored -= 1
        moment_of = records[0].start.isoformat()
        self._reject(Rejection(moment_of, "the value does not fit", "värdet ryms inte"))

    def _tell(self, stream: BinaryIO) -> None:
        now = time.monotonic()
        if now - self._told > _TELL_EVERY:
            self._told = now
            self._progress.position = max(self._progress.position, stream.tell())
            send(self._out, self._progress)


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
