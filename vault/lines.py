"""Records written out as lines of FHIR JSON straight from columns, thousands at a time.

What records of one shape share is written once, as a *template*, by the very function that would write each of
them; only what differs (id, times, numbers, text) is put in between. A template is made by writing a made-up
record twice, with two sets of marks in the places that differ, and is used only where both came out alike but
for the marks; so no text of a record's own can pass for a mark. What no template fits (a stored resource, few
records of a kind) is written one by one: the bytes are the same either way.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from policies.vocabulary import Category
from vault import naming
from vault.columns import NO_NUMBER, Columns, Ints, Shape, decimal_of
from vault.record import Record
from vault.resource import to_json

Write = Callable[[Record], Mapping[str, Any]]
Objects = npt.NDArray[np.object_]
#: What a template holds: constant bytes, and between them the names of what differs.
Template = tuple[str | bytes, ...]

_CATEGORIES = tuple(Category)
_FEW = 8  # so few are written one by one: a template costs more
_MOST_NUMBERS = 40  # of a record; its pattern is to fit 64 bits
_MOST_TEMPLATES = 1000
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_FIRST_MONTH, _LAST_MONTH = 1000 * 12, 10_000 * 12 - 1  # years of four digits
_PLAIN = -6  # a decimal whose first digit stands further behind the point is written with an E


class Lines:
    """Writes records by one function, remembering the templates that it made."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._templates: dict[tuple[Shape, int], Template | None] = {}

    def of(self, columns: Columns) -> list[bytes]:
        """Return each row's JSON, in order."""
        return [b"".join(pieces) for pieces in self._pieces(columns)]

    def block(self, columns: Columns, *, before: bytes = b"", after: bytes = b"") -> bytes:
        """Return all rows' JSON, each with ``before`` and ``after`` around it."""
        return b"".join(self._pieces(columns, before, after).ravel().tolist())

    def _pieces(self, columns: Columns, before: bytes = b"", after: bytes = b"") -> Objects:
        """Return a row of pieces for each record; joined, they are its JSON and what is to stand around it."""
        found: list[tuple[Ints, list[Objects | bytes]]] = []
        alone = np.ones(len(columns), dtype=np.bool_)
        for rows, pattern in _alike(columns):
            template = self._template(columns, int(rows[0]), pattern)
            if template is not None:
                found.append((rows, _filled(template, columns.take(rows))))
                alone[rows] = False
        width = max((len(pieces) for _, pieces in found), default=1)
        matrix = np.empty((len(columns), width + 2), dtype=np.object_)
        matrix.fill(b"")
        matrix[:, 0], matrix[:, -1] = before, after
        for rows, pieces in found:
            where = slice(None) if len(rows) == len(columns) else rows
            for number, piece in enumerate(pieces, start=1):
                matrix[where, number] = piece
        for row in np.flatnonzero(alone).tolist():
            (record,) = columns.records([row])
            matrix[row, 1] = to_json(self._write(record))
        return matrix

    def _template(self, columns: Columns, row: int, pattern: int) -> Template | None:
        key = columns.shapes[columns.shape[row]], pattern
        if key not in self._templates:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            one, other = (self._marked(columns, row, pattern, variant) for variant in (1, 2))
            self._templates[key] = one if one == other else None
        return self._templates[key]

    def _marked(self, columns: Columns, row: int, pattern: int, variant: int) -> Template:
        """Write a record of a row's kind with marks in it, and take it apart at them."""
        made = _made_up(columns.take(np.array([row])), pattern, variant)
        (record,) = made.records()
        written = to_json(self._write(record))
        marks = {value[0]: name for name, value in _values(made).items()}
        parts = re.split(b"(" + b"|".join(map(re.escape, marks)) + b")", written)
        return tuple(marks[part] if number % 2 else part for number, part in enumerate(parts))


def _alike(columns: Columns) -> Iterator[tuple[Ints, int]]:
    """Sort the rows that a template may fit by shape and pattern: zone, and what is there of a record."""
    months = naming.month_numbers(columns.start) if len(columns) else np.zeros(0, np.int64)
    fits = (columns.resource < 0) & (months >= _FIRST_MONTH) & (months <= _LAST_MONTH)
    for number in np.unique(columns.shape[fits]).tolist():
        shape = columns.shapes[number]
        if shape.kind != "Observation" or shape.numbers > _MOST_NUMBERS:
            continue
        rows = np.flatnonzero(fits & (columns.shape == number))
        patterns = _patterns(columns, rows, shape)
        for pattern in np.unique(patterns).tolist():
            same = rows[patterns == pattern]
            if len(same) > _FEW:
                yield same, pattern


def _patterns(columns: Columns, rows: Ints, shape: Shape) -> Ints:
    at = columns.offsets[:-1][rows, np.newaxis] + np.arange(shape.numbers)
    mantissa, there = columns.mantissa[at], columns.exponent[at] != NO_NUMBER
    for part, units in enumerate((shape.units, *(one.units for one in shape.parts))):
        if units.unit == units.canonical and not units.same:
            own, other = 2 * part, 2 * part + 1
            for row in np.flatnonzero(there[:, own] & there[:, other]).tolist():
                pair = [
                    decimal_of(int(mantissa[row, n]), int(columns.exponent[at[row, n]])) for n in (own, other)
                ]
                there[row, other] = pair[0] != pair[1]  # 1.0 and 1.00 are one value, and written once
    told = np.column_stack((columns.duration[rows] >= 0, columns.text[rows] >= 0, there)).astype(np.int64)
    bits: Ints = (told << np.arange(told.shape[1])).sum(axis=1)
    return bits << 12 | (columns.zone[rows].astype(np.int64) + 2048)


