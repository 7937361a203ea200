"""The verifier's walk over one block of entries: rows as hashes, as a tree, as vaults' running numbers.

A block is 2^14 numbers in a row, a complete subtree, so that blocks can be walked apart, in any process;
audit/verify.py joins them. What is right or wrong in the whole only (a first entry's place, time, number)
comes back in the :class:`Part`.

Entries are taken by the hundred, column by column: one question to all of them at once, and only where the
answer is wrong are they asked one by one.
"""

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np

from audit.verify_findings import Fault, Findings
from audit.verify_indexes import Index, Total, pack, table_of, total
from audit.verify_source import Row, Source

SIZE = 1 << 14
#: Nodes are stored at the levels that are multiples of this.
STRIDE = 8

OpenBody = Callable[[bytes, int, bytes], bytes | None]  # entry id, microseconds, sealed -> salt and body
Peak = tuple[int, bytes]  # level and root of a complete subtree

_LEAF = struct.Struct(">BB16s16sQ16s16sQ32s32sQ32s")  # 0 for a leaf, 1 for the version, then the ten fields
_FIELDS = 10
_SIZES = ((0, 16), (1, 16), (3, 16), (4, 16), (6, 32), (7, 32), (9, 32))  # of the byte strings, by column
_ID, _VAULT, _N, _AT, _COMMITMENT, _DIGEST, _VERSION, _HEAD, _LEAF_HASH, _SEALED, _SEQ = (
    0,
    1,
    2,
    *range(5, 13),
)
_MALFORMED = sha256(b"\x00").digest()  # in the place of a leaf that is none
_SEALED_LABEL, _COMMITMENT_LABEL = b"halsovalvet/v1/audit-sealed\0", b"halsovalvet/v1/audit-commitment\0"
_LOWEST = -(1 << 63)

_Columns = Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Block:
    """Entries with a number from ``least`` to ``last``, which should begin at ``start``.

    The first block takes in what stands before 0, the last what stands after its end.
    """

    start: int
    least: int
    last: int


def blocks(count: int, last: int) -> list[Block]:
    """Return the blocks of a log of so many entries: together every entry once, wherever it stands."""
    starts = range(0, count, SIZE)
    ends = [*(start - 1 for start in starts[1:]), last][: len(starts)]
    return [Block(start, start or _LOWEST, end) for start, end in zip(starts, ends, strict=True)]


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of every block, and where; whoever has it can open what it is asked about."""

    log: Path | str
    snapshot: str
    last: int  # the newest entry's number
    signed_sizes: tuple[int, ...] = ()  # of the tree, ascending: its roots there are wanted
    kept_since: int | None = None  # microseconds: older bodies may be gone
    indexes: tuple[Index, ...] = ()  # each to be summed up, under a key
    key: bytes = b""


@dataclass(slots=True)
class Part(Findings):
    """What one block's entries come to."""

    entries: int = 0
    first: int = 0
    last: int = -1
    first_us: int | None = None
    last_us: int = 0
    grown: int = 0  # how many of them continue the tree: up to the first gap
    edges: dict[int, list[Peak]] = field(default_factory=dict)  # the tree's peaks within, by its size there
    nodes: int = 0
    totals: list[Total] = field(default_factory=list)  # of each index, as the entries have it
    is_well_formed: bool = True
    opened: int = 0
    gone: int = 0
    numbers: dict[bytes, tuple[int, int, int]] = field(
        default_factory=dict
    )  # by vault: first n, its seq, last n
    #: By vault: the first head's version, its seq, the last one's version and digest.
    heads: dict[bytes, tuple[int, int, int, bytes]] = field(default_factory=dict)


def walk(source: Source, block: Block, task: Task, open_body: OpenBody | None = None) -> Part:
    """Walk one block."""
    walking = _Walk(block, task, open_body)
    for rows in source.entries(block.least, block.last):
        walking.take(rows)
    return walking.end(source)


def node(left: bytes, right: bytes) -> bytes:
    """Return an inner node's hash."""
    return sha256(b"\x01" + left + right).digest()


