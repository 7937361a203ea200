"""Two facts that differ are told apart; the same fact is known again, whoever brings it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from consent.ages import SWEDEN
from policies.vocabulary import Category
from tests import world
from tests.columns import mark
from vault.columns import Columns
from vault.marks import marks
from vault.measures import LOINC
from vault.record import Author, AuthorKind, Code, Component, Origin, Provenance, Quantity, Record

INTAKE = b"i" * 32
CITIZEN = Provenance(
    Author(AuthorKind.CITIZEN, "0f" * 16, "Anna"),
    Origin.FORM,
    datetime(2026, 3, 1, 12, tzinfo=UTC),
    device="Omron M7",
)
NURSE = Author(AuthorKind.PROFESSIONAL, "SE2321000016-A1", "Nora Nilsson", "Vårdcentralen Norr")


def weight(**changes: Any) -> Record:
    """Return a weight that a meter told in pounds."""
    base = world.weight("81.6", datetime(2026, 3, 1, 7, tzinfo=UTC))
    came, canonical = Quantity(Decimal("180.0"), "[lb_av]"), Quantity(Decimal("81.6"), "kg")
    code = Code(LOINC, "29463-7", "Body weight")
    pounds = replace(base, code=code, provenance=CITIZEN, quantity=came, canonical=canonical)
    return replace(pounds, **changes)


def marked(record: Record) -> int:
    """Return a record's fingerprint in one vault."""
    return mark(record, INTAKE)


@pytest.mark.parametrize(
    "change",
    [
        {"start": datetime(2026, 3, 1, 9, tzinfo=UTC)},
        {"end": datetime(2026, 3, 1, 9, tzinfo=UTC)},
        {"status": "amended"},
        {"kind": "MedicationStatement"},
        {"text": "x"},
        {"resource": "{}"},
        {"provenance": replace(CITIZEN, device="other")},
        {"components": (Component(Code("s", "c"), Quantity(Decimal(1), "u")),)},
        {"components": (Component(Code("s", "c"), text="x"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_the_content_counts(change: dict[str, Any]) -> None:
    """Two facts that differ must not be taken for one: the second would be dropped."""
    assert marked(weight(**change)) != marked(weight())


@pytest.mark.parametrize("number", ["180.1", "180.00", "-180.0", "1800E-1"])
def test_number_counts_as_it_was_written(number: str) -> None:
    """180.0 and 180.00 are equal, and still another measurement; how a mantissa is written is not."""
    other = replace(weight(), quantity=Quantity(Decimal(number), "[lb_av]"))
    assert (marked(other) == marked(weight())) is (number == "1800E-1")


def test_unit_and_code_count() -> None:
    """The same number of something else."""
    kilos = replace(weight(), quantity=Quantity(Decimal("180.0"), "kg"))
    other = replace(weight(), code=Code(LOINC, "3141-9"))
    assert len({marked(kilos), marked(other), marked(weight())}) == 3


def test_words_stand_for_a_code_that_is_missing() -> None:
    """Where there is no code, the words are all there is."""
    one, two = (replace(weight(), code=Code("", "", words)) for words in ("ont i knät", "ont i axeln"))
    assert marked(one) != marked(two)


@pytest.mark.parametrize(
    "change",
    [
        {"category": Category.OTHER_MEASUREMENT},
        {"fingerprint": 9},
        {"zone": 1},
        {"canonical": 1},
        {"display": 1},
        {"who": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_same_fact_is_known_again(change: dict[str, Any]) -> None:
    """Another import, another zone on the phone, a better table: still the same weight."""
    record = weight()
    match change:
        case {"zone": _}:
            other = replace(record, start=record.start.astimezone(SWEDEN))
        case {"canonical": _}:
            other = replace(record, canonical=None)
        case {"display": _}:
            other = replace(record, code=Code(LOINC, "29463-7", "Vikt"))
        case {"who": _}:
            later = CITIZEN.received + timedelta(days=300)
            other = replace(record, provenance=replace(CITIZEN, received=later, import_id="9", author=NURSE))
        case _:
            other = replace(record, **change)
    assert other != record or other.start.tzinfo != record.start.tzinfo
    assert marked(other) == marked(record)


def test_fields_cannot_run_into_each_other() -> None:
    """A text that looks like the next field must not make two facts one."""
    one, two = weight(text="{}", resource=""), weight(text="", resource="{}")
    assert marked(one) != marked(two)


def test_long_texts_have_a_fingerprint_too() -> None:
    """A resource may be larger than what any length field of two bytes says."""
    one, two = weight(resource="x" * 70_000), weight(resource="x" * 70_001)
    assert marked(one) != marked(two)


def test_another_vault_has_other_fingerprints() -> None:
    """Nobody can tell by them that two citizens measured the same."""
    assert mark(weight(), b"j" * 32) != marked(weight())


def test_rows_have_the_same_fingerprint_together_as_alone() -> None:
    """Whatever stands beside them: shapes with and without components, texts and none."""
    records = [
        weight(),
        weight(text="efter maten"),
        world.pressure("120", "80"),
        weight(components=(Component(Code("s", "c")),), resource="{}"),
        replace(weight(), quantity=None, canonical=None, text="x"),
    ]
    together = marks(Columns.of(records), INTAKE)
    assert together.tolist() == [marked(record) for record in records]
    assert len(np.unique(together)) == len(records)
