"""Units: the spellings that sources use, and exact conversion between UCUM units of one dimension.

Factors are the exact definitions (the avoirdupois pound is 0.45359237 kg, the inch 2.54 cm, the
thermochemical calorie 4.184 J); molar masses are those of domain.md and of the clinical conversion tables in
use. Arithmetic is decimal and rounds once, half to even, at 12 significant digits; a value already in the
wanted unit is returned as it was written. What is not known here is not guessed: the answer is ``None``.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

from vault.record import Quantity

#: No stored number has more digits (a 64-bit mantissa holds them), nor an exponent outside these bounds.
MAX_DIGITS = 18
MAX_EXPONENT = 100

_EXACT = Context(prec=80)
_RESULT = Context(prec=12, rounding=ROUND_HALF_EVEN)
_STORED = Context(prec=MAX_DIGITS, rounding=ROUND_HALF_EVEN)
_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class _Scale:
    """``base = (value + shift) * up / down`` in the dimension's base unit."""

    dimension: str
    up: Decimal = _ONE
    down: Decimal = _ONE
    shift: Decimal = _ZERO


def _table(dimension: str, factors: str) -> dict[str, _Scale]:
    scales = {}
    for pair in factors.split():
        unit, _, factor = pair.partition("=")
        up, _, down = factor.partition("|")
        scales[unit] = _Scale(dimension, Decimal(up or "1"), Decimal(down or "1"))
    return scales


_SCALES: dict[str, _Scale] = {
    **_table("mass", "kg=1 g=0.001 mg=0.000001 ug=0.000000001 [lb_av]=0.45359237 [oz_av]=0.028349523125"),
    **_table("mass", "[stone_av]=6.35029318"),
    **_table(
        "length", "m=1 km=1000 cm=0.01 mm=0.001 [in_i]=0.0254 [ft_i]=0.3048 [yd_i]=0.9144 [mi_i]=1609.344"
    ),
    **_table("pressure", "mm[Hg]=1 kPa=760|101.325"),
    **_table("rate", "/min=1 /s=60 Hz=60 /h=1|60"),
    **_table("per day", "/d=1"),
    **_table("time", "min=1 s=1|60 ms=1|60000 h=60 d=1440"),
    **_table("energy", "kcal=1 cal=0.001 kJ=1|4.184 J=0.001|4.184"),
    **_table("volume", "L=1 mL=0.001 dL=0.1 cL=0.01 [foz_us]=0.0295735295625 [cup_us]=0.2365882365"),
    **_table("fraction", "%=0.01 1=1"),
    **_table("flow", "L/min=1 L/s=60 mL/min=0.001 mL/s=0.06 cL/s=0.6"),
    **_table("speed", "m/s=1 km/h=1|3.6 [mi_i]/h=0.44704"),
    **_table("substance concentration", "mmol/L=1 umol/L=0.001 mol/L=1000 nmol/L=0.000001"),
    **_table(
        "mass concentration", "g/L=1 g/dL=10 mg/dL=0.01 mg/L=0.001 ug/mL=0.001 ug/L=0.000001 ng/mL=0.000001"
    ),
    **_table("mass index", "kg/m2=1"),
    **_table("substance fraction", "mmol/mol=1"),
    **_table("count", "{steps}=1 {count}=1"),
    **_table("score", "{score}=1"),
    **_table("inr", "{INR}=1"),
    **_table("enzyme", "U/L=1"),
    **_table("cells", "10*9/L=1 10*3/uL=1 10*12/L=1000 10*6/uL=1000"),
    **_table("filtration", "mL/min/{1.73_m2}=1"),
    **_table("small volume", "fL=1"),
    **_table("small mass", "pg=1"),
    **_table("mass ratio", "mg/g=1"),
    **_table("oxygen uptake", "mL/kg/min=1"),
    "Cel": _Scale("temperature"),
    "[degF]": _Scale("temperature", Decimal(5), Decimal(9), Decimal(-32)),
    "K": _Scale("temperature", shift=Decimal("-273.15")),
}

