"""Columns say what the records say, whatever is taken of them, in whatever order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.envelope import microseconds
from tests.columns import measured
from tests.vault.test_codec import any_records
from tests.world import pressure, weight
from vault.codec import decode, encode
from vault.columns import NO_NUMBER, Builder, Columns, Shape, join
from vault.errors import MalformedRecordError
from vault.record import Record

MANY = settings(deadline=None, max_examples=60)
RECORDS = st.lists(any_records(), min_size=1, max_size=8)


@MANY
@given(RECORDS, st.data())
def test_rows_that_are_taken_are_those_records(records: list[Record], data: st.DataObject) -> None:
    """Any rows, in any order, also twice; and by a mask."""
    columns = Columns.of(records)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1)))
    taken = columns.take(np.array(rows, dtype=np.int64))
    assert list(taken.records()) == [records[row] for row in rows]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(records), max_size=len(records))))
    wanted = [record for record, chosen in zip(records, mask.tolist(), strict=True) if chosen]
    assert list(columns.take(mask).records()) == wanted


@MANY
@given(RECORDS, RECORDS)
def test_joined_columns_are_all_the_records(one: list[Record], other: list[Record]) -> None:
    """Shapes and strings are numbered anew."""
    assert list(join([Columns.of(one), Columns.of(other)]).records()) == one + other


@MANY
@given(RECORDS)
def test_part_of_a_batch_is_written_without_the_rest(records: list[Record]) -> None:
    """What no row names must not be sealed with it: it may be of another drawer."""
    last = Columns.of(records).take(np.array([len(records) - 1]))
    alone = Columns.of(records[-1:])
    written = last.compact()
    assert set(written.strings) == set(alone.strings)
    assert written.shapes == alone.shapes
    (block,) = encode(last, [1])
    assert list(decode(block, last.fingerprint.astype(">u8").tobytes()).records()) == records[-1:]


def test_nothing_joined_is_nothing() -> None:
    """A reading of an empty vault."""
    assert len(join([])) == 0
    assert list(join([]).in_time_order().records()) == []


def test_rows_of_one_moment_stay_in_their_order() -> None:
    """And the others come by time, not by the clock that was on the wall."""
    late, early, same = weight("3"), weight("1", late_start() - timedelta(hours=1)), weight("4")
    ordered = Columns.of([late, early, same]).in_time_order()
    assert [str(record.quantity.value) for record in ordered.records() if record.quantity] == ["1", "3", "4"]


def late_start() -> datetime:
    """Return when tests/world.py's weight was taken, if nothing else is said."""
    return weight("1").start


def test_measurements_straight_into_columns_are_the_same_records() -> None:
    """What benches and soak fill a vault with is what records would have been."""
    start = datetime(2026, 3, 1, 7, tzinfo=UTC)
    records = [weight(f"{70 + n}.5", start + timedelta(minutes=n)) for n in range(5)]
    shape = Shape.of(records[0])
    moments = np.array([microseconds(record.start) for record in records])
    columns = measured([shape], np.zeros(5, np.uint16), moments, np.array([70.5, 71.5, 72.5, 73.5, 74.5]), 1)
    assert list(columns.records()) == records


def test_numbers_are_the_nearest_floats() -> None:
    """The canonical one where there is one, else the one that came; exactly what float() makes of the text."""
    texts = ["70.1", "0.1", "-3.30", "1E+3", "123456789.123456789", "7E-9"]
    values, there = Columns.of([weight(text) for text in texts]).numbers(0)
    assert values.tolist() == [float(Decimal(text)) for text in texts]
    assert there.all()


def test_components_have_numbers_of_their_own() -> None:
    """The composite itself has none."""
    columns = Columns.of([pressure("120", "80"), pressure("130", "85")])
    assert not columns.numbers(0)[1].any()
    assert columns.numbers(1)[0].tolist() == [120, 130]
    assert columns.numbers(2)[0].tolist() == [80, 85]


def test_record_that_does_not_fit_leaves_nothing_behind() -> None:
    """The good rows beside it are kept as they are."""
    builder = Builder()
    builder.add(weight("70"))
    with pytest.raises(MalformedRecordError):
        builder.add(weight("1" * 20))
    builder.add(weight("71"))
    columns = builder.columns()
    assert columns.mantissa.tolist() == [70, 0, 71, 0]
    assert columns.exponent.tolist() == [0, NO_NUMBER, 0, NO_NUMBER]


def test_too_many_shapes_are_refused() -> None:
    """Rather than numbered round."""
    shape = Shape.of(weight("1"))
    builder = Builder()
    for number in range(65_536):
        builder.shape(replace(shape, status=str(number)))
    with pytest.raises(MalformedRecordError, match="too many shapes"):
        builder.columns()
