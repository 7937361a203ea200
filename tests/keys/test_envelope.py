"""Every sealed format comes back as it was, and not at all where one bit or one field differs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.codec import open_rules, seal_rules
from consent.rules import RuleSet
from keys import envelope
from keys.envelope import Window, WrapContext, context
from keys.keystore import VaultKeys
from keys.primitives import (
    CannotOpenError,
    KeysError,
    MalformedError,
    PrivateKey,
    PublicKey,
    Signer,
    derive,
    random_key,
    signature_holds,
)
from vault.state import Profile, open_profile, seal_profile

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
PAIR, OTHER_PAIR = PrivateKey.generate(), PrivateKey.generate()
BOUND = WrapContext(b"v" * 16, b"d" * 16, 3, "unit:SE1")
WINDOW_KEY = b"w" * 32
RECIPIENT, OTHER_RECIPIENT = b"p" * 32, b"q" * 32
VAULT_KEYS = VaultKeys(b"v" * 16, blind=b"b" * 32, rules=b"r" * 32, intake=b"i" * 32)
PROFILE = Profile("197503259280", "Anna Exempelsson", date(1975, 3, 25), protected=False, controller="c")
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
WINDOWS = st.builds(Window, st.none() | TIMES, st.none() | TIMES)


def unwrap(sealed: bytes, shred: bytes = KEY, recipient: bytes = RECIPIENT) -> PrivateKey:
    """Open a wrap in its place, by the window that it tells."""
    window = envelope.wrap_window(WINDOW_KEY, sealed)
    return envelope.open_wrap(shred, recipient, sealed, bound_to=BOUND, window=window)


@dataclass(frozen=True)
class Format:
    """A sealed format: one example of it, and what opens it."""

    sealed: bytes
    open: Callable[[bytes], object]


FORMATS = {
    "box": Format(
        envelope.seal_box(KEY, b"secret", bound_to=b"c"),
        lambda raw: envelope.open_box(KEY, raw, bound_to=b"c"),
    ),
    "sealed key": Format(
        envelope.seal_key(PAIR.public(), KEY, bound_to=b"c"),
        lambda raw: envelope.open_key(PAIR.opener(), raw, bound_to=b"c"),
    ),
    "settled key": Format(
        envelope.settle_key(OTHER_PAIR.opener(), KEY, bound_to=b"c"),
        lambda raw: envelope.open_key(OTHER_PAIR.opener(), raw, bound_to=b"c"),
    ),
    "wrap": Format(
        envelope.seal_wrap(KEY, WINDOW_KEY, RECIPIENT, OTHER_PAIR, bound_to=BOUND, window=Window()),
        unwrap,
    ),
    "rules": Format(seal_rules(VAULT_KEYS, RuleSet(7)), lambda raw: open_rules(VAULT_KEYS, raw)),
    "profile": Format(seal_profile(VAULT_KEYS, PROFILE), lambda raw: open_profile(VAULT_KEYS, raw)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_opens_as_it_was_sealed(name: str) -> None:
    """The examples that the other tests damage do open."""
    FORMATS[name].open(FORMATS[name].sealed)


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(FORMATS)), data=st.data())
def test_one_flipped_bit_opens_nothing(name: str, data: st.DataObject) -> None:
    """Version, kind, nonce, window, ciphertext, tag: all are authenticated."""
    raw = bytearray(FORMATS[name].sealed)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(KeysError):
        FORMATS[name].open(bytes(raw))


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(FORMATS)), data=st.data())
def test_cut_or_lengthened_bytes_open_nothing(name: str, data: st.DataObject) -> None:
    """Nothing is left over and nothing is missing."""
    raw = FORMATS[name].sealed
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    for wrong in (cut, raw + data.draw(st.binary(min_size=1, max_size=20))):
        with pytest.raises(KeysError):
            FORMATS[name].open(wrong)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_no_format_passes_for_another(name: str, other: str) -> None:
    """Each says its kind, and is bound to its own label."""
    if name != other:
        with pytest.raises(KeysError):
            FORMATS[name].open(FORMATS[other].sealed)


@given(st.binary(max_size=2000), st.binary(max_size=100))
def test_box_round_trip(plaintext: bytes, bound: bytes) -> None:
    """Any bytes under any context."""
    sealed = envelope.seal_box(KEY, plaintext, bound_to=bound)
    assert envelope.open_box(KEY, sealed, bound_to=bound) == plaintext
    assert len(sealed) == len(plaintext) + 2 + 12 + 16
    with pytest.raises(CannotOpenError):
        envelope.open_box(KEY, sealed, bound_to=bound + b"\0")
    with pytest.raises(CannotOpenError):
        envelope.open_box(OTHER_KEY, sealed, bound_to=bound)


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_sealed_key_round_trip(key: bytes, bound: bytes) -> None:
    """A wrong context raises, whatever the HPKE library thinks of associated data."""
    sealed = envelope.seal_key(PAIR.public(), key, bound_to=bound)
    assert envelope.open_key(PAIR.opener(), sealed, bound_to=bound) == key
    assert len(sealed) == 2 + 1120 + 32 + 16
    with pytest.raises(CannotOpenError):
        envelope.open_key(PAIR.opener(), sealed, bound_to=bound + b"\0")
    with pytest.raises(CannotOpenError):
        envelope.open_key(OTHER_PAIR.opener(), sealed, bound_to=bound)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_settled_key_round_trip(key: bytes, bound: bytes) -> None:
    """Who holds the private half opens it as any other; the public half gives nothing that would."""
    sealed = envelope.settle_key(PAIR.opener(), key, bound_to=bound)
    assert envelope.open_key(PAIR.opener(), sealed, bound_to=bound) == key
    assert len(sealed) == 2 + 12 + 32 + 16
    with pytest.raises(CannotOpenError):
        envelope.open_key(PAIR.opener(), sealed, bound_to=bound + b"\0")
    with pytest.raises(CannotOpenError):
        envelope.open_key(OTHER_PAIR.opener(), sealed, bound_to=bound)


@settings(deadline=None)
@given(WINDOWS)
def test_wrap_round_trip(window: Window) -> None:
    """The window comes with the private half, and can be read before."""
    generation = PrivateKey.generate()
    sealed = envelope.seal_wrap(KEY, WINDOW_KEY, RECIPIENT, generation, bound_to=BOUND, window=window)
    assert envelope.wrap_window(WINDOW_KEY, sealed) == window
    assert unwrap(sealed) == generation
    assert len(sealed) == 2 + 44 + 28 + 28 + 96


@pytest.mark.parametrize(
    "bound",
    [
        WrapContext(b"w" * 16, b"d" * 16, 3, "unit:SE1"),
        WrapContext(b"v" * 16, b"e" * 16, 3, "unit:SE1"),
        WrapContext(b"v" * 16, b"d" * 16, 4, "unit:SE1"),
        WrapContext(b"v" * 16, b"d" * 16, 3, "unit:SE2"),
    ],
    ids=["vault", "drawer", "generation", "recipient"],
)
def test_wrap_opens_in_its_own_place_only(bound: WrapContext) -> None:
    """For another vault, drawer, generation or recipient it is not the same wrap."""
    with pytest.raises(CannotOpenError):
        envelope.open_wrap(KEY, RECIPIENT, FORMATS["wrap"].sealed, bound_to=bound, window=Window())


def test_wrap_needs_both_shred_key_and_recipient() -> None:
    """Neither the drawer's key nor the recipient's alone opens it."""
    sealed = FORMATS["wrap"].sealed
    with pytest.raises(CannotOpenError):
        unwrap(sealed, shred=OTHER_KEY)
    with pytest.raises(CannotOpenError):
        unwrap(sealed, recipient=OTHER_RECIPIENT)


def test_widened_window_does_not_open() -> None:
    """Who writes a later end into a wrap breaks it."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    sealed = envelope.seal_wrap(
        KEY, WINDOW_KEY, RECIPIENT, OTHER_PAIR, bound_to=BOUND, window=Window(None, end)
    )
    later = Window(None, end + timedelta(days=1))
    other = envelope.seal_wrap(KEY, WINDOW_KEY, RECIPIENT, OTHER_PAIR, bound_to=BOUND, window=later)
    wider = other[:46] + sealed[46:]
    assert envelope.wrap_window(WINDOW_KEY, wider).holds(end)
    with pytest.raises(CannotOpenError):
        unwrap(wider)


