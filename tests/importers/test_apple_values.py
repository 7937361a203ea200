"""The fast ways through Apple's rows come to what the slow ones say."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers.apple_dates import periods
from importers.apple_values import Kind, date
from importers.candidates import RowError
from importers.codes import QUANTITY
from tests.importers.import_inputs import apple, export, records, row
from vault.columns import NO_END, NOTHING, split

KINDS = [
    ("HeartRate", "count/min"),
    ("OxygenSaturation", "%"),
    ("StepCount", "count"),
    ("BodyMass", "lb"),
    ("BodyMass", "kg"),
    ("ActiveEnergyBurned", "kJ"),
    ("BodyTemperature", "degF"),
    ("BloodGlucose", "mg/dL"),
    ("BloodGlucose", "mmol<180.1558800000541>/L"),
    ("BrandNew", "wibble"),
    ("DistanceWalkingRunning", "km"),
]
NUMBERS = st.from_regex(r"[-+]?[0-9]{0,22}(\.[0-9]{0,22})?([eE][-+]?[0-9]{1,2})?", fullmatch=True) | st.text(
    max_size=5
)


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
@given(text=NUMBERS)
def test_number_has_the_digits_that_decimal_arithmetic_gives(kind: tuple[str, str], text: str) -> None:
    """72.50 is not 72.5, and what is converted is rounded once: the same however it was read."""
    of = Kind(QUANTITY + kind[0], kind[1])
    try:
        own, other = of.quantity(text)
    except RowError:
        with pytest.raises(RowError, match="not a number"):
            of.pair(text)
        return
    same = other is not None and other.unit == own.unit
    assert of.units.same is same
    assert of.units.canonical == (None if other is None else other.unit)
    expected = NOTHING if other is None or same else split(other.value)
    assert of.pair(text) == (split(own.value), expected)
    assert of.pair(text) == (split(own.value), expected), "and when it is remembered"


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1801, 1, 1), datetime(2199, 12, 31), timezones=ZONES)  # noqa: DTZ001 as hypothesis wants


def written(at: datetime) -> str:
    """Write a moment as Apple does."""
    return f"{at:%Y-%m-%d %H:%M:%S %z}"


@given(st.lists(st.tuples(MOMENTS, st.timedeltas(timedelta(-3), timedelta(days=3))), min_size=1, max_size=6))
def test_periods_are_those_that_datetime_reads(given_: list[tuple[datetime, timedelta]]) -> None:
    """In any zone, over midnight and year's end."""
    firsts = [written(start) for start, _ in given_]
    lasts = [written(start + length) for start, length in given_]
    found = periods(firsts, lasts)
    for at, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        begun, ended = date(first), date(last)
        assert found.read[at] == (ended >= begun)
        assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(found.start[at])) == begun
        assert timedelta(minutes=int(found.zone[at])) == begun.utcoffset()
        if ended >= begun:
            assert found.duration[at] == ((ended - begun) // timedelta(microseconds=1) or NO_END)


GOOD = "2026-03-01 08:00:00 +0100"
STRANGE = [
    "2026-03-01 24:00:00 +0100",
    "2026-03-01 08:60:00 +0100",
    "2026-03-01 08:00:60 +0100",
    "2026-03-01T08:00:00 +0100",
    "2026-03-01 08:00:00 +01000",
    "026-03-01 08:00:00 +0100",
    "2026-03-01 08:00:00  +0100",
    "2026-03-01 08:00:00 *0100",
    "2026-03-01 08:00:00.5 +0100",
    "2026-03-01 ٠8:00:00 +0100",
    "2026-03-32 08:00:00 +0100",
    "2026-02-29 08:00:00 +0100",
    "2026-00-01 08:00:00 +0100",
    "2026-13-01 08:00:00 +0100",
    "2026-03-00 08:00:00 +0100",
    "1799-12-31 08:00:00 +0100",
    "2201-01-01 08:00:00 +0100",
    "",
    "soon",
    "å" * 25,
    "\ud800" * 25,
]


@pytest.mark.parametrize("text", STRANGE)
def test_what_is_no_date_is_told_apart_and_its_neighbours_are_read(text: str) -> None:
    """One bad row must not move the others' digits, and what the table refuses the slow way refuses too."""
    found = periods([GOOD, text, GOOD, GOOD], [GOOD, GOOD, text, GOOD])
    assert found.read.tolist() == [True, False, False, True]
    assert len({int(found.start[at]) for at in (0, 2, 3)}) == 1
    with pytest.raises(RowError):
        date(text)


@given(st.text("0123456789-+: ", min_size=25, max_size=25))
def test_table_reads_nothing_that_datetime_does_not(text: str) -> None:
    """The one is fast and the other is right."""
    if periods([text], [text]).read[0]:
        assert written(date(text)) == text


@given(st.integers(-24 * 60 + 1, 24 * 60 - 1))
def test_no_zone_is_lost(minutes: int) -> None:
    """What lies beyond any real zone is read the slow way."""
    zone = timezone(timedelta(minutes=minutes))
    text = written(datetime(2026, 3, 1, 8, tzinfo=zone))
    assert periods([text], [text]).read[0] or abs(minutes) >= 15 * 60
    (record,) = records(apple(export(row(startDate=text, endDate=text))))
    assert record.start.utcoffset() == zone.utcoffset(None)
