"""A realistic export of Apple Health, of any size: what ten years of a phone, a watch and a scale write.

Heart rates are most of it, then energy, steps and distances; weights, blood pressures (each written three times,
as Apple does), sleep and workouts are few. Like Apple's own, the file is sorted by type and then by time, dates
carry the zone of the phone, and heart rates carry metadata. The same size is always the same file.
"""

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

_ZONE = ZoneInfo("Europe/Stockholm")
_FIRST = datetime(2016, 3, 1, tzinfo=UTC)
_YEARS = timedelta(days=3650)
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 14 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary|ClinicalRecord)*)>
<!ATTLIST HealthData locale CDATA #REQUIRED>
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record type CDATA #REQUIRED unit CDATA #IMPLIED value CDATA #IMPLIED sourceName CDATA #REQUIRED
 sourceVersion CDATA #IMPLIED device CDATA #IMPLIED creationDate CDATA #IMPLIED startDate CDATA #REQUIRED
 endDate CDATA #REQUIRED>
]>
<HealthData locale="sv_SE">
 <ExportDate value="2026-03-01 08:00:00 +0100"/>
 <Me HKCharacteristicTypeIdentifierDateOfBirth="1975-03-25"/>
"""
_DEVICE = (
    "&lt;&lt;HKDevice: 0x28{number:07x}&gt;, name:{name}, manufacturer:{maker}, model:{model}, "
    "hardware:{model}{number},2, software:{number}.1&gt;"
)
_MOTION = '\n  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="{}"/>\n '
_BY_HAND = '\n  <MetadataEntry key="HKWasUserEntered" value="1"/>\n '


class _Source(NamedTuple):
    """A device as Apple names it: its owner's name for it, and what it is."""

    name: str
    product: str
    maker: str
    model: str


_WATCH = _Source("Annas Apple\u00a0Watch", "Apple Watch", "Apple Inc.", "Watch")
_PHONE = _Source("Annas iPhone", "iPhone", "Apple Inc.", "iPhone")
_SCALE = _Source("Withings", "Body+", "Withings", "WBS05")
_CUFF = _Source("OMRON connect", "HEM-7361T", "Omron", "M7")


class _Series(NamedTuple):
    """One type: its share of all records, its unit, who writes it, how long each lasts, and its values."""

    name: str
    share: float
    unit: str
    source: _Source
    seconds: int
    low: float
    high: float
    digits: int


_SERIES = (
    _Series("HeartRate", 0.46, "count/min", _WATCH, 0, 48, 160, 0),
    _Series("ActiveEnergyBurned", 0.17, "kcal", _WATCH, 60, 0, 9, 3),
    _Series("BasalEnergyBurned", 0.10, "kcal", _WATCH, 60, 0, 20, 3),
    _Series("StepCount", 0.11, "count", _PHONE, 600, 1, 900, 0),
    _Series("DistanceWalkingRunning", 0.10, "km", _PHONE, 600, 0, 1, 5),
    _Series("OxygenSaturation", 0.012, "%", _WATCH, 15, 0.93, 1, 2),
    _Series("RespiratoryRate", 0.012, "count/min", _WATCH, 0, 11, 19, 1),
    _Series("HeartRateVariabilitySDNN", 0.01, "ms", _WATCH, 60, 15, 90, 4),
    _Series("BodyMass", 0.002, "kg", _SCALE, 0, 68, 74, 2),
)
MEMBER = "apple_health_export/export.xml"
_STAGES = ("Awake", "AsleepCore", "AsleepDeep", "AsleepREM", "InBed")
_SLEEP = 0.02
_PRESSURES = 0.001
_WORKOUTS = 0.001


def write(path: Path, records: int) -> None:
    """Write ``export.zip`` with about so many records, each some 340 bytes of XML."""
    random = Random(records)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(MEMBER, "w", force_zip64=True) as out,
    ):
        waiting: list[str] = [_HEAD]
        for element in _elements(random, records):
            waiting.append(element)
            if len(waiting) >= 1000:
                out.write("".join(waiting).encode())
                waiting = []
        out.write("".join([*waiting, "</HealthData>\n"]).encode())


