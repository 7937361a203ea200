"""What stands in an element of Apple Health's export: values, dates, and the names of devices."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from importers import codes
from importers.candidates import YEARS, Reason, RowError, excerpt
from vault.columns import NOTHING, Number, Units, split
from vault.measures import HEALTHKIT, canonical
from vault.record import Code, Component, Quantity
from vault.units import MAX_DIGITS, bounded, is_ucum, ucum

MAX_TEXT = 256
MAX_CACHE = 4_096

_NUMBER = re.compile(r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,3})?", re.ASCII)
_DATE_LENGTH = len("2026-03-01 08:00:00 -0500")
_DEVICE_NAME = re.compile(
    r"\bname:(.*?)(?:, (?:manufacturer|model|hardware|firmware|software|localIdentifier):|>?$)"
)
_DEVICE_MAKER = re.compile(r"\bmanufacturer:([^,>]+)")
_DEVICE_MODEL = re.compile(r"\bmodel:([^,>]+)")
_PRODUCT = re.compile(r"iPhone|iPad|iPod|Apple[\s\xa0]Watch|Watch", re.IGNORECASE)

Attributes = dict[str, str]
#: A row's own number and its canonical form.
Pair = tuple[Number, Number]
NO_PAIR: Pair = (NOTHING, NOTHING)


class Kind:
    """All that records of one type and unit share, and the numbers seen so far."""

    __slots__ = ("_is_kept", "_shift", "numeric", "pairs", "type", "unit", "units")

    def __init__(self, identifier: str, unit: str) -> None:
        self.type = codes.apple_type(identifier)
        self.unit = ucum(unit) if is_ucum(ucum(unit)) else unit
        self.numeric = self.type.numeric or bool(unit)
        self._shift = 2 if unit == "%" else 0  # Apple writes percent as a fraction
        self.pairs: dict[str, Pair] = {}
        one = Quantity(Decimal(1), self.unit)
        other = canonical(self.type.code, one) if self.numeric else None
        self.units = Units(self.unit, None if other is None else other.unit, other == one)
        self._is_kept = other is None or self.units.same

    def pair(self, text: str) -> Pair:
        """Return a value and its canonical form, each as mantissa and exponent.

        Raises:
            RowError: it is no number, or has no unit.
        """
        found = self.pairs.get(text)
        if found is None:
            found = self._read(text)
            if not self.unit:
                raise RowError(Reason.NO_UNIT)
            if len(self.pairs) >= MAX_CACHE:
                self.pairs.clear()
            self.pairs[text] = found
        return found

    def quantity(self, text: str) -> tuple[Quantity, Quantity | None]:
        """Return a value and its canonical form."""
        value = bounded(Decimal(text)) if _NUMBER.fullmatch(text) else None
        if value is None:
            raise RowError(Reason.BAD_NUMBER, excerpt(text))
        quantity = Quantity(value.scaleb(self._shift) if self._shift else value, self.unit)
        return quantity, canonical(self.type.code, quantity)

    def _read(self, text: str) -> Pair:
        if self._is_kept:  # most rows: nothing is to be converted, and the digits tell all
            whole, point, part = text.partition(".")
            digits = whole + part
            if bool(part) == bool(point) and whole and len(digits) <= MAX_DIGITS and _is_plain(digits):
                return (int(digits), self._shift - len(part)), NOTHING
        quantity, other = self.quantity(text)
        return split(quantity.value), NOTHING if other is None or self.units.same else split(other.value)


def _is_plain(digits: str) -> bool:
    return digits.isascii() and digits.isdigit()


def period(attributes: Attributes) -> tuple[datetime, datetime | None]:
    """Return an element's start, and its end where it differs.

    Raises:
        RowError: there is no date, or it is none, or not of the years that are taken; the end comes first.
    """
    first, last = attributes.get("startDate"), attributes.get("endDate")
    if not first:
        raise RowError(Reason.NO_DATE)
    start = date(first)
    end = start if last is None else date(last)
    if end < start:
        raise RowError(Reason.ENDS_BEFORE_START)
    return start, None if end == start else end


def date(text: str) -> datetime:
    """Read one date; fromisoformat is ten times as fast as strptime.

    Raises:
        RowError: it is no date, or not of the years that are taken.
    """
    if len(text) == _DATE_LENGTH and text[10] == " " == text[19] and text[4] == "-" == text[7]:
        try:
            at = datetime.fromisoformat(text[:19] + text[20:])
        except ValueError:
            at = datetime.max.replace(tzinfo=UTC)
        if at.year in YEARS and at.microsecond == 0 and at.tzinfo is not None:
            return at
    raise RowError(Reason.BAD_DATE, excerpt(text))


def category_value(value: str, identifier: str) -> str:
    """Write ``HKCategoryValueSleepAnalysisAsleepCore`` of type SleepAnalysis as ``AsleepCore``."""
    short = value[:MAX_TEXT].removeprefix(codes.VALUE)
    return short.removeprefix(identifier.removeprefix(codes.CATEGORY)) or short


def components(metadata: dict[str, str] | None) -> tuple[Component, ...]:
    """Return the metadata that is kept, as components."""
    rows = sorted((metadata or {}).items())
    return tuple(Component(Code(HEALTHKIT, key), text=value) for key, value in rows if value)


def device_name(device: str, source: str) -> str:
    """Return the product behind a device's description, or the source's name without its owner."""
    found = _DEVICE_NAME.search(device[:2000])
    name = found[1].strip() if found else ""
    if name and name != source:
        return name[:MAX_TEXT]
    parts = [part[1].strip() for part in (_DEVICE_MAKER.search(device), _DEVICE_MODEL.search(device)) if part]
    if parts:
        return " ".join(parts)[:MAX_TEXT]
    product = _PRODUCT.search(source)
    return (product[0] if product else source)[:MAX_TEXT]
