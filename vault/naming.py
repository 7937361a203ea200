"""The opaque names of drawers, shelves and recipients: keyed functions that the database cannot undo."""

from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from keys.envelope import context
from keys.keystore import VaultKeys
from keys.primitives import mac
from policies.vocabulary import Category

#: The drawer of rejected rows. It is not a category, so no rule can name it: only the owner has its key.
INTAKE_DRAWER = "import-report"
DrawerName = Category | str

#: How far back it is worth looking for the month of a shelf.
FIRST_YEAR = 1800


def drawer_id(keys: VaultKeys, name: DrawerName) -> bytes:
    """Return a drawer's 16-byte id."""
    return _named(keys.blind, "drawer", keys.vault, str(name))


def month_tag(keys: VaultKeys, name: DrawerName, month: str) -> bytes:
    """Return the 16-byte tag of a drawer's month (``YYYY-MM``), or of an import in the intake drawer."""
    return _named(keys.blind, "tag", keys.vault, str(name), month)


def recipient_tag(keys: VaultKeys, recipient: str) -> bytes:
    """Return the 16-byte name under which a recipient's wraps stand."""
    return _named(keys.blind, "recipient", keys.vault, recipient)


@lru_cache(maxsize=1 << 14)  # a query without an end names every month that a drawer has
def _named(blind: bytes, label: str, *fields: bytes | str) -> bytes:
    return mac(blind, context(label, *fields))[:16]


def month_number(day: date) -> int:
    """Return a month as one number, so that months can be counted."""
    return day.year * 12 + day.month - 1


def month_named(number: int) -> str:
    """Return the month (``YYYY-MM``) of a number."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def number_of(month: str) -> int:
    """Return the number of a month (``YYYY-MM``)."""
    year, _, of_year = month.partition("-")
    return int(year) * 12 + int(of_year) - 1


def month_numbers(start: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the month's number, in UTC, that each moment (µs since 1970) is filed under."""
    return start.view("datetime64[us]").astype("datetime64[M]").astype(np.int64) + 1970 * 12


def months_of(start: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return each month's number that moments (µs since 1970, rising) are filed under, and from where up to where."""
    if not len(start):
        return []
    first, last = month_numbers(start[[0, -1]]).tolist()
    borders = np.arange(first - 1970 * 12, last + 2 - 1970 * 12).astype("datetime64[M]")
    places = np.searchsorted(start, borders.astype("datetime64[us]").astype(np.int64)).tolist()
    return [
        (month, begin, end) for month, (begin, end) in enumerate(pairwise(places), start=first) if begin < end
    ]


def month_of(at: datetime) -> str:
    """Return the month, in UTC, that a moment is filed under."""
    return at.astimezone(UTC).strftime("%Y-%m")
