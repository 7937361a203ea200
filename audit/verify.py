"""The independent verifier: another program than the log, sharing nothing with it but docs/spec/audit-v1.md.

It needs the database file, the folder of checkpoints outside it and the log's public key; no KeyStore. It
trusts no index of the database, no stored hash and no signature but that key's, and reads one snapshot from
end to end in constant memory (but for the checkpoints). Steps, as numbered in :func:`verify`:

1. notes outside the database, read first, so that a log still growing is never behind them;
2. the file: no trigger or view, SQLite's own check of tables and indexes;
3. notes inside: kept checkpoints and the tip; every note's form, origin, key and signature;
4. every row in order: no gap, well-formed, its stored hash, its sealed body's digest, time never going back;
   the tree's root at every checkpoint; every stored node; with ``open_body`` each body by its commitment;
5. every vault: its running number without a gap, its heads growing, and with ``heads`` the newest one.
"""

import base64
import binascii
import hashlib
import json
import sqlite3
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MOST_FINDINGS = 1000

OpenBody = Callable[[bytes, int, bytes], bytes | None]  # entry id, microseconds, sealed -> salt and body
FindHead = Callable[[bytes], tuple[int, bytes] | None]  # vault pseudonym -> version and digest as stored now

_LEAF = struct.Struct(">B16s16sQ16s16sQ32s32sQ32s")
_SIZES = {0: 16, 1: 16, 3: 16, 4: 16, 6: 32, 7: 32, 9: 32}  # of the byte strings in a leaf, by place
_ROWS = """
SELECT entry_id, vault, n, provider, authority, at_us, commitment, sealed_digest, head_version, head_digest,
       leaf_hash, sealed, seq
FROM log_entries NOT INDEXED ORDER BY seq
"""
_TABLES = {"log_entries", "log_nodes", "log_tip", "log_checkpoints"}


