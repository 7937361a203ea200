import io
import subprocess
import sys
import zipfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from importers import apple_health
from importers.apple_values import device_name
from importers.candidates import FormatError
from policies.vocabulary import Category
from tests.importers.import_inputs import (
    AT,
    PROVENANCE,
    apple,
    export,
    records,
    rejections,
    row,
    sample,
    zipped,
)
from vault.record import Quantity

LATER = "2026-03-01 08:30:00 +0100"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(startDate="not-a-date"), "not a date: “not-a-date”"),
        (row(startDate="2026-02-30 08:00:00 +0100"), "not a date"),
        (row(startDate=None), "start date is missing"),
        (row(startDate=LATER), "ends before it starts"),
        (row(endDate="soon"), "not a date: “soon”"),
        (row(value="unknown"), "not a number: “unknown”"),
        (row(value="NaN"), "not a number"),
        (row(value="1_000"), "not a number"),
        (row(value="٥"), "not a number"),
        (row(value="1e999"), "not a number"),
        (row(value=None), "value is missing"),
        (row(unit=None), "unit is missing"),
        (row(type=None), "type is missing"),
    ],
)
def test_bad_row_is_listed_with_line_and_reason_and_the_good_are_kept(bad: str, reason: str) -> None:
    """One bad row must cost its owner nothing but that row, and be findable."""
    items = apple(export(row(), bad, row(value="61"), dtd=""))
    assert [str(record.quantity.value) for record in records(items) if record.quantity] == ["60", "61"]
    (rejection,) = rejections(items)
    assert reason in rejection.reason
    assert rejection.where == "line 4"
    assert rejection.reason_sv


def test_quoted_value_is_short_and_on_one_line() -> None:
    """A rejection is shown to people: it may not carry a megabyte, or control characters."""
    (rejection,) = rejections(apple(export(row(value="x&#10;" + "y" * 5000))))
    assert len(rejection.reason) < 80
    assert rejection.reason.isprintable()


@pytest.mark.parametrize(
    ("name", "value", "unit", "kept", "canonical"),
    [
        ("BodyMass", "180.0", "lb", ("180.0", "[lb_av]"), ("81.6466266", "kg")),
        ("BodyMass", "81.65", "kg", ("81.65", "kg"), ("81.65", "kg")),
        ("Height", "70", "in", ("70", "[in_i]"), ("177.8", "cm")),
        ("BodyTemperature", "98.6", "degF", ("98.6", "[degF]"), ("37", "Cel")),
        ("OxygenSaturation", "0.97", "%", ("97", "%"), ("97", "%")),
        ("BloodGlucose", "100", "mg/dL", ("100", "mg/dL"), ("5.54994394557", "mmol/L")),
        ("BloodGlucose", "5.5", "mmol&lt;180.1558800000541&gt;/L", ("5.5", "mmol/L"), ("5.5", "mmol/L")),
        ("StepCount", "12", "count", ("12", "{count}"), ("12", "{steps}")),
        ("ActiveEnergyBurned", "418.4", "kJ", ("418.4", "kJ"), ("100", "kcal")),
    ],
)
def test_value_keeps_its_unit_and_gets_the_canonical_one(
    name: str, value: str, unit: str, kept: tuple[str, str], canonical: tuple[str, str]
) -> None:
    """What came is the truth; what is drawn in a chart must be in one unit."""
    (record,) = records(apple(export(row(name, value=value, unit=unit))))
    assert record.quantity == Quantity(Decimal(kept[0]), kept[1])
    assert record.canonical == Quantity(Decimal(canonical[0]), canonical[1])


def test_unknown_type_and_unit_are_kept_as_they_came() -> None:
    """A new phone writes types that no table knows yet, and nothing valid is lost."""
    (record,) = records(apple(export(row("BrandNew", unit="wibble", value="1.50"))))
    assert record.code.code == "HKQuantityTypeIdentifierBrandNew"
    assert record.category is Category.OTHER_MEASUREMENT
    assert record.quantity == Quantity(Decimal("1.50"), "wibble")
    assert record.canonical is None


def test_category_types_are_filed_by_what_they_say() -> None:
    """Sleep, a symptom and reproductive health are three drawers with three grants."""
    rows = [
        row(type=f"HKCategoryTypeIdentifier{name}", unit=None, value=value, endDate=LATER)
        for name, value in (
            ("SleepAnalysis", "HKCategoryValueSleepAnalysisAsleepCore"),
            ("Headache", "HKCategoryValueSeverityMild"),
            ("SexualActivity", "HKCategoryValueNotApplicable"),
        )
    ]
    found = [(record.category, record.text) for record in records(apple(export(*rows)))]
    assert found == [
        (Category.SLEEP, "AsleepCore"),
        (Category.SYMPTOM, "SeverityMild"),
        (Category.HEALTH_STATUS, "NotApplicable"),
    ]


# --- blood pressure

PRESSURES = (
    row("BloodPressureSystolic", unit="mmHg", value="120"),
    row("BloodPressureDiastolic", unit="mmHg", value="80"),
)


