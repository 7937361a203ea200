"""What is written into a segment comes back as it was, digit by digit."""

import json
import struct
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.vocabulary import Category
from tests.world import weight
from vault import codec
from vault.codec import decode
from vault.columns import Columns
from vault.errors import MalformedRecordError
from vault.record import Author, AuthorKind, Code, Component, Origin, Provenance, Quantity, Record

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30), timezones=ZONES)  # noqa: DTZ001
DECIMALS = st.builds(
    lambda mantissa, negative, exponent: Decimal(
        (int(negative and mantissa > 0), digits_of(mantissa), exponent)
    ),
    st.integers(0, 10**18 - 1),
    st.booleans(),
    st.integers(-100, 100),
)
QUANTITIES = st.builds(Quantity, DECIMALS, TEXT)
CODES = st.builds(Code, TEXT, TEXT, TEXT)


def digits_of(mantissa: int) -> tuple[int, ...]:
    """Return the decimal digits, with no zero before."""
    return tuple(map(int, str(mantissa)))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Quantity | None, Quantity | None]:
    """Draw what came and its canonical form: none, the same, the same number written otherwise, or another."""
    came = draw(st.none() | QUANTITIES)
    same = draw(st.booleans())
    if came is not None and same:
        return came, came
    return came, draw(st.none() | QUANTITIES)


@st.composite
def components(draw: st.DrawFn) -> Component:
    """Draw a component."""
    came, canonical = draw(pairs())
    return Component(draw(CODES), came, canonical, draw(TEXT))


@st.composite
def any_records(draw: st.DrawFn) -> Record:
    """Draw any record that the model can say."""
    came, canonical = draw(pairs())
    start = draw(TIMES)
    author = Author(draw(st.sampled_from(AuthorKind)), draw(TEXT), draw(TEXT), draw(TEXT))
    return Record(
        category=draw(st.sampled_from(Category)),
        kind=draw(TEXT),
        code=draw(CODES),
        start=start,
        provenance=Provenance(
            author,
            draw(st.sampled_from(Origin)),
            draw(TIMES).astimezone(UTC),
            draw(TEXT),
            draw(TEXT),
            draw(TEXT),
        ),
        end=draw(st.none() | st.timedeltas(timedelta(0), timedelta(days=400)).map(lambda long: start + long)),
        status=draw(TEXT),
        quantity=came,
        canonical=canonical,
        text=draw(TEXT),
        components=tuple(draw(st.lists(components(), max_size=3))),
        resource=draw(TEXT),
        fingerprint=draw(st.integers(0, (1 << 64) - 1)),
    )


def encode(records: list[Record]) -> bytes:
    """Encode records."""
    (block,) = codec.encode(Columns.of(records), [len(records)])
    return block


def marks(records: list[Record]) -> bytes:
    """Return the fingerprints as they stand beside the block."""
    return np.array([record.fingerprint for record in records], dtype=">u8").tobytes()


def there_and_back(records: list[Record]) -> list[Record]:
    """Encode and decode."""
    return list(decode(encode(records), marks(records)).records())


def written(record: Record) -> list[object]:
    """Return how numbers and zone are written; equality is too kind to decimals and times."""
    parts = [
        (record.quantity, record.canonical),
        *((part.quantity, part.canonical) for part in record.components),
    ]
    numbers = [one and one.value.as_tuple() for pair in parts for one in pair]
    return [*numbers, record.start.utcoffset()]


@settings(deadline=None, max_examples=150)
@given(st.lists(any_records(), max_size=8))
def test_any_records_come_back_as_they_were(records: list[Record]) -> None:
    """Order, decimals, zones, components, texts, resources, provenance."""
    back = there_and_back(records)
    assert back == records
    assert [written(record) for record in back] == [written(record) for record in records]


@pytest.mark.parametrize(
    "number",
    [
        "70",
        "70.0",
        "70.00",
        "0",
        "0.000",
        "-3.10",
        "1E+3",
        "1E-9",
        "999999999999999999",
        "6.70",
        "100",
        "1E+100",
    ],
)
def test_number_keeps_its_written_form(number: str) -> None:
    """Trailing zeros say how well something was measured."""
    (back,) = there_and_back([weight(number)])
    assert back.quantity is not None
    assert str(back.quantity.value) == number


def test_canonical_number_written_otherwise_keeps_its_own_form() -> None:
    """1.0 and 1.00 are equal, and still not the same text."""
    record = weight("1.0")
    other = Record(
        record.category, record.kind, record.code, record.start, record.provenance,
        quantity=Quantity(Decimal("1.0"), "kg"), canonical=Quantity(Decimal("1.00"), "kg"),
    )  # fmt: skip
    back, alike = there_and_back([other, record])
    assert back.canonical is not None
    assert str(back.canonical.value) == "1.00"
    assert alike.canonical is alike.quantity


@pytest.mark.parametrize(
    "record",
    [
        weight("1" * 20),
        weight("9223372036854775808"),
        weight("1E+127"),
        weight("1E-127"),
        weight("NaN"),
        weight("Infinity"),
    ],
    ids=["20 digits", "2^63", "E127", "E-127", "NaN", "Infinity"],
)
def test_number_that_does_not_fit_is_refused(record: Record) -> None:
    """Rather than rounded unseen."""
    with pytest.raises(MalformedRecordError):
        encode([record])


def test_end_before_start_is_refused() -> None:
    """A negative duration would read as no end."""
    record = weight("70")
    backwards = Record(
        record.category, record.kind, record.code, record.start, record.provenance,
        end=record.start - timedelta(seconds=1),
    )  # fmt: skip
    with pytest.raises(MalformedRecordError):
        encode([backwards])


