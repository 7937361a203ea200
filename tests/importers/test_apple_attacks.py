import contextlib
import io
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.archive import ZipLimits, open_export
from importers.candidates import FormatError
from tests.importers.import_inputs import apple, export, records, row, sample, zipped

BILLION = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'


@pytest.mark.parametrize(
    "dtd",
    [
        f"<!DOCTYPE HealthData [{BILLION}]>",
        '<!DOCTYPE HealthData [<!ENTITY a "1">]>',
        '<!DOCTYPE HealthData [<!ENTITY % a "1"> %a;]>',
        '<!DOCTYPE HealthData [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE HealthData [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x"> %a;]>',
        '<!DOCTYPE HealthData SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE HealthData PUBLIC "-//x//y" "http://127.0.0.1:1/x.dtd">',
    ],
    ids=["bomb", "general", "parameter", "external", "external parameter", "system", "public"],
)
def test_entities_and_outside_types_are_refused_before_the_first_row(dtd: str) -> None:
    """An entity can grow without bound or read files; a genuine export declares none."""
    with pytest.raises(FormatError, match="Refused"):
        apple(export(row(), dtd=dtd))


def test_internal_document_type_is_let_through() -> None:
    """Every genuine export carries one."""
    assert len(records(apple(export(row())))) == 1


def test_default_attributes_are_not_values() -> None:
    """A default in the DTD could put a value, or a megabyte, into every row."""
    dtd = '<!DOCTYPE HealthData [<!ATTLIST Record value CDATA "42">]>'
    items = apple(export(row(value=None), dtd=dtd))
    assert not records(items)


@pytest.mark.parametrize("name", ["nosuch", "utf-7", "shift_jis"])
def test_encoding_that_cannot_be_read_is_refused_as_a_file(name: str) -> None:
    """It is the file that is at fault, and no other try would read it."""
    with pytest.raises(FormatError):
        apple(f'<?xml version="1.0" encoding="{name}"?>\n<HealthData></HealthData>'.encode())


def test_undeclared_entity_ends_the_reading() -> None:
    """1&x;23 must never be read as 123."""
    with pytest.raises(FormatError):
        apple(export(row(value="1&x;23")))


@pytest.mark.parametrize(
    "body",
    [
        "<Record>" * 100_000,
        f'<Record a="{"x" * 3_000_000}"/>',
        f"<!--{'x' * 3_000_000}-->",
        "<Workout>" + "<a>" * 50 + "</a>" * 50 + "</Workout>",
        "".join(f"<x{i}/>" for i in range(50_000)),
        "".join(f'<Record a{i}="1"/>' for i in range(50_000)),
    ],
    ids=["deep", "long attribute", "long comment", "deep in a workout", "many names", "many attribute names"],
)
def test_unlike_an_export_is_refused(body: str) -> None:
    """Depth, length and number of names are what make a streaming parser remember."""
    with pytest.raises(FormatError, match="not built as"):
        apple(export(body))


def test_large_document_type_is_refused() -> None:
    """Rules for attributes are gone through at every element."""
    rules = "".join(f"<!ATTLIST Record a{i} CDATA #IMPLIED>" for i in range(5000))
    with pytest.raises(FormatError):
        apple(export(row(), dtd=f"<!DOCTYPE HealthData [{rules}]>"))


def test_other_xml_is_no_export() -> None:
    """The root decides, not the name of the file."""
    with pytest.raises(FormatError, match="Not an export"):
        apple(b"<html><Record/></html>")


@pytest.mark.parametrize("data", [b"<HealthData", b"<HealthData><Record></HealthData>", b"\xff\xff<", b"<"])
def test_broken_from_the_start_is_refused(data: bytes) -> None:
    """With no row to keep, the whole file is refused, with the line."""
    with pytest.raises(FormatError, match="well-formed"):
        apple(data)


def test_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    """A megabyte that becomes a gigabyte must cost nothing."""
    data = zipped({"export.xml": export(" " * 60_000_000)})
    start = time.process_time()
    with pytest.raises(FormatError, match="larger unpacked"):
        apple(data)
    assert time.process_time() - start < 1


def test_zip_that_lies_about_its_size_gives_no_more_than_it_said() -> None:
    """The declared size is a ceiling that the reader holds."""
    body = export(*[row() for _ in range(5000)])
    data = bytearray(zipped({"export.xml": body}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = (len(body) // 10).to_bytes(4, "little")
    assert len(records(apple(bytes(data)))) <= 500


def test_zip_directory_is_bounded() -> None:
    """A zip of a million names fills memory before anything is opened."""
    data = zipped({f"{i:05d}": b"" for i in range(2000)}, method=zipfile.ZIP_STORED)
    for limits in (ZipLimits(directory=50_000), ZipLimits(entries=1000)):
        with pytest.raises(FormatError, match="larger"), open_export(io.BytesIO(data), limits=limits):
            pass


@pytest.mark.parametrize(
    "name", ["cyclic", "dtd", "external", "external_file", "quadratic", "simple", "xmlbomb", "xmlbomb2"]
)
def test_attack_samples_are_refused(name: str) -> None:
    """The known set of attacks on XML parsers, and two harmless files that are no exports."""
    with pytest.raises(FormatError):
        apple(sample(f"xmlattack/{name}.xml").read_bytes())


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_damage_is_rows_and_reasons_or_a_refusal(data: st.DataObject) -> None:
    """Bytes from outside may end in a sentence, never in a crash."""
    whole = bytearray(
        zipped({"export.xml": export(row(), row())}) if data.draw(st.booleans()) else export(row())
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(FormatError):
        apple(bytes(whole))
