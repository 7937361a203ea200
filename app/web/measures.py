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
    """A measure that can be written in. ``code`` is the whole's LOINC code (a panel's, for blood pressure)."""

    id: str
    category: Category
    code: str
    fields: tuple[MeasureField, ...]


def _single(
    ident: str, category: Category, code: str, unit: str, low: str, high: str, decimals: int = 0
) -> MeasureForm:
    field = MeasureField("value", code, unit, Decimal(low), Decimal(high), decimals)
    return MeasureForm(ident, category, code, (field,))


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
    _single("body-weight", Category.BODY_WEIGHT, "29463-7", "kg", "0.3", "500", 1),
    _single("heart-rate", Category.HEART_RATE, "8867-4", "/min", "20", "300"),
    _single("glucose", Category.GLUCOSE, "15074-8", "mmol/L", "0.5", "50", 1),
    _single("body-temperature", Category.BODY_TEMPERATURE, "8310-5", "Cel", "25", "45", 1),
    _single("oxygen-saturation", Category.OXYGEN_SATURATION, "2708-6", "%", "40", "100"),
    _single("respiratory-rate", Category.RESPIRATION, "9279-1", "/min", "4", "90"),
    _single("body-height", Category.BODY_MEASURES, "8302-2", "cm", "20", "260", 1),
    _single("waist", Category.BODY_MEASURES, "8280-0", "cm", "20", "300", 1),
    _single("pain", Category.SYMPTOM, "72514-3", "{score}", "0", "10"),
)

BY_ID = {measure.id: measure for measure in MEASURES}