class Fault(StrEnum):
    """What can be wrong with a log, in a sentence each."""

    UNREADABLE = "the database cannot be read to its end"
    FOREIGN_CODE = "the database holds a trigger or a view, or lacks a table"
    INCONSISTENT_FILE = "SQLite's own check finds the file inconsistent"
    NO_OUTSIDE = "no valid checkpoint outside the database: nothing shows that the log was not rolled back"
    MALFORMED_NOTE = "not a checkpoint"
    OTHER_ORIGIN = "a checkpoint of another log"
    UNKNOWN_KEY = "a checkpoint signed by an unknown key"
    BAD_SIGNATURE = "a checkpoint whose signature does not hold"
    MISPLACED = "a checkpoint kept under another size than its own"
    BEHIND = "the log has fewer entries than a signed checkpoint: it was truncated or rolled back"
    OTHER_ROOT = "the entries are not those that were signed: changed, moved, added or removed"
    GAP = "entries are missing: the sequence has a gap"
    MALFORMED_ROW = "a column has not the form of the specification"
    CHANGED_ROW = "the entry's columns do not hash to its stored leaf hash"
    CHANGED_BODY = "the sealed body is not the one that was logged"
    NO_BODY = "the sealed body is gone before its time"
    WRONG_BODY = "the opened body does not match its commitment, or states another head"
    TIME_BACK = "time goes backwards"
    NODE = "a stored node of the tree is wrong, missing or superfluous"
    TIP = "the stored tip is not the tree's edge"
    VAULT_GAP = "an entry of this vault is missing or out of order: its running number has a gap"
    HEAD_BACK = "the vault's head goes backwards, or two heads have one version"
    VAULT_BEHIND = "the vault's stored head is older than the log, or another of the same version"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, where it is, and what more can be said."""

    where: str
    fault: Fault
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.fault}" + (f" ({self.detail})" if self.detail else "")


@dataclass(slots=True)
class Report:
    """What was verified, and every finding (the first thousand; ``more`` counts the rest)."""

    entries: int = 0
    root: bytes = b""
    checkpoints: int = 0  # notes whose signature holds
    anchored: int = 0  # entries covered by the newest checkpoint outside the database
    opened: int = 0  # bodies held against their commitment
    gone: int = 0  # bodies gone in their time
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was found."""
        return not self.findings

    def add(self, where: str, fault: Fault, detail: str = "") -> None:
        """Note a finding."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(where, fault, detail))
        else:
            self.more += 1


@dataclass(frozen=True, slots=True)
class _Note:
    where: str
    is_outside: bool
    size: int
    root: bytes


class _BadNoteError(Exception):
    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(fault)
        self.fault, self.detail = fault, detail


def verify(
    log_db_path: Path,
    *,
    checkpoint_dir: Path,
    log_public: bytes,
    origin: str | None = None,
    open_body: OpenBody | None = None,
    heads: FindHead | None = None,
    bodies_kept_since: datetime | None = None,
) -> Report:
    """Verify a log; see the module's docstring for the steps.

    ``origin`` is the log's name, by default that of its first checkpoint. A body may be gone only where the
    entry is older than ``bodies_kept_since``.
    """
    report = Report()
    judge = _Judge(log_public, origin)
    outside = [
        note for where, text in _outside(checkpoint_dir) if (note := judge.read(report, where, text))
    ]  # 1
    if not outside:
        report.add("outside", Fault.NO_OUTSIDE)
    kept_since = None if bodies_kept_since is None else int(bodies_kept_since.timestamp() * 1_000_000)
    connection = sqlite3.connect(f"{log_db_path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("BEGIN")
        _check_file(connection, report)  # 2
        notes = outside + list(_inside(connection, judge, report))  # 3
        report.checkpoints = len(notes)
        _Walk(connection, report, notes, open_body, kept_since).run()  # 4
        _check_vaults(connection, report, heads)  # 5
    except sqlite3.Error as error:
        report.add("database", Fault.UNREADABLE, type(error).__name__)
    finally:
        connection.close()
    return report


# --- 1, 3: notes


def _outside(folder: Path) -> Iterator[tuple[str, str]]:
    names = sorted(path.name for path in folder.glob("checkpoint.*")) if folder.is_dir() else []
    for name in [*names, "latest"]:
        try:
            yield f"outside/{name}", (folder / name).read_text()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            yield f"outside/{name}", ""


def _inside(connection: sqlite3.Connection, judge: "_Judge", report: Report) -> Iterator[_Note]:
    for size, text in connection.execute("SELECT size, note FROM log_checkpoints NOT INDEXED ORDER BY size"):
        note = judge.read(report, f"checkpoint {size}", text)
        if note is not None and note.size != size:
            report.add(note.where, Fault.MISPLACED)
        if note is not None:
            yield note
    for size, text in connection.execute("SELECT size, note FROM log_tip"):
        note = judge.read(report, "tip", text)
        if note is not None and note.size != size:
            report.add(note.where, Fault.MISPLACED)
        if note is not None:
            yield note


class _Judge:
    """Reads signed notes with one key and one origin in mind."""

    def __init__(self, public: bytes, origin: str | None) -> None:
        self._raw = public
        self._key = Ed25519PublicKey.from_public_bytes(public)
        self._origin = origin

    def read(self, report: Report, where: str, text: Any) -> _Note | None:
        """Return the note if it counts; else note why not."""
        try:
            size, root = self._judge(text)
        except _BadNoteError as bad:
            report.add(where, bad.fault, bad.detail)
            return None
        name, _, number = where.rpartition("checkpoint.")
        if name and number != f"{size:012d}":
            report.add(where, Fault.MISPLACED)
        return _Note(where, where.startswith("outside/"), size, root)

    def _judge(self, text: Any) -> tuple[int, bytes]:
        if not isinstance(text, str) or "\n\n" not in text or not text.endswith("\n"):
            raise _BadNoteError(Fault.MALFORMED_NOTE)
        signed, _, tail = text.rpartition("\n\n")
        origin, size, root = self._tree_head(signed.split("\n"))
        if self._origin not in (None, origin):
            raise _BadNoteError(Fault.OTHER_ORIGIN)
        self._check_signatures(origin, f"{signed}\n".encode(), tail.splitlines())
        self._origin = origin
        return size, root

    @staticmethod
    def _tree_head(lines: list[str]) -> tuple[str, int, bytes]:
        if len(lines) < 3 or not all(lines) or not lines[1].isdecimal() or not lines[1].isascii():  # noqa: PLR2004
            raise _BadNoteError(Fault.MALFORMED_NOTE)
        root = _base64(lines[2])
        if len(root) != 32 or str(int(lines[1])) != lines[1]:  # noqa: PLR2004 SHA-256
            raise _BadNoteError(Fault.MALFORMED_NOTE)
        return lines[0], int(lines[1]), root

    def _check_signatures(self, origin: str, signed: bytes, lines: list[str]) -> None:
        identity = hashlib.sha256(origin.encode() + b"\n\x01" + self._raw).digest()[:4]
        found = False
        for line in lines:
            dash, name, encoded = [*line.split(" "), "", ""][:3]
            if dash != "\u2014" or not name:
                raise _BadNoteError(Fault.MALFORMED_NOTE)
            raw = _base64(encoded)
            if name != origin or raw[:4] != identity:
                continue  # another's signature, as a witness's
            try:
                self._key.verify(raw[4:], signed)
            except InvalidSignature:
                raise _BadNoteError(Fault.BAD_SIGNATURE) from None
            found = True
        if not found:
            raise _BadNoteError(Fault.UNKNOWN_KEY)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _BadNoteError(Fault.MALFORMED_NOTE) from None


# --- 2: the file


def _check_file(connection: sqlite3.Connection, report: Report) -> None:
    kinds: dict[str, str] = dict(connection.execute("SELECT name, type FROM sqlite_master"))
    tables = {name for name, kind in kinds.items() if kind == "table"}
    if not (tables >= _TABLES and set(kinds.values()) <= {"table", "index"}):
        report.add("database", Fault.FOREIGN_CODE)
    for (text,) in connection.execute("PRAGMA integrity_check(10)"):
        if text != "ok":
            report.add("database", Fault.INCONSISTENT_FILE, str(text))


# --- 4: rows and tree


class _Walk:
    """Rebuilds the tree from the rows and holds every note and stored node against it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        report: Report,
        notes: list[_Note],
        open_body: OpenBody | None,
        kept_since: int | None,
    ) -> None:
        self._connection = connection
        self._report = report
        self._open_body = open_body
        self._kept_since = kept_since
        self._peaks: list[tuple[int, bytes]] = []  # (level, hash), largest first
        self._size = 0
        self._nodes = 0
        self._expected_seq = 0
        self._last_us = 0
        self._agreed = 0
        self._disagreed = 0
        self._notes: dict[int, list[_Note]] = {}
        for note in notes:
            self._notes.setdefault(note.size, []).append(note)

    def run(self) -> None:
        """Walk from the first row to the last."""
        self._hold_notes()
        for *row, seq in self._connection.execute(_ROWS):
            self._row(seq, row)
            self._hold_notes()
        self._report.entries, self._report.root = self._size, self._root()
        self._check_end()

    def _row(self, seq: int, row: list[Any]) -> None:
        where, report = f"entry {seq}", self._report
        if seq != self._expected_seq:
            report.add(where, Fault.GAP, f"{self._expected_seq} was expected")
        self._expected_seq = seq + 1
        *leaf, stored_hash, sealed = row
        data = _leaf_data(leaf)
        if data is None:
            report.add(where, Fault.MALFORMED_ROW)
            self._push(hashlib.sha256(b"\x00").digest())
            return
        leaf_hash = hashlib.sha256(b"\x00" + data).digest()
        if leaf_hash != stored_hash:
            report.add(where, Fault.CHANGED_ROW)
        if leaf[5] < self._last_us:
            report.add(where, Fault.TIME_BACK)
        self._last_us = max(self._last_us, leaf[5])
        self._body(where, leaf, sealed)
        self._push(leaf_hash)

    def _body(self, where: str, leaf: list[Any], sealed: Any) -> None:
        entry_id, at_us, commitment, digest, head_version, head_digest = (leaf[i] for i in (0, 5, 6, 7, 8, 9))
        if sealed is None:
            if self._kept_since is not None and at_us < self._kept_since:
                self._report.gone += 1
            else:
                self._report.add(where, Fault.NO_BODY)
            return
        if not isinstance(sealed, bytes) or _labelled("sealed", sealed) != digest:
            self._report.add(where, Fault.CHANGED_BODY)
            return
        plain = None if self._open_body is None else self._open_body(entry_id, at_us, sealed)
        if plain is None:
            return
        self._report.opened += 1
        if _labelled("commitment", plain) != commitment or not _states_head(plain, head_version, head_digest):
            self._report.add(where, Fault.WRONG_BODY)

    def _push(self, node: bytes) -> None:
        level, index = 0, self._size
        self._size += 1
        while self._peaks and self._peaks[-1][0] == level:
            node = hashlib.sha256(b"\x01" + self._peaks.pop()[1] + node).digest()
            level, index = level + 1, index >> 1
            if level % 8 == 0:
                self._check_node(level, index, node)
        self._peaks.append((level, node))

    def _check_node(self, level: int, index: int, node: bytes) -> None:
        self._nodes += 1
        query = "SELECT hash FROM log_nodes WHERE level = ? AND idx = ?"
        if self._connection.execute(query, (level, index)).fetchall() != [(node,)]:
            self._report.add(f"node {level}/{index}", Fault.NODE)

    def _root(self) -> bytes:
        if not self._peaks:
            return hashlib.sha256(b"").digest()
        root = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            root = hashlib.sha256(b"\x01" + peak + root).digest()
        return root

    def _hold_notes(self) -> None:
        notes = self._notes.pop(self._size, None)
        if notes is None:
            return
        root = self._root()
        for note in notes:
            if note.root == root:
                self._agreed = self._size
                if note.is_outside:
                    self._report.anchored = self._size
                continue
            self._disagreed += 1
            if self._disagreed == 1:
                detail = f"among the first {self._size}; the first {self._agreed} agree with a checkpoint"
                self._report.add(note.where, Fault.OTHER_ROOT, detail)

    def _check_end(self) -> None:
        report = self._report
        if self._disagreed > 1:
            report.add("checkpoints", Fault.OTHER_ROOT, f"{self._disagreed} checkpoints disagree in all")
        if self._notes:
            newest = self._notes[max(self._notes)][0]
            report.add(newest.where, Fault.BEHIND, f"{newest.size} signed, {self._size} there")
        edge = b"".join(node for _, node in self._peaks)
        if self._connection.execute("SELECT one, size, peaks FROM log_tip").fetchall() != [
            (1, self._size, edge)
        ]:
            report.add("tip", Fault.TIP)
        (nodes,) = self._connection.execute("SELECT count(*) FROM log_nodes NOT INDEXED").fetchone()
        if nodes != self._nodes:
            report.add("nodes", Fault.NODE, f"{nodes} stored, {self._nodes} complete")


