"""Own-made inputs for the importers' tests."""

import io
import json
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from importers import apple_health, fhir
from importers.candidates import Candidate, Item, Rejection
from vault.columns import Columns
from vault.record import Author, AuthorKind, Origin, Provenance, Record

PROVENANCE = Provenance(
    Author(AuthorKind.CITIZEN, "ab" * 16, "Anna"), Origin.APPLE_HEALTH, datetime(2026, 3, 1, 12, tzinfo=UTC)
)
AT = "2026-03-01 08:00:00 +0100"
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"

DTD = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 14 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary)*)>
<!ATTLIST HealthData locale CDATA #REQUIRED>
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record type CDATA #REQUIRED unit CDATA #IMPLIED value CDATA #IMPLIED startDate CDATA #REQUIRED>
]>
"""


def sample(path: str) -> Path:
    """Return a shared sample, or skip the test, saying so, where the samples are not at hand."""
    found = SAMPLES / path
    if not found.exists():
        pytest.skip(f"the shared sample {path} is not on this machine")
    return found


def row(name: str = "HeartRate", *, inside: str = "", **attributes: str | None) -> str:
    """Write one Record of a quantity type; an attribute given as None is left out."""
    given = {
        "type": f"HKQuantityTypeIdentifier{name}", "sourceName": "Annas iPhone", "unit": "count/min",
        "startDate": AT, "endDate": AT, "value": "60",
    } | attributes  # fmt: skip
    written = " ".join(f'{key}="{value}"' for key, value in given.items() if value is not None)
    return f"<Record {written}>{inside}</Record>\n"


def export(*rows: str, dtd: str = DTD) -> bytes:
    """Write an export around rows."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n{dtd}<HealthData locale="sv_SE">\n'
    return (head + "".join(rows) + "</HealthData>\n").encode()


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Write a zip of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def apple(data: bytes) -> list[Item]:
    """Read an export whole."""
    return list(apple_health.read(io.BytesIO(data), provenance=PROVENANCE))


def of_fhir(resource: Any) -> list[Candidate | Rejection]:
    """Read a FHIR file whole: bytes as they are, anything else as JSON."""
    data = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return list(fhir.read(data, provenance=PROVENANCE))


def records(items: Iterable[Item]) -> list[Record]:
    """Return the records among what was read."""
    found: list[Record] = []
    for item in items:
        match item:
            case Columns():
                found += item.records()
            case Candidate(record):
                found.append(record)
            case Rejection():
                pass
    return found


def rejections(items: Iterable[Item]) -> list[Rejection]:
    """Return the rejections among what was read."""
    return [item for item in items if isinstance(item, Rejection)]
