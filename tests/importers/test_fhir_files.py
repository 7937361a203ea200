"""FHIR files of any size: Bundles entry by entry, NDJSON line by line."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers import fhir
from importers.candidates import Candidate, FormatError, Rejection
from importers.json_stream import JsonStream
from tests.importers.import_inputs import PROVENANCE, of_fhir, records, rejections, sample


class Trickle(io.BytesIO):
    """A file that gives a few bytes at a time, so that every value is cut somewhere."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Give seven bytes."""
        return super().read(min(7, size) if size and size > 0 else size)


def of_file(resource: Any, *, limits: fhir.Limits | None = None) -> list[Candidate | Rejection]:
    """Read a file: bytes as they are, anything else as JSON."""
    data = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return list(fhir.read_file(Trickle(data), provenance=PROVENANCE, limits=limits))


def of_lines(*lines: str, limits: fhir.Limits | None = None) -> list[Candidate | Rejection]:
    """Read NDJSON."""
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    return list(fhir.read_lines(io.BytesIO(data), provenance=PROVENANCE, limits=limits))


def weight(kilograms: str = "72.50", **changes: Any) -> dict[str, Any]:
    """Make a small valid Observation."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "effectiveDateTime": "2026-03-01T08:00:00+01:00",
        "valueQuantity": {"value": float(kilograms), "unit": "kg"},
        "note": [{"text": 'å\u2028{[\\"]}'}],
    } | changes


def bundle(*resources: Any, **more: Any) -> dict[str, Any]:
    """Make a collection."""
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", **more, "entry": entries}


@pytest.mark.parametrize(
    "whole",
    [
        bundle(weight(), weight("71"), {"resourceType": "Patient", "id": "p"}),
        bundle(),
        bundle(weight(status="?"), 5, bundle(weight())),
        {"resourceType": "Bundle", "link": [{"url": "a"}], "total": 3},
        {"resourceType": "Bundle", "entry": {}},
        {"entry": [{"resource": weight()}, {}], "resourceType": "Bundle", "type": "collection"},
        weight(),
        {"id": "p", "resourceType": "Patient"},
    ],
    ids=["three", "empty", "bad", "no entry", "wrong entry", "sorted", "single", "not first"],
)
def test_file_is_read_as_the_same_text_in_a_request(whole: Any) -> None:
    """Two ways to read one format must not come to different records."""
    assert of_file(whole) == of_fhir(whole)
    indented = json.dumps(whole, indent=1).encode("utf-8-sig")
    assert of_file(indented) == of_fhir(whole)


@pytest.mark.parametrize("place", ["before", "after"])
def test_history_is_known_wherever_its_type_stands(place: str) -> None:
    """Writers sort names, and then the type comes behind all entries."""
    entries = [{"resource": weight(id="a", status="corrected")}, {"resource": weight(id="a")}]
    told = {"resourceType": "Bundle", "type": "history"}
    whole = {**told, "entry": entries} if place == "before" else {"entry": entries, **told}
    items = of_file(whole)
    assert [record.status for record in records(items)] == ["corrected"]
    assert "newer version" in rejections(items)[0].reason


@pytest.mark.parametrize("cut", [b"", b"}", b"]]", b"\xff", b', {"resource": 5'])
def test_entries_before_a_break_are_kept(cut: bytes) -> None:
    """A download that was cut must still give what it holds, and say so."""
    whole = json.dumps(bundle(weight(), weight("71"))).encode()
    items = of_file(whole[:-2] + cut)
    assert len(records(items)) == 2
    assert "cut off" in rejections(items)[-1].reason


def test_file_broken_before_the_first_entry_is_refused_with_its_place() -> None:
    """With nothing to keep, the whole file is refused, and a programmer finds the place."""
    with pytest.raises(FormatError, match=r"2:3"):
        of_file(b'{"resourceType": "Bundle",\n "\x01": 5}')
    with pytest.raises(FormatError, match=r"3:11"):
        of_file(b'{"resourceType": "Bundle",\n\n "entry": ?}')


@pytest.mark.parametrize("data", [b"[]", b'{"a": 1}', b"5", b'{"resourceType": "Patient"} {}', b"", b"{"])
def test_file_that_is_no_resource_is_refused(data: bytes) -> None:
    """In words, and never with half of it stored."""
    with pytest.raises(FormatError):
        of_file(data)


def test_second_list_of_entries_is_not_taken() -> None:
    """Two truths under one name; the first is in the vault already when the second is met."""
    entry = json.dumps([{"resource": weight()}])
    items = of_file(f'{{"resourceType": "Bundle", "entry": {entry}, "entry": {entry}}}'.encode())
    assert len(records(items)) == 1
    assert "more than once: “entry”" in rejections(items)[0].reason


def test_published_bundles_are_read_alike() -> None:
    """Synthea's own files, in one piece and piece by piece."""
    for path in list(sample("fhir/synthea-r4").glob("*.json"))[:2]:
        data = path.read_bytes()
        assert list(fhir.read_file(io.BytesIO(data), provenance=PROVENANCE)) == of_fhir(data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=5), st.booleans())
