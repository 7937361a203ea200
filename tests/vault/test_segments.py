"""One sealed segment: it opens in its own place, with its own generation's key, and says what it holds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from keys.primitives import CannotOpenError, PrivateKey
from tests.world import START, pressure, weight
from vault import segment
from vault.columns import Columns
from vault.errors import Finding, MalformedRecordError, TamperedError
from vault.record import Record
from vault.segment import Lock, Parts, Place, Segment
from vault.tables import SegmentRow

PAIR = PrivateKey.generate()
PLACE = Place(Lock.to(PAIR.public(), vault=b"v" * 16, drawer=b"d" * 16, generation=1), b"t" * 16)


def sealed(*records: Record, place: Place = PLACE) -> Segment:
    """Seal records."""
    return segment.seal(Columns.of(records), place, import_id=b"i" * 16, written=START)


def key_of(row: Segment, pair: PrivateKey = PAIR) -> bytes:
    """Open a segment's key."""
    return segment.open_key(row, pair.opener())


def test_segment_comes_back_as_it_was() -> None:
    """With the fingerprints that stand beside it in the clear."""
    records = [replace(weight("70.50"), fingerprint=7), replace(weight("71"), fingerprint=(1 << 64) - 1)]
    row = sealed(*records)
    assert list(segment.open_body(row, key_of(row)).records()) == records


def test_adding_needs_the_public_half_only() -> None:
    """Whoever seals cannot open it again."""
    row = sealed(weight("70.5"))
    with pytest.raises(CannotOpenError):
        key_of(row, PrivateKey.generate())


