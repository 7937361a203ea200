from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importers.fhir import read_resource
from policies.vocabulary import MEASUREMENTS, Category
from tests.columns import mark
from vault.measures import HEALTHKIT, LOINC, canonical, category_of
from vault.record import Author, AuthorKind, Code, Component, Origin, Provenance, Quantity, Record
from vault.resource import (
    CANONICAL_QUANTITY,
    from_json,
    provenance_to_fhir,
    to_fhir,
    to_json,
)

PATIENT = "0f" * 16
INTAKE = b"i" * 32
CITIZEN = Provenance(
    Author(AuthorKind.CITIZEN, PATIENT, "Anna"),
    Origin.FORM,
    datetime(2026, 3, 1, 12, tzinfo=UTC),
    device="Omron M7",
)
NURSE = Author(AuthorKind.PROFESSIONAL, "SE2321000016-A1", "Nora Nilsson", "Vårdcentralen Norr")

AUTHORS = st.sampled_from([CITIZEN.author, NURSE])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FIRST, LAST = datetime(1900, 1, 2), datetime(2199, 12, 30)  # noqa: DTZ001 - the zone is drawn
MOMENTS = st.datetimes(FIRST, LAST, timezones=ZONES)
VALUES = st.decimals(min_value=Decimal("-1e6"), max_value=Decimal("1e6"), places=5)
UNITS = st.sampled_from(["kg", "[lb_av]", "mm[Hg]", "/min", "mmol/L", "%", "wibble", ""])
QUANTITIES = st.builds(Quantity, VALUES, UNITS)
CODES = st.one_of(
    st.sampled_from([Code(LOINC, "29463-7", "Body weight"), Code(LOINC, "15074-8", "Blood glucose")]),
    st.builds(Code, st.just(HEALTHKIT), TEXT, TEXT),
    st.builds(Code, st.just(""), st.just(""), TEXT),
)


def component(code: Code, quantity: Quantity | None, text: str) -> Component:
    """Make a component as every source does: a number with its canonical form, or a text."""
    same = None if quantity is None else canonical(code, quantity)
    return Component(code, quantity, same, "" if quantity else text)


COMPONENTS = st.builds(component, CODES, st.none() | QUANTITIES, TEXT)


@st.composite
def observations(draw: st.DrawFn) -> Record:
    """Draw a measurement that needs no resource beside it."""
    code = draw(CODES)
    category = category_of(code)
    if category is Category.OTHER_MEASUREMENT:
        category = draw(st.sampled_from(MEASUREMENTS))
    start = draw(MOMENTS)
    length = draw(st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=1)))
    quantity = draw(st.none() | QUANTITIES)
    return Record(
        category=category,
        kind="Observation",
        code=code,
        start=start,
        provenance=replace(
            CITIZEN, device=draw(st.just("") | TEXT), author=draw(st.sampled_from([CITIZEN.author, NURSE]))
        ),
        end=None if length is None else start + length,
        status=draw(st.sampled_from(["final", "preliminary", "entered-in-error"])),
        quantity=quantity,
        canonical=None if quantity is None else canonical(code, quantity),
        text=draw(st.just("") | TEXT),
        components=tuple(draw(st.lists(COMPONENTS, max_size=3))),
        fingerprint=draw(st.integers(0, 2**64 - 1)),
    )


def through_json(resource: dict[str, Any]) -> dict[str, Any]:
    """Write a resource and read it again, as another system would."""
    return from_json(to_json(resource).decode())


@given(observations())
def test_measurement_that_goes_out_as_fhir_comes_back_the_same(record: Record) -> None:
    """Export and import again: nothing lost, nothing added, no copy of the resource, the same fingerprint."""
    back = read_resource(through_json(to_fhir(record, patient_id=PATIENT)), provenance=record.provenance)
    assert replace(back, fingerprint=record.fingerprint) == record
    assert mark(back, INTAKE) == mark(record, INTAKE)


STORED = {
    "resourceType": "CarePlan",
    "id": "their-id",
    "meta": {"versionId": "3", "profile": ["http://x"], "security": [{"code": "R"}], "tag": [{"code": "t"}]},
    "extension": [{"url": "http://x", "valueDecimal": Decimal("1.50")}],
    "status": "active",
    "intent": "plan",
    "period": {"start": "2026-01-01"},
}


