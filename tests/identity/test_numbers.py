import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from stdnum.se import personnummer as stdnum_personnummer

from identity.numbers import (
    NumberError,
    NumberKind,
    from_identifier,
    is_hsa_id,
    is_plain_hsa_id,
    parse_personal_number,
)

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "sweden"
AT = datetime(2026, 11, 22, tzinfo=UTC)
FORMS = ("long_format", "short_format", "separated_format", "separated_long")
CENTENARIANS = ("190905271474", "190901219931")  # ten digits without + name a child of 2009


def sample(name: str) -> Any:
    """Read one of the reference files, or skip."""
    if not SAMPLES.is_dir():
        pytest.skip("../shared/samples is not here")
    return json.loads((SAMPLES / name).read_text())


def test_list_of_published_numbers_has_the_verdicts_of_its_makers() -> None:
    """Every form of every number is judged as the reference data judges it."""
    for row in sample("list.json"):
        for form in FORMS:
            text = row[form]
            if not row["valid"]:
                with pytest.raises(NumberError):
                    parse_personal_number(text, at=AT)
                continue
            number = parse_personal_number(text, at=AT)
            assert number.digits[2:] == row["long_format"][2:]
            if row["long_format"] not in CENTENARIANS or form != "short_format":
                assert number.digits == row["long_format"]
            con = number.kind is NumberKind.SAMORDNINGSNUMMER
            assert con == (row["type"] == "con")


def test_structured_vectors_have_the_verdicts_of_their_makers() -> None:
    """The second set of vectors agrees too, integers written out."""
    for group in sample("structured.json").values():
        for cases in group.values():
            for text in cases["valid"]:
                parse_personal_number(str(text), at=AT)
            for text in cases["invalid"]:
                with pytest.raises(NumberError):
                    parse_personal_number(str(text), at=AT)


def test_interim_numbers_are_not_personal_numbers() -> None:
    """A letter in a number means that no authority has issued it."""
    for row in sample("interim.json"):
        with pytest.raises(NumberError):
            parse_personal_number(row["long_format"], at=AT)


@pytest.mark.parametrize(
    ("text", "year"), [("191500722390", 1915), ("191711602399", 1917), ("150072+2390", 1915)]
)
def test_published_samordningsnummer_without_a_known_birth_date_are_valid(text: str, year: int) -> None:
    """The tax agency publishes numbers with month 00 and with day 60: refusing them shuts real people out."""
    number = parse_personal_number(text, at=AT)
    assert number.kind is NumberKind.SAMORDNINGSNUMMER
    assert number.birth_date is None
    assert number.birth_year == year


def test_samordningsnummer_tells_its_holders_birth_date() -> None:
    """Sixty is taken off the day."""
    number = parse_personal_number("197302889931")
    assert number.birth_date == date(1973, 2, 28)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("000405-9937", AT, "200004059937"),
        ("000405-9937", datetime(1999, 6, 1, tzinfo=UTC), "190004059937"),
        ("090527+1474", AT, "190905271474"),
        ("090527-1474", AT, "200905271474"),
        ("260405-9935", datetime(2026, 1, 1, tzinfo=UTC), None),
    ],
)
def test_ten_digits_name_the_latest_century_that_is_past(
    text: str, at: datetime, expected: str | None
) -> None:
    """The sign is what tells a centenarian from a child."""
    if expected is None:
        with pytest.raises(NumberError):
            parse_personal_number(text, at=at)
        return
    assert parse_personal_number(text, at=at).digits == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "10 or 12 digits"),
        ("19750325928", "10 or 12 digits"),
        ("1975032592800", "10 or 12 digits"),
        ("1975 0325 9280", "10 or 12 digits"),
        ("１９７５０３２５９２８０", "10 or 12 digits"),
        ("175003259280", "10 or 12 digits"),
        ("197503259280\n1", "10 or 12 digits"),
        ("197503250003", "serial"),
        ("197503259281", "check digit"),
        ("197902302389", "date"),
        ("197502912389", "date"),
        ("197513012388", "date"),
        ("197500012389", "date"),
    ],
)
def test_refusal_says_why_and_never_repeats_the_number(text: str, why: str) -> None:
    """An error text ends in logs and pages."""
    with pytest.raises(NumberError, match=why) as caught:
        parse_personal_number(_with_check_digit(text) if why == "date" else text, at=AT)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