def correlation(*rows: str, at: str = AT) -> str:
    """Write a blood pressure as Apple correlates it."""
    kind = "HKCorrelationTypeIdentifierBloodPressure"
    opening = f'<Correlation type="{kind}" sourceName="Annas iPhone" startDate="{at}" endDate="{at}">'
    return f"{opening}{''.join(rows)}</Correlation>\n"


@pytest.mark.parametrize(
    "rows",
    [
        (*PRESSURES, correlation(*PRESSURES)),
        (correlation(*PRESSURES), *PRESSURES),
        (PRESSURES[0], correlation(*reversed(PRESSURES)), PRESSURES[1]),
        (correlation(*PRESSURES),),
    ],
    ids=["before", "after", "around", "alone"],
)
def test_pressure_written_three_times_is_one_record(rows: tuple[str, ...]) -> None:
    """Apple writes the pair and both halves; a nurse must see one reading, not three."""
    (record,) = records(apple(export(*rows)))
    assert record.category is Category.BLOOD_PRESSURE
    assert record.code.code == "85354-9"
    assert [(part.code.code, str(part.quantity.value)) for part in record.components if part.quantity] == [
        ("8480-6", "120"),
        ("8462-4", "80"),
    ]


def test_pressure_that_no_pair_claims_is_kept_alone() -> None:
    """Two equal halves and one pair: one of each half is the pair's, the other is a reading of its own."""
    found = records(apple(export(*PRESSURES, PRESSURES[0], correlation(*PRESSURES))))
    assert Counter(record.code.code for record in found) == {"85354-9": 1, "8480-6": 1}


def test_pair_with_a_bad_half_is_listed_and_the_good_half_kept() -> None:
    """Half a pair is no blood pressure, but the half that was written alone is a value."""
    bad = row("BloodPressureDiastolic", unit="mmHg", value="x")
    items = apple(export(PRESSURES[0], bad, correlation(PRESSURES[0], bad)))
    assert [record.code.code for record in records(items)] == ["8480-6"]
    assert len(rejections(items)) == 2


def test_pair_without_values_is_listed() -> None:
    """An empty correlation must not become an empty blood pressure."""
    (rejection,) = rejections(apple(export(correlation())))
    assert "no readable value" in rejection.reason


# --- workouts, what is not read, devices


@pytest.mark.parametrize("newer", [True, False])
def test_workout_keeps_duration_and_sums(newer: bool) -> None:  # noqa: FBT001
    """Older exports write sums as attributes, newer ones as statistics."""
    old = (
        ""
        if newer
        else 'totalDistance="5" totalDistanceUnit="km" totalEnergyBurned="300" totalEnergyBurnedUnit="Cal"'
    )
    statistics = "".join(
        f'<WorkoutStatistics type="HKQuantityTypeIdentifier{name}" sum="{value}" unit="{unit}"/>'
        for name, value, unit in (("DistanceWalkingRunning", 5, "km"), ("ActiveEnergyBurned", 300, "Cal"))
    )
    workout = (
        f'<Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="30.5" durationUnit="min" '
        f"{old} "
        f'startDate="{AT}" endDate="{LATER}">{statistics if newer else ""}</Workout>'
    )
    (record,) = records(apple(export(workout)))
    assert (record.category, record.text) == (Category.ACTIVITY, "Running")
    assert record.quantity == Quantity(Decimal("30.5"), "min")
    assert [str(part.quantity.value) for part in record.components if part.quantity] == ["5", "300"]


def test_what_is_not_read_is_said() -> None:
    """Hospital records and routes are left alone, and their owner is told so."""
    rows = ('<ClinicalRecord type="x"/>', '<ClinicalRecord type="y"/>', "<Audiogram/>", row())
    items = apple(export(*rows))
    assert [found.where for found in rejections(items)] == ["ClinicalRecord × 2", "Audiogram × 1"]
    assert len(records(items)) == 1


def test_metadata_that_changes_the_meaning_is_kept() -> None:
    """A glucose value before a meal is another fact than one after; a weather note is not."""
    inside = (
        '<MetadataEntry key="HKBloodGlucoseMealTime" value="1"/><MetadataEntry key="HKWeather" value="2"/>'
    )
    (record,) = records(apple(export(row("BloodGlucose", unit="mg/dL", value="100", inside=inside))))
    assert [(part.code.code, part.text) for part in record.components] == [("HKBloodGlucoseMealTime", "1")]


@pytest.mark.parametrize(
    ("device", "source", "name"),
    [
        (
            "<<HKDevice: 0x1>, name:Apple Watch, manufacturer:Apple Inc., model:Watch>",
            "Annas Watch",
            "Apple Watch",
        ),
        (
            "<<HKDevice: 0x1>, name:Annas våg, manufacturer:Withings, model:WS30>",
            "Annas våg",
            "Withings WS30",
        ),
        ("<<HKDevice: 0x1>, manufacturer:Omron, model:M7>", "x", "Omron M7"),
        ("", "Annas iPhone", "iPhone"),
        ("", "Annas Apple\u00a0Watch", "Apple\u00a0Watch"),
        ("", "Withings", "Withings"),
    ],
)
def test_device_is_the_product_and_not_its_owner(device: str, source: str, name: str) -> None:
    """The name "Annas iPhone" tells of a person in every record that staff read."""
    assert device_name(device, source) == name


