"""The independent verifier: another program than the log, sharing nothing with it but docs/spec/audit-v1.md.

It needs the database, the folder of checkpoints outside it and the log's public key; no KeyStore. It
trusts no index of the database, no stored hash and no signature but that key's, and reads one snapshot from
end to end. Memory grows with the vaults and the checkpoints (some hundred bytes each), not with the entries;
a large log is read by as many processes as the machine has processors. Steps, as numbered in :func:`verify`:

1. notes outside the database, read first, so that a log still growing is never behind them; witnesses' words on them;
2. the database: no trigger or view; beside all else, its lists against its entries, its indexes against its tables;
3. notes inside: kept checkpoints and the tip; every note's form, origin, key and signature;
4. every row in order: no gap, well-formed, its stored hash, its sealed body's digest, time never going back;
   the tree's root at every checkpoint; every stored node; with ``open_body`` each body by its commitment;
5. every vault: its running number without a gap, its heads growing, and with ``heads`` the newest one.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit.verify_entries import STRIDE, Block, OpenBody, Part, Peak, Task, blocks, node, walk
from audit.verify_findings import Fault, Finding, Findings, Report
from audit.verify_lists import LISTS, Total
from audit.verify_notes import Judge, Note, outside
from audit.verify_processes import look_apart
from audit.verify_source import Source, UnreadableError, opened
from audit.verify_witness import WitnessKeyError, cosigned, hold_alarms

__all__ = ["Fault", "FindHead", "Finding", "Report", "WitnessKeyError", "verify"]

FindHead = Callable[[bytes], tuple[int, bytes] | None]  # vault pseudonym -> version and digest as stored now
Progress = Callable[[int, int], None]  # entries verified, entries in all

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORTH_A_PROCESS = 2  # blocks


def verify(
    log: Path | str,
    *,
    checkpoint_dir: Path,
    log_public: bytes,
    origin: str | None = None,
    open_body: OpenBody | None = None,
    heads: FindHead | None = None,
    bodies_kept_since: datetime | None = None,
    witnesses: Sequence[str] = (),
    told: Progress = lambda _done, _count: None,
    processes: int | None = None,
) -> Report:
    """Verify a log, in a SQLite file (a path) or a PostgreSQL database (its address); see the module's docstring.

    ``origin`` is the log's name, by default that of its first checkpoint. A body may be gone only where the
    entry is older than ``bodies_kept_since``. Each of ``witnesses``, by its verifier key,
    must have cosigned a checkpoint. ``told`` hears how far it has come. ``processes`` is by default
    what the log's size is worth; with ``open_body`` all is done in this one.

    Raises:
        WitnessKeyError: a witness's key is none.
    """
    report = Report()
    judge = Judge(log_public, origin, report)
    hold_alarms(checkpoint_dir, report)  # 1
    words = [*cosigned(checkpoint_dir, witnesses, report), *outside(checkpoint_dir)]
    notes = [note for where, text in words if (note := judge.read(where, text))]
    if not notes:
        report.add("outside", Fault.NO_OUTSIDE)
    try:
        with opened(log) as source:
            source.check_code(report)  # 2
            notes += _inside(source, judge)  # 3
            report.checkpoints = len(notes)
            sizes = tuple(sorted({note.size for note in notes}))
            last = source.last()
            kept_since = _microseconds(bodies_kept_since)
            task = Task(log, source.snapshot(), source.extent(), sizes, kept_since, os.urandom(32))
            whole = _Whole(source, report, notes)
            with ThreadPoolExecutor(1) as aside:
                others, count = aside.submit(_check_indexes, log), aside.submit(_count, task)  # 2
                for found in _look(source, blocks(max(sizes, default=0), last), task, open_body, processes):
                    match found:
                        case Part():
                            whole.join(found)  # 4, 5
                            told(report.entries, (last or 0) + 1)
                        case Total():
                            whole.hold_list(found)  # 2
                whole.end(count.result(), heads)
                report.extend(others.result())
    except UnreadableError as error:
        report.add("database", Fault.UNREADABLE, str(error))
    return report


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // timedelta(microseconds=1)


def _check_indexes(log: Path | str) -> Findings:
    """Check the indexes over a connection of one's own, while the entries are read."""
    findings = Findings()
    with opened(log) as source:
        source.check_indexes(findings)
    return findings


