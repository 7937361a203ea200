import io
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers import fhir
from importers.candidates import FormatError, RowError
from importers.r4 import OBSERVATION_ELEMENTS
from policies.vocabulary import Category
from tests.columns import mark
from tests.importers.import_inputs import PROVENANCE, of_fhir, records, rejections, sample
from vault.record import Quantity
from vault.resource import UNDATED, from_json, to_fhir, to_json

INTAKE = b"i" * 32
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


def weight(**changes: Any) -> dict[str, Any]:
    """Make a small valid Observation; a change to None leaves the element out."""
    whole = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "29463-7", "display": "Body weight"}]},
        "effectiveDateTime": "2026-03-01T08:00:00+01:00",
        "valueQuantity": {"value": 72.5, "unit": "kg", "system": UCUM, "code": "kg"},
    } | changes
    return {name: value for name, value in whole.items() if value is not None}


def test_observation_that_the_fields_can_say_keeps_no_copy_of_itself() -> None:
    """A million measurements must not each carry their JSON."""
    (record,) = records(of_fhir(weight()))
    assert record.resource == ""
    assert record.category is Category.BODY_WEIGHT
    assert record.quantity == Quantity(Decimal("72.5"), "kg")
    assert record.start.isoformat() == "2026-03-01T08:00:00+01:00"


