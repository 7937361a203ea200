"""A moment's local day is what the calendar on the wall in Sweden says."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.envelope import microseconds
from vault.days import SWEDEN, day_of, local_days, number_of

MOMENTS = st.datetimes(datetime(1801, 1, 1), datetime(2199, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@settings(deadline=None)
@given(st.lists(MOMENTS, min_size=1))
def test_local_day_is_the_calendars(moments: list[datetime]) -> None:
    """Also before there were time zones, and beyond the years whose changes are listed anywhere."""
    found = local_days(np.array([microseconds(at) for at in moments]))
    assert [day_of(number) for number in found.tolist()] == [at.astimezone(SWEDEN).date() for at in moments]


def test_day_begins_at_midnight_on_both_sides_of_a_change() -> None:
    """The last Sunday of March has 23 hours, that of October 25."""
    for year in range(1970, 2040):
        for month in (3, 10):
            for day in range(24, 32):
                midnight = datetime(year, month, day, tzinfo=SWEDEN)
                around = [microseconds(midnight - timedelta(microseconds=1)), microseconds(midnight)]
                before, after = local_days(np.array(around)).tolist()
                assert (before, after) == (
                    number_of(date(year, month, day)) - 1,
                    number_of(date(year, month, day)),
                )
