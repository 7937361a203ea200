"""What an import has read and not yet sealed, by shelf, so that rows in any order become few and large segments.

A shelf is sealed once it fills a segment. When all that waits grows beyond :data:`MOST`, the heaviest shelves are
sealed as they are: memory is bounded whatever the file's size.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from policies.vocabulary import Category
from vault import naming
from vault.columns import Columns, join
from vault.naming import DrawerName
from vault.segment import FULL

#: A shelf: its drawer's name, and its month (or its part of the rejected rows).
Key = tuple[DrawerName, str]
#: So many bytes wait at most, and so many on one shelf.
MOST = 24 << 20
HEAVY = 8 << 20
_ROW, _STRING = 80, 50
_CATEGORIES = tuple(Category)
_MONTHS = 100_000  # more than there are


class Waiting:
    """Rows with their fingerprints, by shelf."""

    def __init__(self) -> None:
        self._parts: dict[Key, list[Columns]] = {}
        self._rows: dict[Key, int] = {}
        self._weight: dict[Key, int] = {}

    def sort_in(self, columns: Columns) -> None:
        """Put rows on the shelves of their categories and months."""
        for key, rows in _by_shelf(columns):
            self.put(key, rows)

    def put(self, key: Key, rows: Columns) -> None:
        """Put rows on one shelf."""
        if rows.strings:  # else it would keep those of its neighbours in memory too
            rows = rows.compact()
        self._parts.setdefault(key, []).append(rows)
        self._rows[key] = self._rows.get(key, 0) + len(rows)
        self._weight[key] = self._weight.get(key, 0) + _weight(rows)

    def take(self, key: Key) -> Columns:
        """Take all rows off a shelf."""
        del self._rows[key], self._weight[key]
        return join(self._parts.pop(key))

    def ripe(self) -> Sequence[Key]:
        """Return the shelves to be sealed now."""
        full = [key for key, rows in self._rows.items() if rows >= FULL or self._weight[key] >= HEAVY]
        left = sum(self._weight.values()) - sum(self._weight[key] for key in full)
        if left < MOST:
            return full
        rest = sorted(self._weight.keys() - set(full), key=lambda key: self._weight[key])
        while left > MOST // 2:
            full.append(rest.pop())
            left -= self._weight[full[-1]]
        return full

    def all(self) -> Sequence[Key]:
        """Return every shelf on which something waits."""
        return list(self._rows)


def _by_shelf(columns: Columns) -> Iterator[tuple[Key, Columns]]:
    category = np.array([_CATEGORIES.index(shape.category) for shape in columns.shapes], dtype=np.int64)
    shelf = category[columns.shape] * _MONTHS + naming.month_numbers(columns.start)
    order = np.argsort(shelf, kind="stable")
    numbers, first = np.unique(shelf[order], return_index=True)
    for number, rows in zip(numbers.tolist(), np.split(order, first[1:]), strict=True):
        yield (_CATEGORIES[number // _MONTHS], naming.month_named(number % _MONTHS)), columns.take(rows)


def _weight(rows: Columns) -> int:
    return _ROW * len(rows) + sum(len(text) + _STRING for text in rows.strings)