def _leaf_data(leaf: list[Any]) -> bytes | None:
    """Return the 185 bytes of version 1, None where a column has another type or size."""
    for place, value in enumerate(leaf):
        size = _SIZES.get(place)
        if not (type(value) is int if size is None else type(value) is bytes and len(value) == size):
            return None
    try:
        return _LEAF.pack(1, *leaf)
    except struct.error:
        return None


def _labelled(label: str, content: bytes) -> bytes:
    return hashlib.sha256(b"halsovalvet/v1/audit-" + label.encode() + b"\0" + content).digest()


def _states_head(plain: bytes, version: int, digest: bytes) -> bool:
    """Tell whether the body states the leaf's head; a leaf without one may go with a body's older one."""
    if version == 0:
        return True
    try:
        head = json.loads(plain[32:])["head"]
        return bool(head == {"version": version, "digest": digest.hex()})
    except (ValueError, KeyError, TypeError):
        return False


# --- 5: vaults


def _check_vaults(connection: sqlite3.Connection, report: Report, heads: FindHead | None) -> None:
    """Go through the entries vault by vault; sorted anew, since an index may have been made to hide a row."""
    query = "SELECT vault, n, seq, head_version, head_digest FROM log_entries NOT INDEXED ORDER BY vault, seq"
    current, expected, head = None, 1, (0, b"")
    for vault, n, seq, version, digest in connection.execute(query):
        if vault != current:
            _hold_head(report, current, head, heads)
            current, expected, head = vault, 1, (0, b"")
        if n != expected:
            report.add(f"entry {seq}", Fault.VAULT_GAP, f"{n}, where {expected} was expected")
        expected = n + 1 if isinstance(n, int) else expected + 1
        if not isinstance(version, int) or 0 < version <= head[0]:
            report.add(f"entry {seq}", Fault.HEAD_BACK)
        elif version > 0:
            head = (version, digest)
    _hold_head(report, current, head, heads)


def _hold_head(report: Report, vault: Any, head: tuple[int, bytes], heads: FindHead | None) -> None:
    """Hold a stored head to the log's; a newer one is of a crash before its outcome, and its MAC vouches."""
    if heads is None or not isinstance(vault, bytes) or head[0] == 0:
        return
    stored = heads(vault)
    if stored is not None and (stored[0] < head[0] or (stored[0] == head[0] and stored[1] != head[1])):
        report.add(f"vault {vault.hex()}", Fault.VAULT_BEHIND, f"{stored[0]} stored, {head[0]} logged")