def test_space_around_a_number_is_not_part_of_it() -> None:
    """People paste."""
    assert parse_personal_number(" 19750325-9280\n").digits == "197503259280"


def test_repr_hides_the_digits() -> None:
    """A number that lands in a traceback or a log line shows no digits."""
    number = parse_personal_number("197503259280")
    assert repr(number) == str(number) == f"{number}" == "<personnummer>"


def test_twelve_digits_of_a_personnummer_agree_with_stdnum() -> None:
    """Another library judges the same numbers the same."""
    for serial in range(1, 60):
        for month in (2, 11):
            text = f"2001{month:02d}29{serial:03d}{serial % 10}"
            try:
                parse_personal_number(text, at=AT)
                ours = True
            except NumberError:
                ours = False
            assert ours == stdnum_personnummer.is_valid(text)


@pytest.mark.parametrize(
    "system", ["http://electronichealth.se/identifier/personnummer", "urn:oid:1.2.752.129.2.1.3.1"]
)
def test_both_systems_of_a_personnummer_are_taken(system: str) -> None:
    """Sweden's base profiles write a URI, older systems the OID."""
    number = from_identifier(system, "197503259280")
    assert number.digits == "197503259280"
    assert number.system == "http://electronichealth.se/identifier/personnummer"


@pytest.mark.parametrize(
    "system", ["http://electronichealth.se/identifier/samordningsnummer", "urn:oid:1.2.752.129.2.1.3.3"]
)
def test_both_systems_of_a_samordningsnummer_are_taken(system: str) -> None:
    """The same for the other kind."""
    assert from_identifier(system, "197302889931").system.endswith("/samordningsnummer")


@pytest.mark.parametrize(
    ("system", "value"),
    [
        ("", "197503259280"),
        ("urn:oid:1.2.752.129.2.1.4.1", "197503259280"),
        ("1.2.752.129.2.1.3.1", "197503259280"),
        ("http://electronichealth.se/identifier/nationelltReservnummer", "197503259280"),
        ("http://electronichealth.se/identifier/personnummer", "197302889931"),
        ("urn:oid:1.2.752.129.2.1.3.3", "197503259280"),
        ("urn:oid:1.2.752.129.2.1.3.1", "197503259281"),
    ],
)
def test_identifier_of_another_system_or_kind_is_refused(system: str, value: str) -> None:
    """A system that we do not know must not be read as one that we do."""
    with pytest.raises(NumberError):
        from_identifier(system, value)


def test_hsa_ids_have_the_verdicts_of_ineras_validator() -> None:
    """Ids that real systems send are neither refused nor widened."""
    vectors = sample("hsa-id-vectors.json")
    for text in vectors["valid"] + vectors["basprofiler_r4_examples"]:
        assert is_hsa_id(text), text
    for text in vectors["invalid"] + vectors["lenient_validator_rejects"]:
        assert not is_hsa_id(text), text


@pytest.mark.parametrize("text", ["SE2321009905-a", "SE2321009905-A/B", "SE2321009905-A:B", "SE2321009905-"])
def test_only_plain_hsa_ids_may_stand_inside_our_own_ids(text: str) -> None:
    """A slash or colon would let one id be read as another (``unit:<id>``, ``<unit>/<title>``)."""
    assert not is_plain_hsa_id(text)
    assert is_plain_hsa_id("SE2321009905-TESTVE1")


def _with_check_digit(twelve: str) -> str:
    """Return a number with its right check digit, so that nothing but the date is wrong."""
    total = 0
    for i, digit in enumerate(twelve[2:11]):
        doubled = int(digit) * (2 - i % 2)
        total += doubled - 9 * (doubled > 9)
    return twelve[:11] + str(-total % 10)