@pytest.mark.parametrize(
    "more",
    [
        {"id": "theirs"},
        {"effectiveDateTime": "2026-03"},
        {"effectiveDateTime": "2026-03-01T08:00:00.1234567Z"},
        {"issued": "2026-03-01T08:00:00Z"},
        {"bodySite": {"text": "arm"}},
        {"interpretation": [{"text": "high"}]},
        {"subject": {"reference": "Patient/1", "display": "Anna"}},
        {"performer": [{"display": "Kim"}]},
        {"meta": {"security": [{"code": "R"}]}},
        {"note": [{"text": "a", "time": "2026"}]},
        {"_status": {"extension": [{"url": "x", "valueCode": "y"}]}},
        {"category": [{"coding": [{"system": "http://x", "code": "y"}]}]},
        {"valueQuantity": {"value": 72.5, "comparator": "<", "unit": "kg"}},
        {"valueQuantity": {"value": 72.5, "unit": "kg", "extension": [{"url": "x", "valueCode": "y"}]}},
        {"code": {"coding": [{"system": LOINC, "code": "29463-7"}, {"system": "http://x", "code": "w"}]}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_the_fields_cannot_say_is_kept_whole(more: dict[str, Any]) -> None:
    """Nothing valid is lost, however small."""
    whole = weight(**more)
    (record,) = records(of_fhir(whole))
    assert from_json(record.resource) == json.loads(json.dumps(whole), parse_float=Decimal)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": None}, "missing: status"),
        ({"status": "done"}, "not a status of FHIR R4: “done”"),
        ({"status": 5}, "wrong type: “status”"),
        ({"code": None}, "missing: code"),
        ({"code": {}}, "missing: code"),
        ({"code": {"coding": [{"system": LOINC}]}}, "missing: code"),
        ({"code": {"coding": "x"}}, "wrong type: coding"),
        ({"code": {"coding": ["x"]}}, "wrong type: coding"),
        ({"code": {"coding": [{"code": 5}]}}, "wrong type: code.coding"),
        ({"code": "x"}, "wrong type: “code”"),
        ({"category": {}}, "wrong type: “category”"),  # DSTU2 wrote one category, not a list
        ({"category": ["x"]}, "wrong type: “category”"),
        ({"effectiveDateTime": "yesterday"}, "not a date: “yesterday”"),
        ({"effectiveDateTime": "2026-02-30"}, "not a date"),
        ({"effectiveDateTime": "2026-03-01T08:00:00"}, "not a date"),
        ({"effectiveDateTime": "0001-01-01"}, "not a date"),
        ({"effectiveDateTime": "2026-03-01T08:00:00+01:75"}, "not a date"),
        ({"effectivePeriod": {"start": "2026"}}, "more than once: effectiveDateTime, effectivePeriod"),
        ({"valueString": "x"}, "more than once: valueString, valueQuantity"),
        ({"valueQuantity": {"value": "72"}}, "wrong type: valueQuantity"),
        ({"valueQuantity": {"value": True}}, "wrong type: valueQuantity"),
        ({"valueQuantity": {"value": 1, "unit": 5}}, "wrong type: valueQuantity"),
        ({"valueQuantity": {"value": 1, "comparator": "~"}}, "wrong type: valueQuantity.comparator"),
        ({"valueQuantity": {"value": 1, "extension": "x"}}, "wrong type: extension"),
        ({"valueQuantity": [1]}, "wrong type: “valueQuantity”"),
        ({"component": [5]}, "wrong type: “component”"),
        ({"component": [{}]}, "missing: component.code"),
        ({"component": [{"code": {"text": "x"}, "valueQuantity": 5}]}, "wrong type: component.valueQuantity"),
        ({"meta": {"tag": 5}}, "wrong type: meta"),
        ({"valueAttachment": {}}, "not an element of a FHIR R4 Observation: “valueAttachment”"),  # R5
        ({"resourceType": "Observatoin"}, "not a resource type of FHIR R4: “Observatoin”"),
    ],
)
def test_invalid_observation_is_listed_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    """Only what is invalid R4 is refused, and its neighbours are kept."""
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": weight()}, {"resource": weight(**changes)}, {"resource": weight()}],
    }
    items = of_fhir(bundle)
    (found,) = rejections(items)
    assert reason in found.reason
    assert found.where == "Bundle.entry[1]"
    assert len(records(items)) == 2


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (5, "wrong type: entry"),
        ({}, "no resource"),
        ({"resource": 5}, "not a FHIR resource"),
        ({"resource": {}}, "resourceType is missing"),
        ({"resource": {"resourceType": 5}}, "resourceType is missing"),
    ],
)
def test_entry_that_is_no_resource_is_listed(entry: Any, reason: str) -> None:
    """A Bundle's other entries do not suffer for it."""
    items = of_fhir({"resourceType": "Bundle", "entry": [entry, {"resource": weight()}]})
    assert reason in rejections(items)[0].reason
    assert len(records(items)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"value": NaN}', "not a number: NaN"),
        ('{"value": 1, "value": 2}', "more than once: “value”"),
        ('{"value": 1, "unit": "\\ud800"}', "not text"),
        ("[" * 60 + "]" * 60, "nested too deeply"),
    ],
)
def test_json_that_fhir_forbids_costs_only_its_own_row(text: str, reason: str) -> None:
    """Two values under one name is two truths: which one a reader sees would be chance."""
    bad = json.dumps(weight(valueQuantity="@")).replace('"@"', text)
    good = json.dumps(weight())
    data = f'{{"resourceType": "Bundle", "entry": [{{"resource": {bad}}}, {{"resource": {good}}}]}}'
    items = of_fhir(data.encode())
    assert reason in rejections(items)[0].reason
    assert len(records(items)) == 1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b'{"resourceType": "Observation",\n "status": }', r"Not valid JSON \(2:12\)"),
        (b'{"a": 1}', "Accepted: Apple"),
        (b"[]", "Accepted: Apple"),
        (b"\xff{}", "not UTF-8"),
        (b'{"a":' * 200_000, "nested too deeply"),
    ],
)
def test_file_that_is_not_fhir_is_refused_in_words(data: bytes, sentence: str) -> None:
    """The line and column are what lets a programmer mend it."""
    with pytest.raises(FormatError, match=sentence):
        of_fhir(data)


def test_file_beyond_the_limit_is_refused() -> None:
    """What is read whole is bounded: a request, and one value of a file."""
    limits = fhir.Limits(whole=1000)
    with pytest.raises(FormatError, match="larger"):
        list(fhir.read(b" " * 2000, provenance=PROVENANCE, limits=limits))
    endless = io.BytesIO(b'{"resourceType": "Observation", "note": "' + b"x" * 1_000_000)
    with pytest.raises(FormatError, match="larger"):
        list(fhir.read_file(endless, provenance=PROVENANCE, limits=limits))


# --- values