class _Walk:
    def __init__(self, block: Block, task: Task, open_body: OpenBody | None) -> None:
        self._start = block.start
        self._task = task
        self._open_body = open_body
        self._part = Part(last=block.start - 1)
        self._levels: list[list[bytes]] = [[]]  # the complete subtrees, from the leaves up
        self._grows = True
        places = {place for index in task.indexes for place in index.places}
        self._packed: dict[int, list[bytes]] = {place: [] for place in (*places, _VERSION, _SEQ)}
        self._first_n: dict[bytes, tuple[int, int]] = {}
        self._last_n: dict[bytes, int] = {}

    def take(self, rows: list[Row]) -> None:
        """Take the next entries in."""
        columns = tuple(zip(*rows, strict=True))
        data = _leaf_data(columns)
        if data is not None:
            leaves = self._hold(columns, data)
        else:
            leaves = list(chain.from_iterable(map(self._hold_single, rows)))
        before = self._part.grown
        self._order(columns[_SEQ])
        self._climb(leaves[: self._part.grown - before])

    def end(self, source: Source) -> Part:
        """Return what the entries came to."""
        part, levels = self._part, self._levels
        part.numbers = {vault: (*first, self._last_n[vault]) for vault, first in self._first_n.items()}
        end = self._start + part.grown
        for size in {end, *(size for size in self._task.signed_sizes if self._start < size < end)}:
            part.edges[size] = _peaks(levels, size - self._start)
        if len(levels) > STRIDE:
            self._hold_nodes(source, levels[STRIDE])
        part.totals = self._totals()
        return part

    def _totals(self) -> list[Total]:
        """Sum the well-formed rows up, as each index should have them."""
        columns = {place: b"".join(packed) for place, packed in self._packed.items()}
        rows = len(columns[_SEQ]) // 8
        if not rows:
            return [Total() for _ in self._task.indexes]
        heads = np.frombuffer(columns[_VERSION], ">i8") > 0
        totals = []
        for index in self._task.indexes:
            table = table_of([columns[place] for place in index.places], rows)
            totals.append(total(table[heads] if index.is_of_heads else table, self._task.key))
        return totals

    # --- rows

    def _order(self, seqs: tuple[Any, ...]) -> None:
        """Hold the numbers to one another; the first one is held to the block before by whoever joins them."""
        part = self._part
        if not part.entries:
            part.first = int(seqs[0])
            self._grows, part.last = part.first == self._start, part.first - 1
        if seqs != tuple(range(part.last + 1, part.last + 1 + len(seqs))):
            for seq in seqs:
                if seq != part.last + 1:
                    part.add(f"entry {seq}", Fault.GAP, f"{part.last + 1} was expected")
                    self._grows = False
                part.last = int(seq)
                part.grown += self._grows
        else:
            part.last = int(seqs[-1])
            part.grown += len(seqs) if self._grows else 0
        part.entries += len(seqs)

    def _hold_single(self, row: Row) -> list[bytes]:
        columns = tuple(zip(row, strict=True))
        data = _leaf_data(columns)
        if data is not None:
            return self._hold(columns, data)
        self._part.add(f"entry {row[_SEQ]}", Fault.MALFORMED_ROW)
        self._part.is_well_formed = False
        return [_MALFORMED]

    def _hold(self, columns: _Columns, data: Iterable[bytes]) -> list[bytes]:
        """Hold well-formed rows to their leaf data; return their leaf hashes."""
        seqs = columns[_SEQ]
        leaves = [sha256(leaf).digest() for leaf in data]
        if tuple(leaves) != columns[_LEAF_HASH]:
            for leaf, stored, seq in zip(leaves, columns[_LEAF_HASH], seqs, strict=True):
                if leaf != stored:
                    self._part.add(f"entry {seq}", Fault.CHANGED_ROW)
        self._times(columns[_AT], seqs)
        self._bodies(columns)
        self._numbers(columns[_VAULT], columns[_N], seqs)
        if any(columns[_VERSION]):
            self._heads(columns)
        for place, packed in self._packed.items():
            packed.append(pack(columns[place]))
        return leaves

    def _times(self, times: tuple[int, ...], seqs: tuple[int, ...]) -> None:
        part = self._part
        if part.first_us is None:
            part.first_us = times[0]
        if [part.last_us, *times] != sorted([part.last_us, *times]):
            for at_us, seq in zip(times, seqs, strict=True):
                if at_us < part.last_us:
                    part.add(f"entry {seq}", Fault.TIME_BACK)
                part.last_us = max(part.last_us, at_us)
        part.last_us = max(part.last_us, times[-1])

    def _bodies(self, columns: _Columns) -> None:
        try:
            digests = tuple([sha256(_SEALED_LABEL + sealed).digest() for sealed in columns[_SEALED]])
        except TypeError:  # one that is gone, or is no bytes
            digests = ()
        if digests != columns[_DIGEST] or self._open_body is not None:
            for row in zip(*columns, strict=True):
                self._body(f"entry {row[_SEQ]}", row)

    def _body(self, where: str, row: Row) -> None:
        part, sealed = self._part, row[_SEALED]
        if sealed is None:
            if self._task.kept_since is not None and row[_AT] < self._task.kept_since:
                part.gone += 1
            else:
                part.add(where, Fault.NO_BODY)
            return
        if type(sealed) is not bytes or sha256(_SEALED_LABEL + sealed).digest() != row[_DIGEST]:
            part.add(where, Fault.CHANGED_BODY)
            return
        plain = None if self._open_body is None else self._open_body(row[_ID], row[_AT], sealed)
        if plain is None:
            return
        part.opened += 1
        commitment = sha256(_COMMITMENT_LABEL + plain).digest()
        if commitment != row[_COMMITMENT] or not _states_head(plain, row[_VERSION], row[_HEAD]):
            part.add(where, Fault.WRONG_BODY)

    # --- vaults

    def _numbers(self, vaults: tuple[bytes, ...], numbers: tuple[int, ...], seqs: tuple[int, ...]) -> None:
        last_n = self._last_n
        for vault, n, seq in zip(vaults, numbers, seqs, strict=True):
            last = last_n.get(vault)
            if last is None:
                self._first_n[vault] = n, seq
            elif n != last + 1:
                self._part.add(f"entry {seq}", Fault.VAULT_GAP, f"{n}, where {last + 1} was expected")
            last_n[vault] = n

    def _heads(self, columns: _Columns) -> None:
        heads = self._part.heads
        for row in zip(*columns, strict=True):
            vault, version, seq = row[_VAULT], row[_VERSION], row[_SEQ]
            if not version:
                continue
            first, where, last, _ = heads.get(vault, (version, seq, 0, b""))
            if version <= last:
                self._part.add(f"entry {seq}", Fault.HEAD_BACK)
            else:
                heads[vault] = first, where, version, row[_HEAD]

    # --- tree

    def _climb(self, nodes: list[bytes]) -> None:
        """Put more leaves into the tree, while they are near."""
        for below, above in pairwise(self._levels):
            below.extend(nodes)
            pairs = iter(below[2 * len(above) :])
            nodes = [
                sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)
            ]
        self._levels[-1] += nodes
        while len(self._levels[-1]) > 1:
            pairs = iter(self._levels[-1])
            self._levels.append([node(left, right) for left, right in zip(pairs, pairs, strict=False)])

    def _hold_nodes(self, source: Source, nodes: list[bytes]) -> None:
        self._part.nodes = len(nodes)
        first = self._start >> STRIDE
        stored = source.nodes(STRIDE, first, first + len(nodes))
        for index, found in enumerate(nodes, first):
            if stored.get(index) != found:
                self._part.add(f"node {STRIDE}/{index}", Fault.NODE)


def _leaf_data(columns: _Columns) -> list[bytes] | None:
    """Return what the leaves' hashes cover, None where a column has another type or size."""
    try:
        if any(set(map(len, columns[place])) != {size} for place, size in _SIZES):
            return None
        return list(map(_LEAF.pack, repeat(0), repeat(1), *columns[:_FIELDS]))
    except (TypeError, struct.error):
        return None


def _peaks(levels: list[list[bytes]], size: int) -> list[Peak]:
    """Return the complete subtrees of the first ``size`` leaves, largest first."""
    present = [level for level in reversed(range(len(levels))) if size >> level & 1]
    return [(level, levels[level][(size >> level) - 1]) for level in present]


def _states_head(plain: bytes, version: int, digest: bytes) -> bool:
    """Tell whether the body states the leaf's head; a leaf without one may go with a body's older one."""
    if version == 0:
        return True
    try:
        head = json.loads(plain[32:])["head"]
        return bool(head == {"version": version, "digest": digest.hex()})
    except (ValueError, KeyError, TypeError):
        return False