def _elements(random: Random, records: int) -> Iterator[str]:
    for series in _SERIES:
        for at in _moments(random, int(records * series.share)):
            yield _quantity(random, series, at)
    for at in _moments(random, int(records * _SLEEP)):
        value = f"HKCategoryValueSleepAnalysis{random.choice(_STAGES)}"
        yield _record("HKCategoryTypeIdentifierSleepAnalysis", "", _WATCH, at, 1800, value=value)
    yield from _pressures(random, int(records * _PRESSURES))
    for at in _moments(random, int(records * _WORKOUTS)):
        yield _workout(random, at)


def _moments(random: Random, count: int) -> Iterator[datetime]:
    """Yield so many moments in order, over all the years, to the second."""
    for number in range(count):
        share = (number + random.random()) / count
        yield _FIRST + timedelta(seconds=int(_YEARS.total_seconds() * share))


def _quantity(random: Random, series: _Series, at: datetime) -> str:
    inside = ""
    if series.name == "HeartRate":
        inside = _MOTION.format(random.randrange(3))
    elif series.name == "BodyMass" and random.random() < 0.1:
        inside = _BY_HAND
    value = f"{random.uniform(series.low, series.high):.{series.digits}f}"
    identifier = f"HKQuantityTypeIdentifier{series.name}"
    return _record(identifier, series.unit, series.source, at, series.seconds, value=value, inside=inside)


def _record(
    identifier: str, unit: str, source: _Source, at: datetime, seconds: int, *, value: str, inside: str = ""
) -> str:
    dates = _dates(at, seconds)
    unit = f' unit="{unit}"' if unit else ""
    ending = f">{inside}</Record>" if inside else "/>"
    return f' <Record type="{identifier}" {_who(source, at)}{unit} {dates} value="{value}"{ending}\n'


def _who(source: _Source, at: datetime) -> str:
    number = 3 + (at.year - _FIRST.year) // 3  # a new device, or its software, every third year
    return _written(source, number, at.month % 4)


@cache
def _written(source: _Source, number: int, update: int) -> str:
    device = _DEVICE.format(name=source.product, maker=source.maker, model=source.model, number=number)
    return f'sourceName="{source.name}" sourceVersion="{number}.{update}" device="{device}"'


def _dates(at: datetime, seconds: int) -> str:
    """Write the three dates; all in the zone that the phone is in at that time."""
    start = _date(at)
    last = _date(at + timedelta(seconds=seconds)) if seconds else start
    created = _date(at + timedelta(seconds=seconds + 40))
    return f'creationDate="{created}" startDate="{start}" endDate="{last}"'


def _date(at: datetime) -> str:
    text = at.astimezone(_ZONE).isoformat(" ")
    return f"{text[:19]} {text[19:22]}{text[23:]}"


def _pressures(random: Random, count: int) -> Iterator[str]:
    """Yield each value alone, and after them all the pairs."""
    pairs: list[tuple[datetime, str, str]] = []
    for at in _moments(random, count):
        high, low = (
            _record(f"HKQuantityTypeIdentifierBloodPressure{name}", "mmHg", _CUFF, at, 0, value=str(value))
            for name, value in (
                ("Systolic", random.randint(105, 150)),
                ("Diastolic", random.randint(65, 95)),
            )
        )
        pairs.append((at, high, low))
    yield from (high for _, high, _ in pairs)
    yield from (low for _, _, low in pairs)
    kind = "HKCorrelationTypeIdentifierBloodPressure"
    for at, high, low in pairs:
        yield f' <Correlation type="{kind}" {_who(_CUFF, at)} {_dates(at, 0)}>\n{high}{low} </Correlation>\n'


def _workout(random: Random, at: datetime) -> str:
    minutes = random.randint(15, 90)
    kind = random.choice(("Running", "Walking", "Cycling"))
    return (
        f' <Workout workoutActivityType="HKWorkoutActivityType{kind}" duration="{minutes}" durationUnit="min" '
        f"{_who(_WATCH, at)} {_dates(at, minutes * 60)}>\n"
        f'  <WorkoutStatistics type="HKQuantityTypeIdentifierActiveEnergyBurned" sum="{minutes * 9}" unit="kcal"/>\n'
        " </Workout>\n"
    )
