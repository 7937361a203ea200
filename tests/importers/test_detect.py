import pytest

from importers.candidates import FormatError
from importers.detect import Format, detect


@pytest.mark.parametrize(
    ("first", "name", "found"),
    [
        (b"PK\x03\x04...", "export.zip", Format.APPLE_HEALTH),
        (b'<?xml version="1.0"?>', "", Format.APPLE_HEALTH),
        (b"\xef\xbb\xbf\n <HealthData", "", Format.APPLE_HEALTH),
        (b"\xff\xfe<\x00", "", Format.APPLE_HEALTH),
        (b' {"resourceType"', "x.txt", Format.FHIR),
        (b"\xef\xbb\xbf{", "", Format.FHIR),
        (b'{"resourceType": "Patient"}\n', "", Format.FHIR),
        (b'{"resourceType":\n "Patient"}\n', "", Format.FHIR),
        (b'{"resourceType": "Patient"}\n\n{"resourceType": "Patient"}', "", Format.NDJSON),
        (b'{"resourceType": "Patient", "text": "cut', "a.ndjson", Format.NDJSON),
    ],
)
def test_content_decides_the_format(first: bytes, name: str, found: Format) -> None:
    """Names of downloads are changed; their first bytes are not."""
    assert detect(first, name) is found


@pytest.mark.parametrize("first", [b"", b"%PDF-1.7", b"date;value\r\n", b"\x89PNG", b"MZ"])
def test_other_files_are_refused_with_what_is_accepted(first: bytes) -> None:
    """A refusal that does not say what would have worked helps nobody."""
    with pytest.raises(FormatError) as refused:
        detect(first, "export.xml")
    assert "Apple Health" in str(refused.value) or not first
