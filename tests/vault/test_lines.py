"""What is written thousands at a time is what would be written one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.vocabulary import Category
from tests.vault.test_codec import DECIMALS, any_records
from tests.world import pressure, weight
from vault import lines
from vault.columns import Columns
from vault.lines import Lines, ids
from vault.record import Code, Quantity, Record
from vault.resource import provenance_to_fhir, to_fhir, to_json

PATIENT = "0f" * 16
to_patient = partial(to_fhir, patient_id=PATIENT)


@st.composite
def alike(draw: st.DrawFn) -> list[Record]:
    """Draw some records of one kind, with times, numbers and marks of their own."""
    first = replace(draw(any_records()), kind="Observation", resource="")
    found = [first]
    for days in draw(st.lists(st.integers(-400, 400), max_size=3)):
        moved = timedelta(days=days, microseconds=draw(st.sampled_from([0, 1, 999_999, 60_000_000])))
        quantity = first.quantity and Quantity(draw(DECIMALS), first.quantity.unit)
        canonical = quantity if first.canonical is first.quantity else first.canonical
        end = first.end and first.end + moved
        mark = draw(st.integers(0, (1 << 64) - 1))
        changed = replace(first, start=first.start + moved, end=end, quantity=quantity, canonical=canonical)
        found.append(replace(changed, fingerprint=mark))
    return found


@settings(deadline=None)
@given(groups=st.lists(alike(), max_size=4))
def test_every_record_is_written_as_one_by_one(groups: list[list[Record]]) -> None:
    """An export's bytes are those of each resource, whatever the record: ids, zones, digits, text, parts."""
    records = [record for group in groups for record in group]
    columns = Columns.of(records)
    with patch.object(lines, "_FEW", 0):
        for write in (to_patient, provenance_to_fhir):
            expected = [to_json(write(record)) for record in columns.records()]
            assert Lines(write).of(columns) == expected
            assert Lines(write).block(columns, before=b"<", after=b">") == b"".join(
                b"<%b>" % one for one in expected
            )
    assert ids(columns) == [record.id for record in records]


def many(record: Record, count: int = 20) -> list[Record]:
    """Return the same record on one day after another."""
    return [replace(record, start=record.start + timedelta(days=n), fingerprint=n + 1) for n in range(count)]


def written(records: list[Record]) -> list[bytes]:
    """Write records at once, and hold each against what it is alone."""
    found = Lines(to_patient).of(Columns.of(records))
    assert found == [to_json(to_patient(record)) for record in records]
    return found


@pytest.mark.parametrize("variant", [1, 2])
def test_text_that_looks_like_a_mark_is_text(variant: int) -> None:
    """A display that holds the marks of a template's making must not be cut there."""
    marks = (
        str(Decimal(f"{700_000_000_000_000_000 + variant * 1_000_000_007}E-9")),
        f"<a text of our own, {variant}>",
        f"196912-{0xA5C3_0000_F00D_0000 + variant:016x}",
        (datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1_000_000_000_007 * variant)).isoformat()[
            :-6
        ],
    )
    for mark in marks:
        record = replace(weight("70.0"), code=Code("http://loinc.org", "29463-7", f"x{mark}y"), text="z")
        written(many(record))


def test_template_is_made_once_for_many_records() -> None:
    """A million records are not a million resources in memory."""
    made: list[Record] = []

    def write(record: Record) -> dict[str, object]:
        made.append(record)
        return to_patient(record)

    writer = Lines(write)
    for _ in range(3):
        writer.of(Columns.of(many(weight("70.0"), 500) + many(pressure("120", "80"), 500)))
    assert len(made) == 4  # twice for each of two kinds


def test_stored_resources_and_templates_stand_in_order() -> None:
    """What no template fits is written in its own place."""
    stored = replace(
        weight("70.0"),
        kind="CarePlan",
        category=Category.CARE_PLAN,
        resource='{"resourceType":"CarePlan","id":"x","status":"active"}',
    )
    records = [one for pair in zip(many(weight("70.0")), many(stored), strict=True) for one in pair]
    written(records)


def test_one_value_written_two_ways_has_no_second() -> None:
    """1.0 and 1.00 are one number: the canonical quantity stands beside only where it differs."""
    same = replace(weight("1.0"), canonical=Quantity(Decimal("1.00"), "kg"))
    other = replace(weight("1.0"), canonical=Quantity(Decimal("1.01"), "kg"))
    found = written([one for pair in zip(many(same), many(other), strict=True) for one in pair])
    assert [b"canonical-quantity" in one for one in found[:2]] == [False, True]