def test_digits_are_kept_as_they_were_written() -> None:
    """72.50 says more than 72.5, and 0.1 is not a binary fraction."""
    text = (
        json.dumps(weight(valueQuantity=None)).replace("}", "}", 1)[:-1]
        + ', "valueQuantity": {"value": 72.50}}'
    )
    (record,) = records(of_fhir(text.encode()))
    assert record.quantity is not None
    assert str(record.quantity.value) == "72.50"


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("0.1234567890123456789", "0.123456789012345679"),
        ("12345678901234567890123", "12345678901234567900000"),
        ("-0", "0"),
    ],
)
def test_number_with_too_many_digits_is_rounded_beside_the_whole_resource(number: str, kept: str) -> None:
    """A column holds 18 digits; what was written stays in the resource."""
    text = json.dumps(weight(valueQuantity={"value": "@"})).replace('"@"', number)
    (record,) = records(of_fhir(text.encode()))
    assert record.quantity is not None
    assert record.quantity.value == Decimal(kept)
    assert number in record.resource


def test_number_beyond_all_measure_is_text_only() -> None:
    """1E999999999 written out would fill the memory."""
    text = json.dumps(weight(valueQuantity={"value": "@"})).replace('"@"', "1E999999999")
    (record,) = records(of_fhir(text.encode()))
    assert record.quantity is None
    assert record.text == "1E+999999999"


def test_comparator_is_never_reckoned_with() -> None:
    """A "< 5" drawn as 5 in a trend would be a wrong value."""
    (record,) = records(of_fhir(weight(valueQuantity={"value": 5, "comparator": "<", "unit": "mg/L"})))
    assert (record.quantity, record.canonical, record.text) == (None, None, "<5 mg/L")


def test_pounds_get_kilograms_beside_them() -> None:
    """The canonical value is what a chart is drawn of."""
    (record,) = records(
        of_fhir(weight(valueQuantity={"value": 185, "unit": "lbs", "system": UCUM, "code": "[lb_av]"}))
    )
    assert record.canonical == Quantity(Decimal("83.91458845"), "kg")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"valueString": "blå"}, "blå"),
        ({"valueBoolean": True}, "true"),
        ({"valueInteger": 3}, "3"),
        ({"valueCodeableConcept": {"text": "Positiv"}}, "Positiv"),
        ({"valueRange": {"low": {"value": 1}}}, ""),
        ({"dataAbsentReason": {"text": "not asked"}}, ""),
        ({"hasMember": [{"reference": "Observation/1"}]}, ""),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_value_that_is_no_quantity_is_kept(value: dict[str, Any], text: str) -> None:
    """An answer, a panel, or why there is no value, are facts too."""
    (record,) = records(of_fhir(weight(valueQuantity=None, **value)))
    assert (record.quantity, record.text) == (None, text)


# --- when


@pytest.mark.parametrize(
    ("effective", "start", "end"),
    [
        ({"effectiveDateTime": "2012"}, datetime(2012, 1, 1, tzinfo=UTC), None),
        ({"effectiveDateTime": "2012-09"}, datetime(2012, 9, 1, tzinfo=UTC), None),
        ({"effectiveInstant": "2012-09-01T10:00:00Z"}, datetime(2012, 9, 1, 10, tzinfo=UTC), None),
        ({"effectivePeriod": {"end": "2012-09-02"}}, datetime(2012, 9, 2, tzinfo=UTC), None),
        ({"effectiveTiming": {"event": ["2012-09-03"]}}, datetime(2012, 9, 3, tzinfo=UTC), None),
        ({"issued": "2012-09-04T00:00:00Z"}, datetime(2012, 9, 4, tzinfo=UTC), None),
        (
            {"effectivePeriod": {"start": "2012-09-01T23:30:00+02:00", "end": "2012-09-01T22:00:00Z"}},
            datetime(2012, 9, 1, 21, 30, tzinfo=UTC),
            datetime(2012, 9, 1, 22, tzinfo=UTC),
        ),
    ],
    ids=str,
)
def test_every_way_to_say_when_is_read(
    effective: dict[str, Any], start: datetime, end: datetime | None
) -> None:
    """FHIR has four ways, and dates that are not whole."""
    (record,) = records(of_fhir(weight(effectiveDateTime=None) | effective))
    assert (record.start, record.end) == (start, end)