#: How sources write a UCUM unit. Only spellings that can mean nothing else.
_SPELLINGS: dict[str, str] = {
    "lb": "[lb_av]", "lbs": "[lb_av]", "oz": "[oz_av]", "st": "[stone_av]", "in": "[in_i]", "ft": "[ft_i]",
    "yd": "[yd_i]", "mi": "[mi_i]", "mi/hr": "[mi_i]/h", "km/hr": "km/h",
    "degC": "Cel", "C": "Cel", "°C": "Cel", "degrees C": "Cel", "degF": "[degF]", "F": "[degF]",
    "°F": "[degF]", "mmHg": "mm[Hg]", "mm Hg": "mm[Hg]",
    "count/min": "/min", "bpm": "/min", "beats/min": "/min", "beats/minute": "/min", "breaths/min": "/min",
    "breaths/minute": "/min", "{beats}/min": "/min", "count/s": "/s", "count": "{count}",
    "hr": "h", "Cal": "kcal", "l": "L", "ml": "mL", "dl": "dL", "cl": "cL", "l/min": "L/min",
    "ml/min": "mL/min", "fl_oz_us": "[foz_us]", "cup_us": "[cup_us]", "mcg": "ug", "µg": "ug", "μg": "ug",
    "mmol/l": "mmol/L", "µmol/L": "umol/L", "μmol/L": "umol/L", "umol/l": "umol/L", "mg/dl": "mg/dL",
    "g/dl": "g/dL", "mg/l": "mg/L", "g/l": "g/L", "kg/m^2": "kg/m2", "kg/m²": "kg/m2",
    "ml/(kg*min)": "mL/kg/min", "mL/min·kg": "mL/kg/min", "{beats}": "{count}", "INR": "{INR}",
    "10^9/L": "10*9/L", "10^12/L": "10*12/L",
}  # fmt: skip


def ucum(unit: str) -> str:
    """Return the UCUM code of a unit as a source spells it; what is not known comes back as it was."""
    spelled = unit.strip()
    if spelled.startswith("mmol<") and spelled.endswith(">/L"):
        return "mmol/L"  # Apple writes the molar mass into the unit: mmol<180.1558800000541>/L
    return _SPELLINGS.get(spelled, spelled)


def is_ucum(unit: str) -> bool:
    """Tell whether this is, letter for letter, a UCUM code that the table knows."""
    return unit in _SCALES


def bounded(value: Decimal) -> Decimal | None:
    """Return a number as it can be stored: at most 18 digits, or ``None`` if beyond all measure."""
    if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT:
        return None
    if value.is_zero() and value.is_signed():
        value = value.copy_abs()
    rounded = value if len(value.as_tuple().digits) <= MAX_DIGITS else _STORED.plus(value)
    exponent = rounded.as_tuple().exponent
    return rounded if isinstance(exponent, int) and abs(exponent) <= MAX_EXPONENT else None


def convert(quantity: Quantity, unit: str, *, molar_mass: Decimal | None = None) -> Quantity | None:
    """Return ``quantity`` in another UCUM unit, or ``None`` where that is not known.

    ``molar_mass`` (g/mol) lets a mass concentration become a substance concentration.
    """
    source = ucum(quantity.unit)
    if source == unit:
        return quantity if quantity.unit == unit else Quantity(quantity.value, unit)
    path = _path(source, unit, molar_mass)
    if path is None:
        return None
    shift, up, down, back = path
    value = _EXACT.multiply(_EXACT.add(quantity.value, shift), up)
    value = _RESULT.divide(value, down) if not back else _RESULT.add(_EXACT.divide(value, down), back)
    return Quantity(_plain(value), unit)


@lru_cache(maxsize=1024)
def _path(
    source: str, target: str, molar_mass: Decimal | None
) -> tuple[Decimal, Decimal, Decimal, Decimal] | None:
    old, new = _SCALES.get(source), _SCALES.get(target)
    if old is None or new is None:
        return None
    up, down = _EXACT.multiply(old.up, new.down), _EXACT.multiply(old.down, new.up)
    if old.dimension == new.dimension:
        return old.shift, up, down, -new.shift
    if {old.dimension, new.dimension} == {"count", "fraction"} and "1" in (source, target):
        return _ZERO, _ONE, _ONE, _ZERO  # a bare count
    match old.dimension, new.dimension, molar_mass:
        case "mass concentration", "substance concentration", Decimal():
            return _ZERO, _EXACT.multiply(up, Decimal(1000)), _EXACT.multiply(down, molar_mass), _ZERO
        case _:
            return None


def _plain(value: Decimal) -> Decimal:
    """Drop trailing zeros after the point, and write no exponent above zero where the digits have room."""
    short = value.normalize(_RESULT)
    exponent = short.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0 and short.adjusted() < MAX_DIGITS:
        return short.quantize(_ONE, context=_STORED)
    return short