@pytest.mark.parametrize("column", ["vault_id", "drawer", "generation"])
def test_key_opens_in_its_own_place_only(column: str) -> None:
    """A row moved elsewhere has no key there."""
    row = sealed(weight("70.5"))
    value = getattr(row, column)
    elsewhere = value + 1 if isinstance(value, int) else b"x" * 16
    changed: dict[str, object] = {column: elsewhere}
    with pytest.raises(CannotOpenError):
        key_of(row._replace(**changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["vault_id", "drawer", "tag", "segment", "born"])
def test_body_and_summary_open_in_their_own_place_only(column: str) -> None:
    """Even with the right key in hand."""
    row = sealed(weight("70.5"))
    key, value = key_of(row), getattr(row, column)
    changed: dict[str, object] = {column: value + 1 if isinstance(value, int) else b"x" * 16}
    moved = row._replace(**changed)  # type: ignore[arg-type]
    with pytest.raises(CannotOpenError):
        segment.open_body(moved, key)
    with pytest.raises(CannotOpenError):
        segment.open_summary(moved, key)


def test_summary_does_not_pass_for_a_body() -> None:
    """They stand under one key and different labels."""
    row = sealed(weight("70.5"))
    with pytest.raises(CannotOpenError):
        segment.open_body(row._replace(body=row.summary), key_of(row))
    with pytest.raises(CannotOpenError):
        segment.open_summary(row._replace(summary=row.body), key_of(row))


def test_fingerprints_that_are_too_many_do_not_open() -> None:
    """They stand in the clear, so that the body must agree with them."""
    row = sealed(weight("70.5"))
    with pytest.raises(MalformedRecordError):
        segment.open_body(row._replace(fingerprints=row.fingerprints * 2), key_of(row))


def test_segments_of_one_lock_have_keys_of_their_own() -> None:
    """Who has one segment's key has no other's."""
    one, other = sealed(weight("70.5")), sealed(weight("71"))
    assert one.sealed_key == other.sealed_key
    assert key_of(one) != key_of(other)
    with pytest.raises(CannotOpenError):
        segment.open_body(one, key_of(other))


def test_resealed_segment_opens_by_the_new_generation_only() -> None:
    """Body and summary stay as they are; neither need be at hand."""
    old, new = sealed(weight("70.5")), PrivateKey.generate()
    bare = old._replace(body=b"", fingerprints=b"")
    (moved,) = segment.settle([bare], {1: PAIR.opener(), 2: new.opener()}, generation=2)
    assert (moved.generation, moved.born) == (2, 1)
    with pytest.raises(CannotOpenError):
        key_of(moved)
    whole = moved._replace(body=old.body, fingerprints=old.fingerprints)
    (record,) = segment.open_body(whole, key_of(whole, new)).records()
    assert record.quantity == weight("70.5").quantity
    segment.digest(whole, Parts.ALL)


def test_settled_segment_opens_as_before() -> None:
    """In its own generation, and by no public-key operation."""
    rough = sealed(weight("70.5"))
    (settled,) = segment.settle([rough], {1: PAIR.opener()})
    assert (segment.is_settled(rough), segment.is_settled(settled)) == (False, True)
    assert (settled.generation, key_of(settled)) == (1, key_of(rough))
    segment.digest(settled, Parts.ALL)
    with pytest.raises(CannotOpenError):
        key_of(settled, PrivateKey.generate())
    with pytest.raises(CannotOpenError):
        key_of(settled._replace(generation=2))


def test_summary_says_how_many_first_last_and_newest() -> None:
    """Previews and the newest value need no body."""
    later = START + timedelta(hours=3)
    row = sealed(
        pressure("121", "81", later), weight("70.50"), pressure("140", "90", START), weight("71", later)
    )
    told = segment.open_summary(row, key_of(row))
    assert told.count == 4
    assert [told.records_of(code) for code in ("85354-9", "29463-7", "none")] == [2, 2, 0]
    assert told.latest["85354-9"][1:] == ("121/81", "mm[Hg]")
    assert told.latest["29463-7"][1:] == ("71", "kg")
    assert told.last - told.first == 3 * 3600 * 1_000_000


@pytest.mark.parametrize("name", Segment._fields)
def test_digest_counts_every_column(name: str) -> None:
    """What it left out, whoever writes the database could change."""
    row = sealed(weight("70.5"))
    before, value = segment.shelf_digest([row], Parts.ALL), getattr(row, name)
    changed: dict[str, object] = {name: value + 1 if isinstance(value, int) else value[:-1] + b"\xff\xfe"}
    other = row._replace(**changed)  # type: ignore[arg-type]
    if name in {"sealed_key", "body", "summary", "fingerprints", "digests"}:
        with pytest.raises(TamperedError) as refused:
            segment.shelf_digest([other], Parts.ALL)
        assert refused.value.finding is Finding.FORGED_SEGMENT
    else:
        assert segment.shelf_digest([other], Parts.ALL) != before


@pytest.mark.parametrize("parts", Parts)
@pytest.mark.parametrize("name", ["sealed_key", "body", "summary", "fingerprints"])
def test_part_that_is_not_fetched_is_counted_by_its_digest(parts: Parts, name: str) -> None:
    """And one that is fetched must be the one that was counted."""
    row = sealed(weight("70.5"))
    changed: dict[str, object] = {name: b""}
    partial = row._replace(**changed)  # type: ignore[arg-type]
    if name in parts.absent:
        assert segment.digest(partial, parts) == segment.digest(row, Parts.ALL)
    else:
        with pytest.raises(TamperedError):
            segment.digest(partial, parts)


def test_digest_of_what_is_not_at_hand_is_taken_as_written() -> None:
    """A row loaded for its summary gives the shelf the same digest as the whole row."""
    row = sealed(weight("70.5"))
    bare = row._replace(body=b"", fingerprints=b"")
    assert segment.shelf_digest([bare], Parts.SUMMARY) == segment.shelf_digest([row], Parts.ALL)
    with pytest.raises(TamperedError):
        segment.shelf_digest([bare], Parts.ALL)


def test_shelf_is_the_same_in_any_order() -> None:
    """The database gives rows as it likes."""
    one, other = sealed(weight("70.5")), sealed(weight("71"))
    assert segment.shelf_digest([one, other], Parts.ALL) == segment.shelf_digest([other, one], Parts.ALL)
    assert segment.shelf_digest([one, other], Parts.ALL) != segment.shelf_digest([one], Parts.ALL)


def test_nothing_of_a_record_stands_in_clear() -> None:
    """But for sizes and keyed fingerprints."""
    row = sealed(weight("70.515151"))
    raw = b"".join(value for value in row if isinstance(value, bytes))
    for word in (b"70.515151", b"29463-7", b"Body weight", b"Exempelsson", b"Observation"):
        assert word not in raw
    assert list(Segment._fields) == list(SegmentRow.model_fields)