def test_period_that_ends_before_it_starts_is_listed() -> None:
    """FHIR's own rule per-1."""
    period = {"start": "2012-09-02", "end": "2012-09-01"}
    items = of_fhir(weight(effectiveDateTime=None, effectivePeriod=period))
    assert "ends before" in rejections(items)[0].reason


def test_undated_resource_is_the_same_record_at_every_import() -> None:
    """Filed by the time of import, the same file twice would be stored twice."""
    patient = {"resourceType": "Patient", "id": "p"}
    later = replace(PROVENANCE, received=datetime(2027, 1, 1, tzinfo=UTC), import_id="2")
    (one,) = records(of_fhir(patient))
    (two,) = records(fhir.read(json.dumps(patient).encode(), provenance=later))
    assert one.start == two.start == UNDATED
    assert mark(one, INTAKE) == mark(two, INTAKE)


# --- bundles and documents


def test_only_the_newest_version_of_a_history_is_taken() -> None:
    """An older version is a value that its author has taken back."""
    entries: list[dict[str, Any]] = [
        {"resource": weight(id="a", status="corrected")},
        {"request": {"method": "DELETE", "url": "Observation/b"}},
        {"resource": weight(id="a")},
        {"resource": weight(id="b")},
    ]
    items = of_fhir({"resourceType": "Bundle", "type": "history", "entry": entries})
    assert [record.status for record in records(items)] == ["corrected"]
    assert [found.where for found in rejections(items)] == [f"Bundle.entry[{n}]" for n in (1, 2, 3)]


@pytest.mark.parametrize("kind", ["transaction", "batch", "collection", "searchset", "document", "message"])
def test_bundles_of_every_type_are_read(kind: str) -> None:
    """The type says how the Bundle was sent, not what it holds."""
    inner = {"resourceType": "Bundle", "entry": [{"resource": weight()}]}
    items = of_fhir({"resourceType": "Bundle", "type": kind, "entry": [{"resource": inner}]})
    assert [item.where for item in items] == ["Bundle.entry[0].entry[0]"]


def test_bundles_within_bundles_end() -> None:
    """Depth is bounded."""
    bundle: dict[str, Any] = {"resourceType": "Bundle", "entry": [{"resource": weight()}]}
    for _ in range(6):
        bundle = {"resourceType": "Bundle", "entry": [{"resource": bundle}]}
    assert "too deeply" in rejections(of_fhir(bundle))[0].reason


@pytest.mark.parametrize(
    ("resource", "category", "start"),
    [
        ({"resourceType": "CarePlan", "period": {"start": "2020-05-01"}}, Category.CARE_PLAN, "2020-05-01"),
        ({"resourceType": "Goal", "startDate": "2020-05-02"}, Category.GOAL, "2020-05-02"),
        ({"resourceType": "Condition", "onsetDateTime": "2020-05-03"}, Category.HEALTH_STATUS, "2020-05-03"),
        (
            {"resourceType": "Immunization", "occurrenceDateTime": "2020-05-04"},
            Category.IMMUNIZATION,
            "2020-05-04",
        ),
        (
            {"resourceType": "MedicationRequest", "authoredOn": "2020-05-05"},
            Category.MEDICATION,
            "2020-05-05",
        ),
        (
            {"resourceType": "Appointment", "start": "2020-05-06T10:00:00Z"},
            Category.APPOINTMENT,
            "2020-05-06",
        ),
        ({"resourceType": "Consent", "dateTime": "2020-05-07"}, Category.AGREEMENT, "2020-05-07"),
        (
            {"resourceType": "DocumentReference", "date": "2020-05-08T00:00:00Z"},
            Category.DOCUMENT,
            "2020-05-08",
        ),
        ({"resourceType": "Claim", "created": "2020-05-09"}, Category.DOCUMENT, "2020-05-09"),
        ({"resourceType": "Patient", "address": [{"city": "Umeå"}]}, Category.LOCATION, "1970-01-01"),
        ({"resourceType": "Organization", "name": "VC"}, Category.CONTACT, "1970-01-01"),
        (
            {
                "resourceType": "DiagnosticReport",
                "category": [{"coding": [{"code": "LAB"}]}],
                "issued": "2020-05-10",
            },
            Category.LAB_RESULT,
            "2020-05-10",
        ),
    ],
    ids=lambda value: value.get("resourceType") if isinstance(value, dict) else None,
)
def test_other_resources_are_documents_of_their_kind(
    resource: dict[str, Any], category: Category, start: str
) -> None:
    """Each goes to the drawer whose grant should cover it, whole."""
    (record,) = records(of_fhir(resource))
    assert (record.category, record.kind) == (category, resource["resourceType"])
    assert record.start.date().isoformat() == start
    assert json.loads(record.resource) == resource