@settings(max_examples=150, deadline=None)
def test_stream_gives_the_values_that_json_gives(values: list[Any], spaced: bool) -> None:  # noqa: FBT001
    """Wherever a chunk ends: in a number, an escape, or a letter of several bytes."""
    text = json.dumps(values, indent=2 if spaced else None, default=float, ensure_ascii=False)
    decoder = json.JSONDecoder(parse_float=Decimal)
    stream = JsonStream(Trickle(text.encode("utf-8", "surrogatepass")), decoder, limit=1 << 20)
    try:
        found = list(stream.elements())
    except FormatError:
        assert any("\ud800" <= letter <= "\udfff" for letter in text)
        return
    assert found == decoder.decode(text)
    assert stream.peek() == ""


# --- NDJSON


def test_bad_line_is_listed_by_its_number_and_costs_no_other() -> None:
    """A line is a resource of its own."""
    good = json.dumps(weight())
    items = of_lines(good, "{", "", '{"resourceType": "Observation"}', "\ud800", "5", good)
    assert len(records(items)) == 2
    assert [item.where for item in items] == [f"line {n}" for n in (1, 2, 4, 5, 6, 7)]
    reasons = [item.reason for item in rejections(items)]
    assert [part in reason for part, reason in zip(("JSON", "status", "text", "FHIR"), reasons, strict=True)]
    assert all(item.reason_sv for item in rejections(items))


def test_line_beyond_the_limit_is_listed_and_the_next_is_read() -> None:
    """One endless line must not fill the memory, nor hide what follows."""
    limits = fhir.Limits(whole=1000)
    items = of_lines("x" * 5000, json.dumps(weight()), limits=limits)
    assert [item.where for item in items] == ["line 1", "line 2"]
    assert len(records(items)) == 1


def test_bundle_on_a_line_is_read() -> None:
    """Bulk exports write Bundles too."""
    items = of_lines(json.dumps(bundle(weight(), weight("71"))), json.dumps(weight("70")))
    assert [item.where for item in items] == ["line 1.entry[0]", "line 1.entry[1]", "line 2"]


# --- memory

FLAT = """
import io, json, resource
from importers import fhir
from tests.importers.import_inputs import PROVENANCE
from tests.importers.test_fhir_files import endless

def peak(size, read, head, block, tail):
    n = sum(1 for _ in read(endless(size, head, block, tail), provenance=PROVENANCE))
    return n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

one = json.dumps({"resourceType": "Patient", "text": {"div": "x" * 5000}})
lines = b"", (one + "\\n").encode() * 100, b""
entries = b'{"resourceType": "Bundle", "type": "batch", "entry": [', f'{{"resource": {one}}},'.encode() * 100, b"5]}"
for read, (head, block, tail) in ((fhir.read_lines, lines), (fhir.read_file, entries)):
    small, before = peak(2_000_000, read, head, block, tail)
    large, after = peak(40_000_000, read, head, block, tail)
    print(small, large, after - before)
"""


class _Endless(io.RawIOBase):
    """A file of any size that is made as it is read; it can be read from its start again."""

    def __init__(self, size: int, head: bytes, block: bytes, tail: bytes) -> None:
        super().__init__()
        self._size, self._made = size, (head, block, tail)
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        assert offset == whence == 0
        self._rest, self._pieces = b"", self._all()
        return 0

    def _all(self) -> Iterator[bytes]:
        head, block, tail = self._made
        yield head
        for _ in range(self._size // len(block)):
            yield block
        yield tail

    def readinto(self, into: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(into), len(self._rest))
        into[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def endless(size: int, head: bytes, block: bytes, tail: bytes) -> io.BufferedReader:
    """Return a file of about so many bytes: a head, as many blocks as it takes, a tail."""
    return io.BufferedReader(_Endless(size, head, block, tail))


def test_memory_stays_flat_over_forty_megabytes() -> None:
    """A region's bulk export is larger than any memory."""
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-c", FLAT],
        cwd=root,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    for line in run.stdout.splitlines():
        small, large, growth = map(int, line.split())
        assert large > 15 * small
        assert growth < 4_000  # kilobytes
