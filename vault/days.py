"""Local days: records are filed by month in UTC, but people, rules and charts speak of days in Sweden.

A day is a number of days since 1970-01-01, so that whole columns can be compared at once.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import numpy.typing as npt

from consent.ages import SWEDEN

__all__ = ["SWEDEN", "day_of", "local_days", "number_of"]

Ints = npt.NDArray[np.int64]
_EPOCH = date(1970, 1, 1)
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_FEW_CHANGES = 4  # so many are asked one by one: a year has two


def local_days(start: Ints) -> Ints:
    """Return the Swedish day of each moment (µs since 1970, UTC)."""
    changes, offsets = _offsets()
    if not len(start):
        return start
    first, last = np.searchsorted(changes, (start.min(), start.max()), side="right").tolist()
    if last - first > _FEW_CHANGES:
        return (start + offsets[np.searchsorted(changes, start, side="right")]) // _DAY
    local: Ints = start + offsets[first]
    for number in range(first, last):
        local += (start >= changes[number]) * (offsets[number + 1] - offsets[number])
    return local // _DAY


def number_of(day: date) -> int:
    """Return a day as its number."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """Return the day of a number."""
    return _EPOCH + timedelta(days=number)


@cache
def _offsets() -> tuple[Ints, Ints]:
    """Return when Sweden's time changed (µs, UTC), and the offset (µs) before the first and after each.

    ``zoneinfo`` tells the offset at a moment and no list of changes, so they are searched for, day by day
    where two months differ, then to the second. What lies outside is taken as the nearest known.
    """
    changes: list[int] = []
    offsets = [_offset_at(datetime(1800, 1, 1, tzinfo=UTC))]
    at = datetime(1800, 1, 1, tzinfo=UTC)
    while at.year <= 2200:  # noqa: PLR2004 the years that an import takes
        ahead = at + timedelta(days=40)  # no two changes were ever so near
        if _offset_at(ahead) != offsets[-1]:
            changes.append(_bisect(at, ahead))
            offsets.append(_offset_at(ahead))
        at = ahead
    return np.array(changes, dtype=np.int64), np.array(offsets, dtype=np.int64)


def _bisect(before: datetime, after: datetime) -> int:
    old = _offset_at(before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (middle, after) if _offset_at(middle) == old else (before, middle)
    return (after - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _offset_at(at: datetime) -> int:
    return (at.astimezone(SWEDEN).utcoffset() or timedelta()) // timedelta(microseconds=1)
