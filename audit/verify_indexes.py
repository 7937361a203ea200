"""How the verifier holds an index to its table, each read once and in its own order: people read by the indexes.

Two heaps of rows are the same if the sums of their rows' keyed hashes are: AES-CBC-MAC over rows of one width, under
a key that nobody knew when the database was written, added modulo 2^64 in two halves. That an index is also in
order, so that whoever searches it finds what it holds, is seen in passing. (SQLite's own check looks every row up in
every index, which takes longer than all the rest, and cannot be shared among processors.)
"""

import struct
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

_PLACES = 10 ** np.arange(14, -1, -1)


@dataclass(frozen=True, slots=True)
class Index:
    """Its name, and by their place among the columns what it is made of, the entry's number last."""

    name: str
    places: tuple[int, ...]
    is_of_heads: bool  # only of entries that state a head


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


def pack(column: Sequence[Any]) -> bytes:
    """Return a column's values side by side.

    Raises:
        TypeError, ValueError, struct.error: they are neither all whole numbers nor all byte strings of one length.
    """
    if type(column[0]) is int:
        return struct.pack(f">{len(column)}q", *column)
    if len(set(map(len, column))) != 1:
        raise ValueError("not of one length")
    return b"".join(column)


def table_of(columns: Sequence[bytes], rows: int) -> Table:
    """Return packed columns, of 8 or 16 bytes each, as rows of whole blocks."""
    found = [np.frombuffer(column, np.uint64).reshape(rows, -1) for column in columns]
    width = sum(column.shape[1] for column in found)
    found.append(np.zeros((rows, width % 2), np.uint64))
    return np.concatenate(found, axis=1)


def total(table: Table, key: bytes) -> Total:
    """Return the sum over rows."""
    encrypt = Cipher(AES(key), ECB()).encryptor().update  # noqa: S305 one block of each row at a time: CBC across
    state = np.zeros((len(table), 2), np.uint64)
    for start in range(0, table.shape[1], 2):
        mixed = state ^ table[:, start : start + 2]
        state = np.frombuffer(encrypt(mixed.tobytes()), np.uint64).reshape(-1, 2)
    low, high = state.sum(axis=0, dtype=np.uint64)
    return Total(len(table), int(low), int(high))


def numbers_of(digits: bytes, rows: int, columns: int) -> list[Numbers]:
    """Return the columns of rows of numbers, each written as 10^15 more.

    Raises:
        ValueError: it is something else.
    """
    table = np.frombuffer(digits, np.uint8).reshape(rows, columns, 16) - ord("0")
    if (table[:, :, 0] != 1).any() or (table > 9).any():  # noqa: PLR2004 a digit
        raise ValueError("not what can be in an entry")
    return list((table[:, :, 1:].astype(np.int64) @ _PLACES).T)


def packed(column: Numbers) -> bytes:
    """Return numbers as :func:`pack` does."""
    return column.astype(">i8").tobytes()


def ascends(column: npt.NDArray[Any], after: Any) -> bool:
    """Tell whether each value is greater than the one before."""
    return bool(column[0] > after and (column[:-1] < column[1:]).all())