def test_shared_things_are_written_once() -> None:
    """A thousand measurements from one device cost some bytes each."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    records = [weight(f"{70 + n % 30 / 10}", at + timedelta(minutes=n)) for n in range(1024)]
    assert len(encode(records)) < 4 * 1024


@pytest.mark.parametrize(
    ("apart", "tick"),
    [
        (timedelta(seconds=7), 1_000_000), (timedelta(milliseconds=7), 1_000), (timedelta(microseconds=7), 1),
        (timedelta(days=100_000), 1_000_000), (timedelta(days=100_000, microseconds=1), 1),
    ],
)  # fmt: skip
def test_times_are_counted_in_the_longest_tick(apart: timedelta, tick: int) -> None:
    """What measures in whole seconds is written in whole seconds, and comes back to the microsecond."""
    first = datetime(1850, 1, 1, 7, 30, 1, 5, tzinfo=UTC)
    records = [weight("70", first), weight("71", first + apart)]
    inside = zstandard.ZstdDecompressor().decompress(encode(records))
    assert HEAD.unpack_from(inside)[4] == tick
    assert [record.start for record in there_and_back(records)] == [first, first + apart]


@pytest.mark.parametrize(
    ("value", "width"),
    [
        ("127", 1), ("-128", 1), ("128", 2), ("-129", 2), ("32767", 2), ("32768", 4), ("-2147483648", 4),
        ("2147483648", 8), ("-9223372036854775807", 8),
    ],
)  # fmt: skip
def test_numbers_are_as_wide_as_the_widest(value: str, width: int) -> None:
    """Most are small."""
    records = [weight("0"), weight(value)]
    inside = zstandard.ZstdDecompressor().decompress(encode(records))
    assert HEAD.unpack_from(inside)[6] == width
    assert [record.quantity for record in there_and_back(records)] == [record.quantity for record in records]


def block(raw: bytes) -> bytes:
    """Compress as the writer does."""
    return zstandard.ZstdCompressor().compress(raw)


GOOD = encode([weight("70.5")])
MARK = b"\0" * 8
INSIDE = zstandard.ZstdDecompressor().decompress(GOOD)
HEAD = struct.Struct(">BIIqIBB")
BEGINS = HEAD.unpack_from(INSIDE)


def changed_head(**changes: object) -> bytes:
    """Return the block with parts of its JSON replaced."""
    version, count, size, *rest = BEGINS
    head = {**json.loads(INSIDE[HEAD.size : HEAD.size + size]), **changes}
    raw = json.dumps(head).encode()
    return block(HEAD.pack(version, count, len(raw), *rest) + raw + INSIDE[HEAD.size + size :])


def changed_beginning(place: int, value: int) -> bytes:
    """Return the block with one number of its header replaced."""
    return block(HEAD.pack(*BEGINS[:place], value, *BEGINS[place + 1 :]) + INSIDE[HEAD.size :])


@pytest.mark.parametrize(
    ("wrong", "fingerprints"),
    [
        (b"", MARK),
        (b"not zstd", MARK),
        (GOOD[:-1], MARK),
        (GOOD + b"\0", MARK),
        (GOOD + GOOD, MARK * 2),
        (block(b""), b""),
        (block(b"\2" + INSIDE[1:]), MARK),
        (block(INSIDE[:-1]), MARK),
        (block(INSIDE + b"\0"), MARK),
        (changed_beginning(1, 2), MARK * 2),
        (changed_beginning(4, 0), MARK),
        (changed_beginning(4, 60), MARK),
        (changed_beginning(5, 0), MARK),
        (changed_beginning(5, 3), MARK),
        (changed_beginning(6, 1), MARK),
        (GOOD, b""),
        (GOOD, MARK * 2),
        (GOOD, MARK[:-1]),
        (changed_head(shapes=[]), MARK),
        (changed_head(shapes=[{}]), MARK),
        (changed_head(shapes=None), MARK),
        (changed_head(strings=None), MARK),
        (block(INSIDE[:-4] + (0).to_bytes(4, "little")), MARK),
        (block(INSIDE[:-4] + (0xFFFFFFFE).to_bytes(4, "little")), MARK),
        (zstandard.ZstdCompressor(write_content_size=False).compress(INSIDE), MARK),
    ],
)  # fmt: skip
def test_what_we_did_not_write_is_refused(wrong: bytes, fingerprints: bytes) -> None:
    """Strictly: another version, cut, lengthened, parts that do not agree, an index to nothing."""
    with pytest.raises(MalformedRecordError):
        decode(wrong, fingerprints)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("category", "no-category"), ("code", 7), ("code", ["a", "b", "c", "d"]), ("author", ["x", "", "", ""]),
        ("origin", 7), ("received", "x"), ("received", 1 << 62), ("units", 7), ("components", 7),
        ("components", [["a"]]),
    ],
)  # fmt: skip
def test_shape_that_we_did_not_write_is_refused(field: str, wrong: object) -> None:
    """The vocabularies are closed."""
    version, count, size, *_ = BEGINS
    (shape,) = json.loads(INSIDE[HEAD.size : HEAD.size + size])["shapes"]
    assert (version, count) == (1, 1)
    with pytest.raises(MalformedRecordError):
        list(decode(changed_head(shapes=[{**shape, field: wrong}]), MARK).records())


def test_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may add may seal anything; the owner who opens it must not run out of memory."""
    monkeypatch.setattr(codec, "MAX_BLOCK", 1 << 16)
    bomb = block(bytes(1 << 17))
    assert len(bomb) < 1000
    with pytest.raises(MalformedRecordError, match="too large"):
        decode(bomb, MARK)
