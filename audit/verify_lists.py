"""How the verifier holds the log's lists to its entries, each read once and in its own order: people read by the lists.

Two heaps of rows are the same if their sums are: over all rows f(key) · g(number), modulo 2^64 in two halves, where f
and g are AES under keys that nobody knew when the database was written. If one row is in one heap only, the difference
of the sums is a polynomial of unknown random numbers, zero by a chance of less than 2^-100. A run of numbers costs
one f. That a list is also in order, so that whoever searches it finds what it holds, is seen in passing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

Marks = npt.NDArray[np.uint64]  # two halves a row
Keys = npt.NDArray[np.uint8]  # 16 bytes a row
Numbers = npt.NDArray[np.int64]

_KEY, _NUMBER = 16, 8  # bytes


@dataclass(frozen=True, slots=True)
class List:
    """A table of keys of 16 bytes and entries' numbers; ``order`` is its primary key, the beginning of ``columns``."""

    table: str
    columns: tuple[str, ...]
    order: tuple[str, ...]


NAMES = List("log_names", ("name", "first", "numbers"), ("name", "first"))  # runs of numbers of 8 bytes each
IDS = List("log_ids", ("entry_id", "seq"), ("entry_id",))
HEADS = List("log_heads", ("vault", "version", "seq"), ("vault", "version"))
LISTS = (NAMES, IDS, HEADS)


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a snapshot goes: entries before ``size`` are in the tree, before ``listed`` in the lists but heads'."""

    size: int
    listed: int

    def of(self, kind: List) -> int:
        """Return before which entry one list ends."""
        return self.size if kind == HEADS else self.listed


@dataclass(slots=True)
class Total:
    """The sum over some rows, in any order."""

    rows: int = 0
    low: int = 0
    high: int = 0
    fault: str = ""  # why there is none

    def add(self, other: "Total") -> None:
        """Add more rows."""
        self.rows += other.rows
        self.low = (self.low + other.low) & 0xFFFFFFFFFFFFFFFF
        self.high = (self.high + other.high) & 0xFFFFFFFFFFFFFFFF


class Rows(NamedTuple):
    """Some rows of a list: keys, where the numbers of each begin, versions (0 in most lists) and entries' numbers."""

    keys: Keys
    starts: Numbers
    versions: Numbers
    seqs: Numbers

    def total(self, key: bytes, *, before: int) -> Total:
        """Return the sum over those whose entry comes before one."""
        marks = marks_of_numbers(self.seqs, self.versions, key=key)
        is_seen = self.seqs < before
        marks[~is_seen] = 0
        found = total(marks_of_keys(self.keys, key=key), np.add.reduceat(marks, self.starts, axis=0))
        found.rows = int(is_seen.sum())
        return found


def marks_of_keys(keys: Keys, *, key: bytes) -> Marks:
    """Return f of each key; the check's own ``key`` is 32 bytes."""
    return _encrypted(keys.tobytes(), key[:_KEY])


def marks_of_numbers(seqs: Numbers, versions: Numbers, *, key: bytes) -> Marks:
    """Return g of each number and version."""
    return _encrypted(np.stack([versions, seqs], axis=1).tobytes(), key[_KEY:])


def _encrypted(blocks: bytes, key: bytes) -> Marks:
    encrypt = Cipher(AES(key), ECB()).encryptor().update  # noqa: S305 one block a row, as a random function of it
    return np.frombuffer(encrypt(blocks), np.uint64).reshape(-1, 2).copy()


def total(keys: Marks, numbers: Marks) -> Total:
    """Return the sum over rows."""
    low, high = (keys * numbers).sum(axis=0, dtype=np.uint64)
    return Total(len(keys), int(low), int(high))


def read(kind: List, rows: Sequence[tuple[Any, ...]], *, before: int) -> Rows:
    """Return some rows of a list.

    Raises:
        ValueError, TypeError, OverflowError: they are not what can be in one, or out of order.
    """
    keys, *columns = zip(*rows, strict=True)
    if set(map(len, keys)) != {_KEY}:
        raise ValueError("a key of another size")
    found, starts = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _KEY), np.arange(len(keys))
    runs = columns.pop() if kind == NAMES else None
    if {kind_of for column in columns for kind_of in map(type, column)} != {int}:
        raise ValueError("a number that is none")
    numbers = [np.array(column, np.int64) for column in columns]
    seqs = numbers[-1]
    _check_order(found, *numbers[: len(kind.order) - 1])
    if runs is not None:
        counts = np.array([len(run) // _NUMBER for run in runs])
        seqs, starts = np.frombuffer(b"".join(runs), ">i8").astype(np.int64), np.cumsum(counts) - counts
        if not counts.all() or counts.sum() != len(seqs):
            raise ValueError("a run that is none")
        if (seqs[starts] != numbers[0]).any():
            raise ValueError("a run that begins elsewhere")
        _check_runs(found, starts, seqs)
    if min(seqs.min(), *(column.min() for column in numbers)) < 0:
        raise ValueError("a number below zero")
    if (seqs >= before).any():
        raise ValueError("an entry that is not there, or not yet listed")
    versions = numbers[0] if kind == HEADS else np.zeros_like(seqs)
    return Rows(found, starts, versions, seqs)


def _check_order(keys: Keys, *numbers: Numbers) -> None:
    """Hold each row of a primary key to the one before."""
    columns = [keys, *(number.astype(">i8").view(np.uint8).reshape(-1, _NUMBER) for number in numbers)]
    rows = np.concatenate(columns, axis=1)
    column = rows.view(f"S{rows.shape[1]}")[:, 0]
    if not (column[:-1] < column[1:]).all():
        raise ValueError("out of order")


def _check_runs(names: Keys, starts: Numbers, seqs: Numbers) -> None:
    """Hold each number to the one before, unless another name begins."""
    may_fall = np.zeros(len(seqs), bool)
    may_fall[starts[1:]] = (names[1:] != names[:-1]).any(axis=1)
    if not ((seqs[1:] > seqs[:-1]) | may_fall[1:]).all():
        raise ValueError("out of order")
