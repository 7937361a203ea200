"""The fast ways through Apple's rows come to what the slow ones say."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers.apple_values import Dates, Kind, date
from importers.candidates import RowError
from importers.codes import QUANTITY
from vault.columns import NOTHING, split

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


@given(st.lists(st.tuples(MOMENTS, st.timedeltas(timedelta(), timedelta(days=3))), min_size=1, max_size=6))
def test_period_is_the_one_that_datetime_reads(given_: list[tuple[datetime, timedelta]]) -> None:
    """In any zone, over midnight and year's end, remembered or not."""
    dates = Dates()
    for start, length in given_ * 2:
        first, last = (f"{one:%Y-%m-%d %H:%M:%S %z}".rjust(25, "0") for one in (start, start + length))
        begun, ended = date(first), date(last)
        at, zone, duration = dates.period(first, last)
        assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at) == begun
        assert timedelta(minutes=zone) == begun.utcoffset()
        assert duration == ((ended - begun) // timedelta(microseconds=1) or -1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01 24:00:00 +0100",
        "2026-03-01 08:60:00 +0100",
        "2026-03-01 08:00:60 +0100",
        "2026-03-01T08:00:00 +0100",
        "2026-03-01 08:00:00 +01000",
        "2026-03-01 08:00:00  +0100",
        "2026-03-01 08:00:00.5 +0100",
        "2026-03-01 ٠8:00:00 +0100",
        "2026-03-32 08:00:00 +0100",
        "1799-12-31 08:00:00 +0100",
        "2201-01-01 08:00:00 +0100",
    ],
)
def test_what_is_no_date_is_none_on_a_day_that_is_remembered_either(text: str) -> None:
    """What is remembered of a day must not let a strange time of that day in."""
    dates = Dates()
    dates.period("2026-03-01 08:00:00 +0100", None)
    with pytest.raises(RowError):
        dates.period(text, None)