# --- zip


def test_export_is_found_under_a_translated_name_beside_the_other_files() -> None:
    """Apple translates the file's name, and macOS adds a twin that is no export."""
    other = b"<ClinicalDocument>" + b"x" * 9000 + b"</ClinicalDocument>"
    files = {
        "__MACOSX/apple_health_export/._export.xml": b"\0\5\x16\7",
        "apple_health_export/export_cda.xml": other,
        "apple_health_export/.DS_Store": b"x",
        "apple_health_export/exportera.xml": export(row()),
        "apple_health_export/workout-routes/export.xml": other,
    }
    assert len(records(apple(zipped(files)))) == 1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (zipped({"a.txt": b"x"}), "holds no export"),
        (zipped({"export.xml": b"<html/>"}), "holds no export"),
        (zipped({"export.xml": export(row())})[:-30], "damaged or cut off"),
        (b"PK\x03\x04 and nothing more", "damaged or cut off"),
        (zipped({"export.xml": export(row())}, method=zipfile.ZIP_LZMA), "damaged or cut off"),
    ],
    ids=["no xml", "other xml", "cut", "stub", "lzma"],
)
def test_unreadable_zip_is_refused_in_words(data: bytes, sentence: str) -> None:
    """Whoever picked the wrong file must understand it."""
    with pytest.raises(FormatError, match=sentence) as refused:
        apple(data)
    assert refused.value.sv


def test_locked_zip_is_refused_in_words() -> None:
    """A password can't be asked for by a job."""
    data = bytearray(zipped({"export.xml": export(row())}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    with pytest.raises(FormatError, match="password"):
        apple(bytes(data))


def test_rows_before_a_break_are_kept() -> None:
    """A download that was cut must still give what it holds, and say where it ends."""
    whole = export(*[row(value=str(60 + i % 9)) for i in range(2000)])
    items = apple(whole[: len(whole) // 2])
    assert len(records(items)) > 900
    assert "cut off here" in rejections(items)[-1].reason


def test_rows_before_a_damaged_piece_of_a_zip_are_kept() -> None:
    """A flipped bit in the packed data ends the reading there, with the rows before it kept."""
    seconds = [f"2026-03-01 08:{i // 60 % 60:02d}:{i % 60:02d} +0100" for i in range(9000)]
    data = bytearray(zipped({"export.xml": export(*[row(startDate=at, endDate=at) for at in seconds])}))
    middle = len(data) // 2
    data[middle : middle + 40] = b"\xff" * 40
    items = apple(bytes(data))
    assert records(items)
    assert "cut off here" in rejections(items)[-1].reason


# --- memory


FLAT = """
import io, resource, sys, time
from tests.importers.import_inputs import PROVENANCE, export, row
from importers import apple_health

class Endless(io.RawIOBase):
    def __init__(self, size):
        head, self.tail = export("@").split(b"@")
        self.block = "".join(row(value=str(50 + i), inside="  " * 300) for i in range(200)).encode()
        self.left, self.rest = size, head
    def readable(self): return True
    def readinto(self, into):
        if not self.rest and self.left > 0:
            self.rest, self.left = self.block, self.left - len(self.block)
        elif not self.rest:
            self.rest, self.tail = self.tail, b""
        n = min(len(into), len(self.rest))
        into[:n], self.rest = self.rest[:n], self.rest[n:]
        return n

def peak(size):
    n = sum(map(len, apple_health.read(Endless(size), provenance=PROVENANCE)))
    return n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

small, before = peak(2_000_000)
large, after = peak(50_000_000)
print(small, large, after - before)
"""


def test_memory_stays_flat_over_fifty_megabytes() -> None:
    """Constant memory is what lets ten years of a watch in on a small machine."""
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-c", FLAT],
        cwd=root,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    small, large, growth = map(int, run.stdout.split())
    assert large > 20 * small
    assert growth < 8_000  # kilobytes


# --- other people's data


def test_small_sample_gives_eight_records_of_five_types() -> None:
    """A genuine export, as file and as zip with macOS's twin in it."""
    for name in ("small_export.xml", "small_export.zip"):
        found = records(apple(sample(f"apple/{name}").read_bytes()))
        assert len(found) == 8
        assert len({record.code for record in found}) == 5
        assert sum(record.category is Category.SLEEP for record in found) == 2


def test_malformed_sample_gives_two_records_and_four_reasons() -> None:
    """Bad date, no date, no number, no unit: the four ways of the sample."""
    items = apple(sample("apple/malformed_rows.xml").read_bytes())
    assert len(records(items)) == 2
    assert [found.where for found in rejections(items)] == ["line 19", "line 20", "line 21", "line 22"]


def test_stream_that_gives_little_at_a_time_is_read_whole() -> None:
    """An upload is opened frame by frame, so its reads come short."""

    class Short(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(7, size) if size and size > 0 else size)

    assert len(records(apple_health.read(Short(export(row(), row())), provenance=PROVENANCE))) == 2
