"""The measures that people write in by hand: their fields, units and bounds, and how a form is read.

Bounds catch slips of the hand, not illness: they are wider than anything a living person measures.
Codes and units are those of docs (LOINC, UCUM); labels stand in :mod:`app.web.words`.
"""

from dataclasses import dataclass
from decimal import Decimal

from policies.vocabulary import Category


@dataclass(frozen=True, slots=True)
class MeasureField:
    """One number of a form: the field's name, its LOINC code, UCUM unit, bounds and decimals."""

    name: str
    code: str
    unit: str
    low: Decimal
    high: Decimal
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class MeasureForm:
    """A measure that can be written in. ``code`` is the whole's LOINC code, for blood pressure a panel's."""

    id: str
    category: Category
    code: str
    fields: tuple[MeasureField, ...]


def _single(ident: str, category: Category, field: MeasureField) -> MeasureForm:
    return MeasureForm(ident, category, field.code, (field,))


def _value(code: str, unit: str, bounds: tuple[str, str], *, decimals: int = 0) -> MeasureField:
    low, high = map(Decimal, bounds)
    return MeasureField("value", code, unit, low, high, decimals)


BLOOD_PRESSURE = MeasureForm(
    "blood-pressure",
    Category.BLOOD_PRESSURE,
    "85354-9",
    (
        MeasureField("systolic", "8480-6", "mm[Hg]", Decimal(40), Decimal(300)),
        MeasureField("diastolic", "8462-4", "mm[Hg]", Decimal(20), Decimal(200)),
    ),
)

MEASURES: tuple[MeasureForm, ...] = (
    BLOOD_PRESSURE,
    _single("body-weight", Category.BODY_WEIGHT, _value("29463-7", "kg", ("0.3", "500"), decimals=1)),
    _single("heart-rate", Category.HEART_RATE, _value("8867-4", "/min", ("20", "300"))),
    _single("glucose", Category.GLUCOSE, _value("15074-8", "mmol/L", ("0.5", "50"), decimals=1)),
    _single("body-temperature", Category.BODY_TEMPERATURE, _value("8310-5", "Cel", ("25", "45"), decimals=1)),
    _single("oxygen-saturation", Category.OXYGEN_SATURATION, _value("2708-6", "%", ("40", "100"))),
    _single("respiratory-rate", Category.RESPIRATION, _value("9279-1", "/min", ("4", "90"))),
    _single("body-height", Category.BODY_MEASURES, _value("8302-2", "cm", ("20", "260"), decimals=1)),
    _single("waist", Category.BODY_MEASURES, _value("8280-0", "cm", ("20", "300"), decimals=1)),
    _single("pain", Category.SYMPTOM, _value("72514-3", "{score}", ("0", "10"))),
)

BY_ID = {measure.id: measure for measure in MEASURES}
