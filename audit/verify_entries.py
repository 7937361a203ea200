"""The verifier's walk over one block of entries: rows as hashes, as a tree, as vaults' running numbers.

A block is 2^14 numbers in a row, a complete subtree, so that blocks can be walked apart, in any process;
audit/verify.py joins them. What is right or wrong in the whole only (a first entry's place, time, number)
comes back in the :class:`Part`.

Entries are taken by the hundred: one question to all of them at once, and only where the answer is wrong are they
asked one by one.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.verify_findings import Fault, Findings
from audit.verify_lists import (
    HEADS,
    IDS,
    LISTS,
    NAMES,
    Extent,
    Marks,
    Numbers,
    Total,
    marks_of_keys,
    marks_of_numbers,
    total,
)
from audit.verify_source import SEQ as _SEQ
from audit.verify_source import Row, Source

SIZE = 1 << 14
#: Nodes are stored at the levels that are multiples of this.
STRIDE = 8

OpenBody = Callable[[bytes, int, bytes], bytes | None]  # entry id, microseconds, sealed -> salt and body
Peak = tuple[int, bytes]  # level and root of a complete subtree

_LEAF_SIZE, _HASH_SIZE, _VERSION = 185, 32, 1
# where the fields of a leaf stand
_ID, _VAULT, _N, _PROVIDER, _AUTHORITY = (
    slice(1, 17),
    slice(17, 33),
    slice(33, 41),
    slice(41, 57),
    slice(57, 73),
)
_AT, _COMMITMENT, _DIGEST = slice(73, 81), slice(81, 113), slice(113, 145)
_HEAD_VERSION, _HEAD_DIGEST = slice(145, 153), slice(153, 185)
_MALFORMED = sha256(b"\x00").digest()  # in the place of a leaf that is none
_SEALED_BEGUN = sha256(b"halsovalvet/v1/audit-sealed\0")
_COMMITMENT_LABEL = b"halsovalvet/v1/audit-commitment\0"
_LOWEST = -(1 << 63)

_Leaves = npt.NDArray[np.uint8]  # a row for each leaf's data


@dataclass(frozen=True, slots=True)
class Block:
    """Entries with a number from ``least`` to ``last``, which should begin at ``start``.

    The first block takes in what stands before 0, the last what stands after its end.
    """

    start: int
    least: int
    last: int


def blocks(signed: int, last: int | None) -> list[Block]:
    """Return the blocks of a log whose signed size is this: together every entry once, wherever it stands.

    ``last`` is the highest number there is. Whoever writes the database may have chosen it, so that it makes no more
    blocks than were signed for.
    """
    if last is None:
        return []
    starts = range(0, max(1, min(signed, last + 1)), SIZE)
    ends = [*(start - 1 for start in starts[1:]), last][: len(starts)]
    return [Block(start, start or _LOWEST, end) for start, end in zip(starts, ends, strict=True)]


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of every block, and where; whoever has it can open what it is asked about."""

    log: Path | str
    snapshot: str
    seen: Extent
    signed_sizes: tuple[int, ...] = ()  # of the tree, ascending: its roots there are wanted
    kept_since: int | None = None  # microseconds: older bodies may be gone
    key: bytes = b""  # of the sums over lists


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
    totals: list[Total] = field(default_factory=list)  # of each list, as the entries have it
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
        self._leaves: list[_Leaves] = []  # well-formed ones, and their numbers
        self._seqs: list[int] = []
        self._first_n: dict[bytes, tuple[int, int]] = {}
        self._last_n: dict[bytes, int] = {}

    def take(self, rows: list[Row]) -> None:
        """Take the next entries in."""
        leaves = self._hold(rows)
        if leaves is None:
            leaves = list(chain.from_iterable(map(self._hold_single, rows)))
        before = self._part.grown
        self._order(tuple(row[_SEQ] for row in rows))
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
        """Sum the well-formed rows up, as each list should have them."""
        if not self._seqs:
            return [Total() for _ in LISTS]
        key = self._task.key
        leaves, seqs = np.concatenate(self._leaves), np.array(self._seqs)
        versions = _numbers(leaves, _HEAD_VERSION)
        stating = versions > 0
        marks = marks_of_numbers(seqs[stating], versions[stating], key=key)
        heads = total(marks_of_keys(leaves[stating, _VAULT], key=key), marks)
        leaves, seqs = leaves[seqs < self._task.seen.listed], seqs[seqs < self._task.seen.listed]
        marks = marks_of_numbers(seqs, np.zeros_like(seqs), key=key)
        ids = total(marks_of_keys(leaves[:, _ID], key=key), marks)
        totals = {NAMES: _names(leaves, marks, key), IDS: ids, HEADS: heads}
        return [totals[kind] for kind in LISTS]

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
        held = self._hold([row])
        if held is not None:
            return held
        self._part.add(f"entry {row[_SEQ]}", Fault.MALFORMED_ROW)
        self._part.is_well_formed = False
        return [_MALFORMED]

    def _hold(self, rows: Sequence[Row]) -> list[bytes] | None:
        """Hold rows to their leaf data; return their leaf hashes, or None if one of the rows is malformed."""
        data, stored, sealed, seqs = zip(*rows, strict=True)
        if not (_are_of(data, _LEAF_SIZE) and _are_of(stored, _HASH_SIZE)):
            return None
        leaves = _table(data)
        numbers, times, versions = (_numbers(leaves, place) for place in (_N, _AT, _HEAD_VERSION))
        if (leaves[:, 0] != _VERSION).any() or min(numbers.min(), times.min(), versions.min()) < 0:
            return None
        hashes = [sha256(b"\x00" + leaf).digest() for leaf in data]
        if tuple(hashes) != stored:
            for mine, theirs, seq in zip(hashes, stored, seqs, strict=True):
                if mine != theirs:
                    self._part.add(f"entry {seq}", Fault.CHANGED_ROW)
        self._times(times, seqs)
        self._bodies(leaves, sealed, rows)
        self._running(data, numbers.tolist(), seqs)
        if versions.any():
            self._heads(data, versions.tolist(), seqs)
        self._leaves.append(leaves)
        self._seqs += seqs
        return hashes

    def _times(self, times: Numbers, seqs: tuple[int, ...]) -> None:
        part = self._part
        if part.first_us is None:
            part.first_us = int(times[0])
        if times[0] < part.last_us or (times[1:] < times[:-1]).any():
            for at_us, seq in zip(times.tolist(), seqs, strict=True):
                if at_us < part.last_us:
                    part.add(f"entry {seq}", Fault.TIME_BACK)
                part.last_us = max(part.last_us, at_us)
        part.last_us = max(part.last_us, int(times[-1]))

    def _bodies(self, leaves: _Leaves, sealed: tuple[Any, ...], rows: Sequence[Row]) -> None:
        try:
            digests = b"".join(map(_digest_of_sealed, sealed))
        except TypeError:  # one that is gone, or is no bytes
            digests = b""
        if digests != leaves[:, _DIGEST].tobytes() or self._open_body is not None:
            for row in rows:
                self._body(f"entry {row[_SEQ]}", *row[:_SEQ])

    def _body(self, where: str, leaf: bytes, _hash: bytes, sealed: Any) -> None:
        part, at_us = self._part, int.from_bytes(leaf[_AT])
        if sealed is None:
            if self._task.kept_since is not None and at_us < self._task.kept_since:
                part.gone += 1
            else:
                part.add(where, Fault.NO_BODY)
            return
        if type(sealed) is not bytes or _digest_of_sealed(sealed) != leaf[_DIGEST]:
            part.add(where, Fault.CHANGED_BODY)
            return
        plain = None if self._open_body is None else self._open_body(leaf[_ID], at_us, sealed)
        if plain is None:
            return
        part.opened += 1
        commitment = sha256(_COMMITMENT_LABEL + plain).digest()
        if commitment != leaf[_COMMITMENT] or not _states_head(plain, leaf):
            part.add(where, Fault.WRONG_BODY)

    # --- vaults

    def _running(self, leaves: tuple[bytes, ...], numbers: list[int], seqs: tuple[int, ...]) -> None:
        last_n = self._last_n
        for leaf, n, seq in zip(leaves, numbers, seqs, strict=True):
            vault = leaf[_VAULT]
            last = last_n.get(vault)
            if last is None:
                self._first_n[vault] = n, seq
            elif n != last + 1:
                self._part.add(f"entry {seq}", Fault.VAULT_GAP, f"{n}, where {last + 1} was expected")
            last_n[vault] = n

    def _heads(self, leaves: tuple[bytes, ...], versions: list[int], seqs: tuple[int, ...]) -> None:
        heads = self._part.heads
        for leaf, version, seq in zip(leaves, versions, seqs, strict=True):
            if not version:
                continue
            vault = leaf[_VAULT]
            first, where, last, _ = heads.get(vault, (version, seq, 0, b""))
            if version <= last:
                self._part.add(f"entry {seq}", Fault.HEAD_BACK)
            else:
                heads[vault] = first, where, version, leaf[_HEAD_DIGEST]

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


