"""A witness of other installations' logs (C2SP tlog-witness): cosigns a checkpoint that only grew from the last one.

Invariants:
- of each known log one tree head is remembered, and it only grows: who has been shown a tree is never shown another;
- the new head is on disk before its cosignature is made, and the check of the old one and its replacement are one
  transaction, whichever thread or process asks;
- what a log signed and the witness refused is kept: it is the proof of what the log did.

It holds no key but its own, and opens no vault.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from audit import merkle
from audit.checkpoint import Checkpoint, CheckpointError, decode64, encode64, open_checkpoint, read_note
from audit.cosignature import cosign
from audit.database import Connection, Kept, SQLite
from keys.envelope import microseconds
from keys.primitives import Signer

MOST_BYTES = 64 * 1024  # of a request
_MOST_STEPS = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", flags=re.ASCII)
_MOST_REFUSED = 1000  # of one log

_TABLES = (
    """
CREATE TABLE IF NOT EXISTS witness_heads (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, at_us INTEGER NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS witness_refusals (
    origin TEXT NOT NULL, status INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, known INTEGER NOT NULL,
    note TEXT NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY (origin, status, size, root)
)
""",
)
_HEAD = "SELECT size, root FROM witness_heads WHERE origin = ?"
_PUT_HEAD = """
INSERT INTO witness_heads (origin, size, root, note, at_us) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (origin) DO UPDATE
SET size = excluded.size, root = excluded.root, note = excluded.note, at_us = excluded.at_us
"""
_ADD_REFUSAL = """
INSERT INTO witness_refusals (origin, status, size, root, known, note, at_us)
SELECT ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM witness_refusals WHERE origin = ?) < ?
ON CONFLICT DO NOTHING
"""
_REFUSALS = "SELECT origin, status, size, known, note FROM witness_refusals ORDER BY at_us"


class Status(IntEnum):
    """What a witness answers, in HTTP's words."""

    COSIGNED = 200
    MALFORMED = 400
    NOT_SIGNED = 403
    UNKNOWN_LOG = 404
    OTHER_SIZE = 409  # or, at the same size, another root
    NOT_GROWN = 422


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and its body; at OTHER_SIZE the size that the witness knows."""

    status: Status
    body: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: the size that the asker believes the witness to know, the proof from there, and the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def parse(cls, raw: bytes) -> "Asked":
        """Read a request's body.

        Raises:
            CheckpointError: it is none.
        """
        try:
            lines, blank, note = raw.decode().partition("\n\n")
        except UnicodeDecodeError:
            raise CheckpointError("not UTF-8") from None
        first, *steps = lines.split("\n")
        old = _OLD.fullmatch(first)
        if not blank or old is None or len(steps) > _MOST_STEPS:
            raise CheckpointError("not a request to add a checkpoint")
        proof = tuple(map(decode64, steps))
        if any(len(step) != merkle.HASH_SIZE for step in proof):
            raise CheckpointError("a step of the proof is no hash")
        return cls(int(old[1]), proof, note)

    def text(self) -> str:
        """Write what :meth:`parse` reads."""
        return "\n".join((f"old {self.old}", *map(encode64, self.proof), "", self.note))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A checkpoint that a log signed and the witness refused."""

    origin: str
    status: Status
    size: int
    known: int
    note: str


class Witness:
    """One witness: its key, the logs it knows, and what it remembers of them in a file."""

    def __init__(
        self,
        path: Path,
        signer: Signer,
        *,
        name: str,
        logs: Mapping[str, bytes],
        clock: Callable[[], datetime],
    ) -> None:
        self._signer, self._name, self._logs, self._clock = signer, name, dict(logs), clock
        self._alone = threading.Lock()  # several processes are kept apart by the file's own
        self._file = Kept(SQLite(path), on_failure=lambda: None)
        with self._file.lent() as connection:
            for table in _TABLES:
                connection.execute(table)

    def add_checkpoint(self, raw: bytes) -> Answer:
        """Judge a request in the order that tlog-witness gives.

        Raises:
            FAULTS: what is remembered cannot be read or written; nothing is cosigned.
        """
        try:
            asked = Asked.parse(raw)
            head, text, _ = read_note(asked.note)
        except CheckpointError:
            return Answer(Status.MALFORMED)
        public = self._logs.get(head.origin)
        if public is None:
            return Answer(Status.UNKNOWN_LOG)
        try:
            open_checkpoint(asked.note, origin=head.origin, public=public)
        except CheckpointError:
            return Answer(Status.NOT_SIGNED)
        if asked.old > head.size:
            return Answer(Status.MALFORMED)
        with self._alone, self._file.transaction() as connection:
            at = self._clock()
            refused = self._moved(connection, asked, head, at)
        return refused or Answer(Status.COSIGNED, cosign(text, self._signer, self._name, at=at))

    def refusals(self) -> list[Refusal]:
        """Return what was refused though its log signed it, oldest first."""
        with self._alone, self._file.lent() as connection:
            rows = connection.execute(_REFUSALS).fetchall()
        return [Refusal(origin, Status(status), *rest) for origin, status, *rest in rows]

    def close(self) -> None:
        """Give the file back."""
        with self._alone:
            self._file.close()

    def _moved(self, connection: Connection, asked: Asked, head: Checkpoint, at: datetime) -> Answer | None:
        """Remember the new head, or say why not; the caller holds the file."""
        row = connection.execute(_HEAD, (head.origin,)).fetchone()
        known, root = row or (0, merkle.EMPTY_ROOT)
        at_us = microseconds(at)
        status = _judged(asked, head, known, root)
        if status is Status.COSIGNED:
            connection.execute(_PUT_HEAD, (head.origin, head.size, head.root, asked.note, at_us))
            return None
        if head.size < known or status is Status.NOT_GROWN or (head.size == known and head.root != root):
            row = (head.origin, status, head.size, head.root, known, asked.note, at_us)
            connection.execute(_ADD_REFUSAL, (*row, head.origin, _MOST_REFUSED))
        return Answer(status, f"{known}\n" if status is Status.OTHER_SIZE else "")


def _judged(asked: Asked, head: Checkpoint, known: int, root: bytes) -> Status:
    if asked.old != known:
        return Status.OTHER_SIZE
    if head.size == known and head.root != root:
        return Status.OTHER_SIZE
    if known == 0 < head.size:  # every tree grows from the empty one, and there is nothing to prove
        return Status.NOT_GROWN if asked.proof else Status.COSIGNED
    try:
        merkle.check_consistency(known, head.size, root, head.root, asked.proof)
    except merkle.ProofError:
        return Status.NOT_GROWN
    return Status.COSIGNED