def test_address_is_not_in_the_contact_drawer() -> None:
    """With protected identity, a grant for contacts must not tell where the person lives."""
    for kind in ("Patient", "Person", "RelatedPerson", "Location"):
        (record,) = records(of_fhir({"resourceType": kind}))
        assert record.category is Category.LOCATION


# --- whatever comes

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text()
)
NAMES = st.sampled_from(
    [
        "coding",
        "code",
        "system",
        "value",
        "unit",
        "text",
        "extension",
        "url",
        "start",
        "end",
        "display",
        "tag",
    ]
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
ELEMENTS = st.sampled_from(sorted(OBSERVATION_ELEMENTS))


@given(
    st.dictionaries(ELEMENTS, ANYTHING, max_size=3), st.sampled_from(["Observation", "CarePlan", "Patient"])
)
@settings(max_examples=400, deadline=None)
def test_any_json_is_a_record_that_can_go_out_or_a_reason(changes: dict[str, Any], kind: str) -> None:
    """A crash on one strange resource would cost all the others, at import or at every reading after."""
    try:
        record = fhir.read_resource(weight(**changes) | {"resourceType": kind}, provenance=PROVENANCE)
    except RowError:
        return
    assert to_json(to_fhir(record, patient_id="ab"))
    assert mark(record, INTAKE)


# --- other people's data


@pytest.mark.parametrize(
    ("name", "entries", "observations", "conditions"),
    [("healthy", 42, 34, 0), ("type2_diabetes", 50, 34, 4)],
)
def test_golden_bundles(name: str, entries: int, observations: int, conditions: int) -> None:
    """Every entry is kept, each as its kind."""
    items = of_fhir(sample(f"fhir/golden/bundle-{name}.json").read_bytes())
    kinds = Counter(record.kind for record in records(items))
    assert (len(items), sum(kinds.values())) == (entries, entries)
    assert (kinds["Observation"], kinds["Condition"]) == (observations, conditions)


def test_synthea_bundle_keeps_the_order_of_components() -> None:
    """Diastolic is listed first there; what came is not rearranged."""
    (path,) = sample("fhir/synthea-r4").glob("Clemente*")
    found = records(of_fhir(path.read_bytes()))
    assert len(found) == 70
    assert sum(record.kind == "Observation" for record in found) == 48
    pressures = [record for record in found if record.category is Category.BLOOD_PRESSURE]
    assert len(pressures) == 3
    first = [
        (part.code.code, round(part.quantity.value, 2)) for part in pressures[0].components if part.quantity
    ]
    assert first == [("8462-4", Decimal("71.58")), ("8480-6", Decimal("106.68"))]


def test_published_examples_are_all_valid() -> None:
    """HL7's own examples: what refuses one of them is wrong about R4."""
    for path in sample("fhir/r4-examples").glob("*.json"):
        items = of_fhir(path.read_bytes())
        assert len(records(items)) == 1, path.name


def test_published_blood_pressures() -> None:
    """107/60; cancelled, with no values."""
    folder = sample("fhir/r4-examples")
    (record,) = records(of_fhir((folder / "observation-example-bloodpressure.json").read_bytes()))
    assert [str(part.quantity.value) for part in record.components if part.quantity] == ["107", "60"]
    (record,) = records(of_fhir((folder / "observation-example-bloodpressure-cancel.json").read_bytes()))
    assert record.status == "cancelled"
    assert all(part.quantity is None for part in record.components)