@given(WINDOWS, WINDOWS, TIMES)
def test_window_that_covers_another_holds_whenever_it_does(one: Window, other: Window, at: datetime) -> None:
    """The computation by which wraps are found too wide must not err."""
    if one.covers(other) and other.holds(at):
        assert one.holds(at)
    assert one.covers(one)
    assert Window().covers(one)


def test_window_holds_from_its_start_until_before_its_end() -> None:
    """The end is the first moment at which nothing opens any more."""
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    window, tick = Window(start, end), timedelta(microseconds=1)
    assert [window.holds(at) for at in (start - tick, start, end - tick, end)] == [False, True, True, False]


@pytest.mark.parametrize("raw", [b"", b"\0" * 15, b"\0" * 17, (1 << 62).to_bytes(8, "big") * 2])
def test_malformed_window_is_refused(raw: bytes) -> None:
    """Too short, too long, or beyond the calendar."""
    with pytest.raises(MalformedError):
        Window.decode(raw)


FIELDS = st.lists(st.binary(max_size=20) | st.integers(0, 1 << 63) | st.text(max_size=10), max_size=5)


@given(FIELDS, FIELDS)
def test_contexts_share_no_bytes(one: list[bytes | int | str], other: list[bytes | int | str]) -> None:
    """Two lists of fields give the same context only where they are the same bytes, field by field."""

    def raw(fields: list[bytes | int | str]) -> list[bytes]:
        return [
            field.to_bytes(8, "big") if isinstance(field, int) else field.encode() if isinstance(field, str) else field
            for field in fields
        ]  # fmt: skip

    assert (context("x", *one) == context("x", *other)) == (raw(one) == raw(other))
    assert context("x", *one) != context("y", *one)