ISSUED = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "id": "o1"}


@pytest.mark.parametrize(
    "stored",
    [STORED, {"resourceType": "Patient"}, ISSUED | {
     "performer": [{"display": "Kim"}], "issued": "2026-01-01T00:00:00Z"}],
    ids=["care plan", "patient", "observation"],
)  # fmt: skip
def test_stored_resource_that_goes_out_comes_back_the_same(stored: dict[str, Any]) -> None:
    """An export read in again must be found to be there already."""
    record = replace(read_resource(stored, provenance=CITIZEN), fingerprint=77)
    out = through_json(to_fhir(record, patient_id=PATIENT))
    assert out["id"] == record.id
    assert mark(read_resource(out, provenance=CITIZEN), INTAKE) == mark(record, INTAKE)


def test_stored_resource_is_about_this_patient_and_keeps_its_labels() -> None:
    """Security labels bind whoever reads it; the other system's patient is nobody here."""
    given = STORED | {"subject": {"reference": "Patient/theirs", "display": "Anna A"}}
    out = to_fhir(read_resource(given, provenance=CITIZEN), patient_id=PATIENT)
    assert out["subject"] == {"reference": f"Patient/{PATIENT}"}
    assert out["meta"]["security"] == [{"code": "R"}]
    assert [tag["code"] for tag in out["meta"]["tag"]] == ["citizen", "t"]


def test_another_systems_reference_to_our_marks_changes_nothing() -> None:
    """Only what we wrote, under an id of our form, is undone."""
    given = STORED | {"meta": {"source": "urn:halsovalvet:form"}, "id": "free-form"}
    record = read_resource(given, provenance=CITIZEN)
    assert from_json(record.resource)["id"] == "free-form"


def weight(**changes: Any) -> Record:
    """Make one weight in pounds."""
    code, pounds = Code(LOINC, "29463-7", "Body weight"), Quantity(Decimal("180.0"), "[lb_av]")
    whole: dict[str, Any] = {
        "category": Category.BODY_WEIGHT, "kind": "Observation", "code": code, "provenance": CITIZEN,
        "start": datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=1))),
        "quantity": pounds, "canonical": canonical(code, pounds),
    }  # fmt: skip
    return Record(**whole | changes)


def test_value_goes_out_in_its_own_unit_with_the_canonical_beside_it() -> None:
    """What was measured is the truth; what was reckoned is marked as such."""
    value = to_fhir(weight(), patient_id=PATIENT)["valueQuantity"]
    (mark,) = value.pop("extension")
    assert (
        to_json(value)
        == b'{"code":"[lb_av]","system":"http://unitsofmeasure.org","unit":"[lb_av]","value":180.0}'
    )
    assert mark["url"] == CANONICAL_QUANTITY
    assert str(mark["valueQuantity"]["value"]) == "81.6466266"


@pytest.mark.parametrize("kind", list(AuthorKind))
def test_who_vouches_stands_in_the_resource(kind: AuthorKind) -> None:
    """The citizen's own entries are told apart from a professional's (EHDS art. 5)."""
    author = Author(kind, "id-1", "N")
    out = to_fhir(weight(provenance=replace(CITIZEN, author=author)), patient_id=PATIENT)
    assert out["meta"]["tag"][0]["code"] == kind
    assert out["meta"]["source"] == "urn:halsovalvet:form"
    assert out["performer"]


def test_provenance_names_who_for_whom_how_and_when() -> None:
    """Everything that the record knows of its origin goes out."""
    source = replace(CITIZEN, author=NURSE, on_behalf_of="Anna", import_id="ff")
    out = provenance_to_fhir(weight(provenance=source))
    text = to_json(out).decode()
    for part in (
        "SE2321000016-A1",
        "Nora Nilsson, Vårdcentralen Norr",
        "Anna",
        "Omron M7",
        "form",
        "ff",
        "2026-03-01",
    ):
        assert part in text
    assert out["target"] == [{"reference": f"Observation/{weight().id}"}]


def test_record_of_another_kind_without_its_resource_is_refused() -> None:
    """An empty CarePlan would be an invention."""
    with pytest.raises(ValueError, match="must hold its resource"):
        to_fhir(weight(kind="CarePlan"), patient_id=PATIENT)