def _digest_of_sealed(sealed: bytes) -> bytes:
    begun = _SEALED_BEGUN.copy()  # a fifth faster than to begin anew
    begun.update(sealed)
    return begun.digest()


def _are_of(column: tuple[Any, ...], size: int) -> bool:
    return set(map(type, column)) == {bytes} and set(map(len, column)) == {size}


def _table(leaves: Sequence[bytes]) -> _Leaves:
    return np.frombuffer(b"".join(leaves), np.uint8).reshape(-1, _LEAF_SIZE)


def _numbers(leaves: _Leaves, place: slice) -> Numbers:
    return np.frombuffer(leaves[:, place].tobytes(), ">i8").astype(np.int64)


def _names(leaves: _Leaves, marks: Marks, key: bytes) -> Total:
    """Sum up whom entries concern: each vault, also none, and other organisations than none, once."""
    vaults, providers, authorities = (leaves[:, place] for place in (_VAULT, _PROVIDER, _AUTHORITY))
    is_new = providers.any(axis=1) & (providers != vaults).any(axis=1)
    is_other = (
        authorities.any(axis=1) & (authorities != vaults).any(axis=1) & (authorities != providers).any(axis=1)
    )
    found = total(marks_of_keys(vaults, key=key), marks)
    found.add(total(marks_of_keys(providers[is_new], key=key), marks[is_new]))
    found.add(total(marks_of_keys(authorities[is_other], key=key), marks[is_other]))
    return found


def _peaks(levels: list[list[bytes]], size: int) -> list[Peak]:
    """Return the complete subtrees of the first ``size`` leaves, largest first."""
    present = [level for level in reversed(range(len(levels))) if size >> level & 1]
    return [(level, levels[level][(size >> level) - 1]) for level in present]


def _states_head(plain: bytes, leaf: bytes) -> bool:
    """Tell whether the body states the leaf's head; a leaf without one may go with a body's older one."""
    version = int.from_bytes(leaf[_HEAD_VERSION])
    if version == 0:
        return True
    try:
        head = json.loads(plain[32:])["head"]
        return bool(head == {"version": version, "digest": base64.b64encode(leaf[_HEAD_DIGEST]).decode()})
    except (ValueError, KeyError, TypeError):
        return False