def test_time_without_a_zone_is_refused() -> None:
    """It would be a different moment on another machine."""
    with pytest.raises(MalformedError):
        envelope.microseconds(datetime(2026, 3, 1))  # noqa: DTZ001


@given(TIMES)
def test_microseconds_round_trip(at: datetime) -> None:
    """Also before 1970."""
    assert envelope.moment(envelope.microseconds(at)) == at


@pytest.mark.parametrize("size", [0, 31, 1215, 1217])
def test_public_half_of_another_size_is_refused(size: int) -> None:
    """Before anything is sealed to it."""
    with pytest.raises(MalformedError):
        PublicKey(b"\0" * size)
    with pytest.raises(MalformedError):
        PrivateKey(b"\0" * size)


def test_public_half_that_is_no_key_is_refused() -> None:
    """ML-KEM's encapsulation key is checked when it is read (FIPS 203, 7.2)."""
    with pytest.raises(MalformedError):
        PublicKey(b"\xff" * 1216).seal(KEY, info=b"")


def test_derived_keys_differ_by_label() -> None:
    """One secret gives keys that tell nothing of each other."""
    secret = random_key()
    assert len({derive(secret, label=label) for label in ("blind", "rules", "intake")}) == 3


@given(st.binary(max_size=100), st.integers(0, 511))
def test_signature_holds_for_its_message_only(message: bytes, bit: int) -> None:
    """One bit of the signature, another message, another key."""
    signer = Signer(b"s" * 32)
    signature = signer.sign(message)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert signature_holds(signer.public(), signature, message)
    assert not signature_holds(signer.public(), bytes(changed), message)
    assert not signature_holds(signer.public(), signature, message + b"\0")
    assert not signature_holds(Signer(b"t" * 32).public(), signature, message)
    assert not signature_holds(b"short", signature, message)