def _made_up(one: Columns, pattern: int, variant: int) -> Columns:
    """Return a row of the same pattern, with values of our own."""
    told = pattern >> 14
    there = np.array([told >> number & 1 for number in range(len(one.mantissa))], dtype=np.bool_)
    numbers = 700_000_000_000_000_000 + variant * 1_000_000_007 + np.arange(len(there))
    text = f"<a text of our own, {variant}>" if one.text[0] >= 0 else ""
    return replace(
        one,
        start=np.array([-1_000_000_000_007 * variant], dtype=np.int64),
        duration=np.where(one.duration < 0, one.duration, 1_000_000_000_000_003 * variant),
        mantissa=np.where(there, numbers, 0),
        exponent=np.where(there, -9, NO_NUMBER).astype(np.int8),
        strings=(text,),
        text=np.where(one.text < 0, -1, 0).astype(np.int32),
        fingerprint=np.array([0xA5C3_0000_F00D_0000 + variant], dtype=np.uint64),
    )


def _filled(template: Template, columns: Columns) -> list[Objects | bytes]:
    """Return a template's pieces for rows that it fits."""
    values = _values(columns)
    return [piece if isinstance(piece, bytes) else values[piece] for piece in template]


def _values(columns: Columns) -> dict[str, Objects]:
    """Return what differs between rows of one shape and pattern, as it is written."""
    local = columns.start + columns.zone.astype(np.int64) * (60 * _SECOND)
    values: dict[str, Objects] = {"id": _ids(columns), "start": _times(local)}
    if columns.duration[0] >= 0:
        values["end"] = _times(local + columns.duration)
    if columns.text[0] >= 0:
        strings = np.array([to_json(one)[1:-1] for one in columns.strings], dtype=np.object_)
        values["text"] = strings[columns.text]
    at = columns.offsets[:-1]
    for number in range(int(columns.offsets[1])):
        if columns.exponent[number] != NO_NUMBER:
            values[f"number {number}"] = _decimals(
                columns.mantissa[at + number], columns.exponent[at + number]
            )
    return values


def ids(columns: Columns) -> list[str]:
    """Return each record's FHIR id."""
    ordinals = [f"{_CATEGORIES.index(shape.category):02d}".encode() for shape in columns.shapes]
    begin = np.array(ordinals or [b""], dtype=np.object_)[columns.shape]
    return [one.decode() for one in (begin + _ids(columns)).tolist()]


def _ids(columns: Columns) -> Objects:
    """Return each id but for its category: month, hyphen, fingerprint."""
    month, which = np.unique(naming.month_numbers(columns.start), return_inverse=True)
    months = np.array(
        [naming.month_named(one).replace("-", "").encode() for one in month.tolist()], dtype="S6"
    )
    ids = np.empty((len(columns), 23), dtype=np.uint8)
    ids[:, :6] = months.view(np.uint8).reshape(-1, 6)[which]
    ids[:, 6] = ord("-")
    marks = columns.fingerprint.astype(">u8").tobytes().hex().encode()
    ids[:, 7:] = np.frombuffer(marks, dtype=np.uint8).reshape(-1, 16)
    return ids.view("S23").ravel().astype(np.object_)


def _times(local: Ints) -> Objects:
    """Return moments as ``isoformat`` writes them, without the zone."""
    day, which = np.unique(local // _DAY, return_inverse=True)
    days = np.datetime_as_string(day.astype("datetime64[D]"), unit="D").astype("S10")
    rest = local % _DAY
    times = np.zeros((len(local), 26), dtype=np.uint8)
    times[:, :10] = days.view(np.uint8).reshape(-1, 10)[which]
    times[:, 10:19] = _clock()[rest // _SECOND]
    micro = rest % _SECOND
    broken = np.flatnonzero(micro)
    if len(broken):
        times[broken, 19] = ord(".")
        digits = micro[broken, np.newaxis] // 10 ** np.arange(5, -1, -1) % 10
        times[broken, 20:] = digits + ord("0")
    return times.view("S26").ravel().astype(np.object_)


@cache
def _clock() -> npt.NDArray[np.uint8]:
    """Return ``T00:00:00`` and every second of a day after it, as bytes."""
    seconds = np.arange(86_400)
    found = np.empty((86_400, 9), dtype=np.uint8)
    found[:, 0], found[:, 3], found[:, 6] = ord("T"), ord(":"), ord(":")
    for place, number in ((1, seconds // 3600), (4, seconds // 60 % 60), (7, seconds % 60)):
        found[:, place], found[:, place + 1] = number // 10 + ord("0"), number % 10 + ord("0")
    return found


def _decimals(mantissa: Ints, exponent: npt.NDArray[np.int8]) -> Objects:
    """Return numbers as ``str`` writes a Decimal."""
    found = np.empty(len(mantissa), dtype=np.object_)
    for one in np.unique(exponent).tolist():
        rows = np.flatnonzero(exponent == one)
        different, which = np.unique(mantissa[rows], return_inverse=True)
        texts = [_decimal(number, one) for number in different.tolist()]
        found[rows] = np.array(texts, dtype=np.object_)[which]
    return found


def _decimal(mantissa: int, exponent: int) -> bytes:
    if exponent == 0:
        return b"%d" % mantissa
    digits = b"%d" % abs(mantissa)
    if exponent > 0 or len(digits) - 1 + exponent < _PLAIN:
        return str(decimal_of(mantissa, exponent)).encode()
    digits = digits.rjust(1 - exponent, b"0")
    return (b"-" if mantissa < 0 else b"") + digits[:exponent] + b"." + digits[exponent:]
