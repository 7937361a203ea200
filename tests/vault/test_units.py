from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.vocabulary import Category
from vault.measures import (
    HEALTHKIT,
    LOINC,
    MEASURES,
    OBSERVATION_CATEGORY,
    OWN_CATEGORY,
    canonical,
    category_of,
)
from vault.record import Code, Quantity
from vault.units import MAX_DIGITS, bounded, convert, is_ucum, ucum

NUMBERS = st.decimals(min_value=Decimal("-1e9"), max_value=Decimal("1e9"), places=4)


@pytest.mark.parametrize(
    ("value", "unit", "target", "expected"),
    [
        ("1", "lb", "kg", "0.45359237"),
        ("11", "st", "kg", "69.85322498"),
        ("16", "oz", "kg", "0.45359237"),
        ("3500", "g", "kg", "3.5"),
        ("5", "ft", "cm", "152.4"),
        ("1", "mi", "km", "1.609344"),
        ("1", "m", "cm", "100"),
        ("212", "degF", "Cel", "100"),
        ("-40", "degF", "Cel", "-40"),
        ("37", "Cel", "[degF]", "98.6"),
        ("310.15", "K", "Cel", "37"),
        ("16", "kPa", "mm[Hg]", "120.009869233"),
        ("0.97", "1", "%", "97"),
        ("90", "min", "h", "1.5"),
        ("250", "mL", "L", "0.25"),
        ("1", "Cal", "kcal", "1"),
        ("1000", "cal", "kcal", "1"),
        ("2", "count/s", "/min", "120"),
        ("820", "cL/s", "L/min", "492"),
    ],
)
def test_known_conversions(value: str, unit: str, target: str, expected: str) -> None:
    """Factors are definitions, so these are exact."""
    found = convert(Quantity(Decimal(value), unit), target)
    assert found is not None
    assert str(found.value) == expected


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected"),
    [
        ("15074-8", "90.091", "mg/dL", "5"),
        ("2093-3", "200", "mg/dL", "5.17263675158"),
        ("2160-0", "1", "mg/dL", "88.4016973126"),
        ("718-7", "14.2", "g/dL", "142"),
    ],
)
def test_laboratory_conversions_use_the_molar_mass(code: str, value: str, unit: str, expected: str) -> None:
    """mg/dL to mmol/L needs to know the substance."""
    found = canonical(Code(LOINC, code), Quantity(Decimal(value), unit))
    assert found is not None
    assert str(found.value) == expected


@pytest.mark.parametrize(
    ("unit", "target"),
    [("kg", "cm"), ("wibble", "kg"), ("", "kg"), ("mg/dL", "mmol/L"), ("%", "mmol/mol"), ("/d", "{steps}")],
)
def test_what_is_not_known_is_not_guessed(unit: str, target: str) -> None:
    """A wrong canonical value would be worse than none."""
    assert convert(Quantity(Decimal(1), unit), target) is None


@given(NUMBERS, st.sampled_from([("kg", "[lb_av]"), ("cm", "[in_i]"), ("Cel", "[degF]"), ("kcal", "kJ")]))
def test_there_and_back_is_the_same_within_rounding(value: Decimal, units: tuple[str, str]) -> None:
    """Rounding once at 12 digits must not drift."""
    there = convert(Quantity(value, units[0]), units[1])
    assert there is not None
    back = convert(there, units[0])
    assert back is not None
    assert abs(back.value - value) <= max(abs(value), Decimal(100)) * Decimal("1e-10")


@given(NUMBERS)
def test_value_in_the_wanted_unit_is_left_as_written(value: Decimal) -> None:
    """Trailing zeros say how exact the scale is."""
    same = convert(Quantity(value, "kg"), "kg")
    assert same is not None
    assert str(same.value) == str(value)


@given(st.decimals())
def test_bounded_numbers_fit_their_column(value: Decimal) -> None:
    """Any number that JSON or XML can write becomes one that can be stored, or none."""
    found = bounded(value)
    if found is not None:
        assert len(found.as_tuple().digits) <= MAX_DIGITS
        assert found.is_finite()
        assert abs(found - value) <= abs(value) * Decimal("1e-17")


@given(
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [("[degF]", "Cel"), ("[lb_av]", "kg"), ("kJ", "kcal"), ("K", "Cel"), ("ug", "[stone_av]")]
    ),
)
def test_any_number_that_can_be_stored_is_converted_to_one_that_can(
    number: Decimal, units: tuple[str, str]
) -> None:
    """A body temperature of two quintillion degrees is a slip; it must not end a whole import."""
    value = bounded(number)
    if value is None:
        return
    found = convert(Quantity(value, units[0]), units[1])
    assert found is not None
    assert len(found.value.as_tuple().digits) <= MAX_DIGITS
    assert abs(int(found.value.as_tuple().exponent)) < 127


def test_converted_number_beyond_eighteen_digits_keeps_its_exponent() -> None:
    """There is no room to write its zeros out."""
    found = convert(Quantity(Decimal(2 * 10**18), "[degF]"), "Cel")
    assert found is not None
    assert str(found.value) == "1.11111111111E+18"


def test_every_measure_has_names_and_a_unit_that_is_known() -> None:
    """The table is read by pages in two languages."""
    for measure in MEASURES.values():
        assert measure.sv
        assert measure.en
        assert measure.unit == "" or is_ucum(measure.unit), measure.code
        assert ucum(measure.unit) == measure.unit


@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        (Code(LOINC, "8867-4"), [(OWN_CATEGORY, "sleep")], Category.HEART_RATE),
        (Code(LOINC, "0-0"), [(OBSERVATION_CATEGORY, "laboratory")], Category.LAB_RESULT),
        (Code(LOINC, "0-0"), [(OBSERVATION_CATEGORY, "vital-signs")], Category.OTHER_MEASUREMENT),
        (Code(LOINC, "0-0"), [(OBSERVATION_CATEGORY, "survey")], Category.OTHER_MEASUREMENT),
        (Code(LOINC, "44261-6"), [(OBSERVATION_CATEGORY, "survey")], Category.MENTAL_HEALTH),
        (Code(HEALTHKIT, "x"), [(OWN_CATEGORY, "sleep")], Category.SLEEP),
        (Code(HEALTHKIT, "x"), [(OWN_CATEGORY, "journal-note")], Category.OTHER_MEASUREMENT),
        (Code("http://x", "8867-4"), [], Category.OTHER_MEASUREMENT),
    ],
)
def test_code_decides_the_drawer_before_the_sources_category(
    code: Code, given: list[tuple[str, str]], expected: Category
) -> None:
    """A source could otherwise put a heart rate where another grant covers it."""
    assert category_of(code, given) is expected