def _count(task: Task) -> int | None:
    """Count the entries over a connection of one's own, while they are read."""
    with opened(task.log, task.snapshot) as source:
        return source.count()


def _inside(source: Source, judge: Judge) -> Iterator[Note]:
    for where, query in (
        ("checkpoint {}", "SELECT size, note FROM log_checkpoints ORDER BY size"),
        ("tip", "SELECT size, note FROM log_tip"),
    ):
        for size, text in source.all(query):
            note = judge.read(where.format(size), text, kept_under=size)
            if note is not None:
                yield note


def _look(
    source: Source, blocks: Sequence[Block], task: Task, open_body: OpenBody | None, processes: int | None
) -> Iterator[Part | Total]:
    """Walk the blocks, then read the lists."""
    if processes is None:
        processes = min(os.cpu_count() or 1, len(blocks) // _WORTH_A_PROCESS)
    if processes > 1 and open_body is None:
        yield from look_apart(blocks, task, processes=processes)
        return
    for block in blocks:
        yield walk(source, block, task, open_body)
    for kind in LISTS:
        yield source.total(kind, task.seen, task.key)


class _Whole:
    """Joins the blocks: sequence, time, tree and vaults across their borders."""

    def __init__(self, source: Source, report: Report, notes: list[Note]) -> None:
        self._source = source
        self._report = report
        self._totals = [Total() for _ in LISTS]
        self._lists = zip(LISTS, self._totals, strict=True)
        self._is_well_formed = True
        self._next = 0
        self._last_us = 0
        self._grows = True  # until the first gap: behind it nothing is what was signed
        self._size = 0
        self._peaks: list[Peak] = []
        self._nodes = 0
        self._agreed = 0
        self._disagreed = 0
        self._notes: dict[int, list[Note]] = {}
        for note in notes:
            self._notes.setdefault(note.size, []).append(note)
        self._numbers: dict[bytes, int] = {}
        self._heads: dict[bytes, tuple[int, bytes]] = {}
        self._hold_notes(0, [])

    def join(self, part: Part) -> None:
        """Take in the next block."""
        report = self._report
        if part.entries and part.first != self._next:
            report.add(f"entry {part.first}", Fault.GAP, f"{self._next} was expected")
            self._grows = False
        if part.first_us is not None and part.first_us < self._last_us:
            report.add(f"entry {part.first}", Fault.TIME_BACK)
        report.extend(part)
        self._next = part.last + 1 if part.entries else self._next
        self._last_us = max(self._last_us, part.last_us)
        if self._grows:
            self._grow(part)
        self._join_numbers(part)
        self._join_heads(part)
        self._is_well_formed = self._is_well_formed and part.is_well_formed
        for mine, more in zip(self._totals, part.totals, strict=True):
            mine.add(more)
        report.entries += part.entries
        report.opened += part.opened
        report.gone += part.gone

    def end(self, count: int | None, heads: FindHead | None) -> None:
        """Hold what is known of the whole to what is stored of it."""
        report, source = self._report, self._source
        report.root = _fold(self._peaks)
        if count not in (report.entries, None):
            report.add("database", Fault.INCONSISTENT_FILE, f"{count} entries, {report.entries} in order")
        self._hold_other_notes()
        edge = b"".join(peak for _, peak in self._peaks)
        if source.all("SELECT one, size, peaks FROM log_tip") != [(1, self._size, edge)]:
            report.add("tip", Fault.TIP)
        elif not 0 <= source.extent().listed <= self._size:
            report.add("tip", Fault.TIP, "more is listed than there is")
        ((stored,),) = source.all("SELECT count(*) FROM log_nodes")
        if self._grows and stored != self._nodes:
            report.add("nodes", Fault.NODE, f"{stored} stored, {self._nodes} complete")
        for vault, head in self._heads.items():
            _hold_head(report, vault, head, heads)
        report.waiting, oldest_us = source.waiting()
        if oldest_us is not None:
            report.waiting_since = _EPOCH + timedelta(microseconds=oldest_us)

    def hold_list(self, stored: Total) -> None:
        """Hold the next list to the entries; where one of these is malformed, none can be right."""
        kind, mine = next(self._lists)
        if mine == stored or not self._is_well_formed:
            return
        detail = stored.fault
        if not detail and mine.rows != stored.rows:
            detail = f"{stored.rows} rows, {mine.rows} by the entries"
        self._report.add(f"list {kind.table}", Fault.INCONSISTENT_FILE, detail)

    # --- tree

    def _grow(self, part: Part) -> None:
        for size in sorted(part.edges):
            self._hold_notes(size, part.edges[size])
        for level, peak in part.edges[self._size + part.grown]:
            self._push(level, peak)
        self._nodes += part.nodes
        self._grows = part.grown == part.entries

    def _push(self, level: int, peak: bytes) -> None:
        self._size += 1 << level
        while self._peaks and self._peaks[-1][0] == level:
            peak = node(self._peaks.pop()[1], peak)
            level += 1
            if level % STRIDE == 0:
                self._check_node(level, (self._size >> level) - 1, peak)
        self._peaks.append((level, peak))

    def _check_node(self, level: int, index: int, found: bytes) -> None:
        self._nodes += 1
        if self._source.nodes(level, index, index + 1).get(index) != found:
            self._report.add(f"node {level}/{index}", Fault.NODE)

    # --- notes

    def _hold_notes(self, size: int, edge: list[Peak]) -> None:
        notes = self._notes.pop(size, None)
        if notes is None:
            return
        root = _fold(self._peaks + edge)
        for note in notes:
            if note.root != root:
                self._disagree(note)
                continue
            self._agreed = size
            if note.is_outside:
                self._report.anchored = size

    def _hold_other_notes(self) -> None:
        """Hold those at a size that the tree never had: it ends before, at its end or at a gap."""
        report = self._report
        left = [note for size in sorted(self._notes) for note in self._notes[size]]
        for note in left:
            if note.size <= report.entries:
                self._disagree(note)
        if self._disagreed > 1:
            report.add("checkpoints", Fault.OTHER_ROOT, f"{self._disagreed} checkpoints disagree in all")
        if left and left[-1].size > report.entries:
            first = self._notes[left[-1].size][0]
            report.add(first.where, Fault.BEHIND, f"{first.size} signed, {report.entries} there")

    def _disagree(self, note: Note) -> None:
        self._disagreed += 1
        if self._disagreed == 1:
            detail = f"among the first {note.size}; the first {self._agreed} agree with a checkpoint"
            self._report.add(note.where, Fault.OTHER_ROOT, detail)

    # --- vaults

    def _join_numbers(self, part: Part) -> None:
        numbers = self._numbers
        for vault, (n, seq, last) in part.numbers.items():
            expected = numbers.get(vault, 0) + 1
            if n != expected:
                self._report.add(f"entry {seq}", Fault.VAULT_GAP, f"{n}, where {expected} was expected")
            numbers[vault] = last

    def _join_heads(self, part: Part) -> None:
        for vault, (version, seq, last, digest) in part.heads.items():
            if vault in self._heads and version <= self._heads[vault][0]:
                self._report.add(f"entry {seq}", Fault.HEAD_BACK)
            self._heads[vault] = last, digest


def _fold(peaks: list[Peak]) -> bytes:
    if not peaks:
        return hashlib.sha256(b"").digest()
    root = peaks[-1][1]
    for _, peak in reversed(peaks[:-1]):
        root = node(peak, root)
    return root


def _hold_head(report: Report, vault: bytes, head: tuple[int, bytes], heads: FindHead | None) -> None:
    """Hold a stored head to the log's; a newer one is of a crash before its outcome, and its MAC vouches."""
    stored = None if heads is None else heads(vault)
    if stored is not None and (stored[0] < head[0] or (stored[0] == head[0] and stored[1] != head[1])):
        report.add(f"vault {vault.hex()}", Fault.VAULT_BEHIND, f"{stored[0]} stored, {head[0]} logged")
