"""Many dates of Apple Health's export at once: always ``2026-03-01 08:00:00 -0500``, so they are read as a table.

What is not written so, or is no date, is told apart, and :func:`importers.apple_values.date` has the last word on it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from importers.candidates import YEARS
from vault.columns import NO_END, Ints

_FORM = "YYYY-MM-DD hh:mm:ss +ZZzz"
_LENGTH = len(_FORM)
_SIGN = _FORM.index("+")
_FIELDS = ("YYYY", "MM", "DD", "hh", "mm", "ss", "ZZ", "zz")
_DIGITS = np.array([at for at, letter in enumerate(_FORM) if letter.isalpha()])
_MARKS = np.array([at for at, letter in enumerate(_FORM) if letter in "- :"])
_WRITTEN = np.array([ord(_FORM[at]) for at in _MARKS], dtype=np.uint8)
_TENS = np.zeros((len(_DIGITS), len(_FIELDS)), dtype=np.int64)
for _number, _field in enumerate(_FIELDS):
    for _place in range(len(_field)):
        _TENS[sum(map(len, _FIELDS[:_number])) + _place, _number] = 10 ** (len(_field) - 1 - _place)
_MOST = np.array([9999, 12, 31, 23, 59, 59, 14, 59])
_LEAST = np.array([0, 1, 1, 0, 0, 0, 0, 0])

Bools = npt.NDArray[np.bool_]


class Periods(NamedTuple):
    """Starts (µs since 1970), zones (minutes), durations (µs), and which of them could be read."""

    start: Ints
    zone: Ints
    duration: Ints
    read: Bools


def periods(firsts: Sequence[str], lasts: Sequence[str]) -> Periods:
    """Read rows' first and last dates."""
    start, zone, first_read = _moments(firsts)
    end, _, last_read = _moments(lasts)
    duration = np.where(end == start, NO_END, end - start)
    return Periods(start, zone, duration, first_read & last_read & (end >= start))


def _moments(texts: Sequence[str]) -> tuple[Ints, Ints, Bools]:
    written = _table(texts)
    digits = written[:, _DIGITS] - ord("0")  # what is below 0 comes out above 9
    sign = written[:, _SIGN]
    read = (digits <= 9).all(axis=1) & (written[:, _MARKS] == _WRITTEN).all(axis=1)  # noqa: PLR2004 a digit
    read &= (sign == ord("+")) | (sign == ord("-"))
    fields = digits.astype(np.int64) @ _TENS
    read &= ((fields >= _LEAST) & (fields <= _MOST)).all(axis=1)
    year, month, day, hour, minute, second, zone_hour, zone_minute = fields.T
    read &= (year >= YEARS.start) & (year < YEARS.stop)
    months = (year - 1970) * 12 + month - 1
    days = _first_of(months) + day - 1
    read &= days < _first_of(months + 1)
    zone = np.where(sign == ord("-"), -1, 1) * (60 * zone_hour + zone_minute)
    seconds = ((24 * days + hour) * 60 + minute - zone) * 60 + second
    return 1_000_000 * seconds, zone, read


def _table(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Write one date a line; what is not of the form's length becomes a line that is no date."""
    if {*map(len, texts)} - {_LENGTH}:
        texts = [text if len(text) == _LENGTH else _FORM for text in texts]
    joined = "".join(texts).encode("ascii", "replace")
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, _LENGTH)


def _first_of(months: Ints) -> Any:
    """Return the number of each month's first day (months and days since 1970)."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
