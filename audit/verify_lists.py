"""How the verifier holds the log's lists to its entries, each read once and in its own order: people read by the lists.

Two heaps of rows are the same if the sums of their rows' keyed hashes are: AES-CBC-MAC over rows of one width, under
a key that nobody knew when the database was written, added modulo 2^64 in two halves. That a list is also in order, so
that whoever searches it finds what it holds, is seen in passing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

Table = npt.NDArray[np.uint64]
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


def table_of(keys: npt.NDArray[Any], *numbers: npt.NDArray[Any]) -> Table:
    """Return rows of a key of 16 bytes, as bytes, and numbers, as rows of whole blocks."""
    rows = len(keys)
    columns = [np.ascontiguousarray(keys).view(np.uint64)]
    columns += [number.astype(">i8").view(np.uint64).reshape(rows, 1) for number in numbers]
    columns.append(np.zeros((rows, len(numbers) % 2), np.uint64))
    return np.concatenate(columns, axis=1)


def total(table: Table, key: bytes) -> Total:
    """Return the sum over rows."""
    encrypt = Cipher(AES(key), ECB()).encryptor().update  # noqa: S305 one block of each row at a time: CBC across
    state = np.zeros((len(table), 2), np.uint64)
    for start in range(0, table.shape[1], 2):
        mixed = state ^ table[:, start : start + 2]
        state = np.frombuffer(encrypt(mixed.tobytes()), np.uint64).reshape(-1, 2)
    low, high = state.sum(axis=0, dtype=np.uint64)
    return Total(len(table), int(low), int(high))


def read(kind: List, rows: Sequence[tuple[Any, ...]], *, before: int) -> tuple[Table, Numbers]:
    """Return some rows of a list as those of :func:`table_of`, and the entries' numbers in them.

    Raises:
        ValueError, TypeError, OverflowError: they are not what can be in one, or out of order.
    """
    keys, *columns = zip(*rows, strict=True)
    if set(map(len, keys)) != {_KEY}:
        raise ValueError("a key of another size")
    found = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _KEY)
    if kind == NAMES:
        counts = np.array([len(run) // _NUMBER for run in columns[1]])
        numbers = [np.frombuffer(b"".join(columns[1]), ">i8").astype(np.int64)]
        if not counts.all() or counts.sum() != len(numbers[0]) or set(map(type, columns[0])) != {int}:
            raise ValueError("a run that is none")
        if (numbers[0][np.cumsum(counts) - counts] != np.array(columns[0])).any():
            raise ValueError("a run that begins elsewhere")
        found = np.repeat(found, counts, axis=0)
    else:
        if {kind_of for column in columns for kind_of in map(type, column)} != {int}:
            raise ValueError("a number that is none")
        numbers = [np.array(column, np.int64) for column in columns]
    if min(column.min() for column in numbers) < 0:
        raise ValueError("a number below zero")
    if (numbers[-1] >= before).any():
        raise ValueError("an entry that is not there, or not yet listed")
    table = table_of(found, *numbers)
    unique = table.view(np.uint8)[:, : _KEY + _NUMBER * (len(kind.order) - 1)]
    if not ascends(np.ascontiguousarray(unique).view(f"S{unique.shape[1]}")[:, 0]):
        raise ValueError("out of order")
    return table, numbers[-1]


def ascends(column: npt.NDArray[Any]) -> bool:
    """Tell whether each value is greater than the one before."""
    return bool((column[:-1] < column[1:]).all())
