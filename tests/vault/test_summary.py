"""A summary says of a segment what its records say, day by day."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.envelope import microseconds
from tests.vault.test_codec import any_records
from tests.world import pressure, weight
from vault.columns import Columns
from vault.days import SWEDEN, number_of
from vault.errors import MalformedRecordError
from vault.record import Quantity, Record
from vault.summary import Summary, parse, summarise

LATE = datetime(2026, 6, 1, 22, 30, tzinfo=UTC)  # half past midnight in Sweden


def told_of(records: list[Record]) -> Summary:
    """Summarise records as one segment, and read what was written."""
    (written,) = summarise(Columns.of(records), [len(records)])
    return parse(written)


def day(record: Record) -> int:
    """Return the number of a record's local day."""
    return number_of(record.start.astimezone(SWEDEN).date())


@settings(deadline=None, max_examples=50)
@given(st.lists(any_records(), min_size=1, max_size=12))
def test_counts_are_those_of_the_records(records: list[Record]) -> None:
    """In all, by code, and by code and day."""
    told = told_of(records)
    counted = Counter((record.code.code, day(record)) for record in records)
    assert told.count == len(records)
    by_day = {(code, one): n for code, (days, counts) in told.codes.items()
              for one, n in zip(days, counts, strict=True)}  # fmt: skip
    assert by_day == dict(counted)
    assert (told.first, told.last) == (
        min(microseconds(record.start) for record in records),
        max(microseconds(record.start) for record in records),
    )


def numbers(record: Record) -> list[tuple[str, str, Quantity]]:
    """Return the numbers that a day's sum counts: canonical where there is one."""
    pairs = [(record.code, record.canonical or record.quantity, record.canonical)]
    pairs += [(part.code, part.canonical or part.quantity, part.canonical) for part in record.components]
    return [(code.code, shown.unit, shown) for code, shown, _ in pairs if shown is not None]


@settings(deadline=None, max_examples=50)
@given(st.lists(any_records(), min_size=1, max_size=12))
def test_days_hold_every_number_once(records: list[Record]) -> None:
    """Under its own code and unit, with sum, least and greatest."""
    wanted: dict[tuple[str, str, str, int], list[float]] = defaultdict(list)
    for record in records:
        for code, unit, quantity in numbers(record):
            wanted[record.code.code, code, unit, day(record)].append(float(quantity.value))
    found: dict[tuple[str, str, str, int], tuple[int, float, float, float]] = {}
    for days in told_of(records).days:
        for row in zip(days.day, days.count, days.total, days.low, days.high, strict=True):
            mark = (days.of, days.code, days.unit, row[0])
            seen = found.get(mark, (0, 0.0, float("inf"), float("-inf")))
            found[mark] = (seen[0] + row[1], seen[1] + row[2], min(seen[2], row[3]), max(seen[3], row[4]))
    assert found.keys() == wanted.keys()
    for mark, values in wanted.items():
        count, total, low, high = found[mark]
        assert count == len(values)
        assert (low, high) == pytest.approx((min(values), max(values)), rel=1e-12)
        assert total == pytest.approx(sum(values), rel=1e-9, abs=1e-9 * max(map(abs, values)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(any_records(), min_size=1, max_size=6), min_size=1, max_size=5))
def test_segments_summed_up_together_say_what_each_says_alone(parts: list[list[Record]]) -> None:
    """Whatever their neighbours hold."""
    ends = [sum(map(len, parts[: number + 1])) for number in range(len(parts))]
    together = summarise(Columns.of([record for part in parts for record in part]), ends)
    for written, part in zip(map(parse, together), parts, strict=True):
        alone = told_of(part)
        assert (written.count, written.codes, written.latest) == (alone.count, alone.codes, alone.latest)
        assert (written.first, written.last) == (alone.first, alone.last)
        assert sorted(written.days, key=repr) == sorted(alone.days, key=repr)


def test_evening_in_utc_is_the_next_day_in_sweden() -> None:
    """A chart of a day shows the day that people lived."""
    (days,) = told_of([weight("70", LATE)]).days
    assert days.day == [number_of(LATE.date()) + 1]


def test_newest_value_is_shown_as_it_was_written() -> None:
    """The later of two, a composite joined, and words where there is no number."""
    records = [pressure("120", "80"), weight("71.0"), weight("70.50", weight("1").start + timedelta(days=1))]
    latest = told_of(records).latest
    assert latest["29463-7"][1:] == ("70.50", "kg")
    assert latest["85354-9"][1:] == ("120/80", "mm[Hg]")


def test_value_in_words_is_shown_in_words() -> None:
    """A symptom has no number."""
    record = weight("1")
    worded = Record(record.category, record.kind, record.code, record.start, record.provenance, text="ont")
    told = told_of([worded])
    assert told.latest["29463-7"][1:] == ("ont", "")
    assert told.days == []


@pytest.mark.parametrize("wrong", [b"", b"{}", b"[]", b"\xff", b'{"count": 1}'])
def test_what_we_did_not_write_is_refused(wrong: bytes) -> None:
    """Strictly."""
    with pytest.raises(MalformedRecordError):
        parse(wrong)


def test_field_that_is_not_known_is_refused() -> None:
    """A later version has a later number."""
    (written,) = summarise(Columns.of([weight(str(Decimal(70)))]), [1])
    raw = json.loads(written)
    with pytest.raises(MalformedRecordError):
        parse(json.dumps({**raw, "more": 1}).encode())
