"""Envelope formats, version 1 (docs/spec/envelope-v1.md): how a context, a box, a sealed key and a wrap look.

Every sealed thing begins with one version byte and one kind byte, and is bound to a *context*: a label and
its fields, each with its length, so that no two contexts share bytes. A context is associated data (box,
wrap) or HPKE ``info`` (sealed key), never part of the envelope.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from keys import primitives
from keys.primitives import MalformedError, Opener, PrivateKey, PublicKey

VERSION = 1
_BOX = ord("B")
_SEALED_KEY = ord("K")
_WRAP = ord("W")
_BOX_BEGINS = bytes((VERSION, _BOX))
_WINDOW = struct.Struct(">qq")
_TOLD = primitives.NONCE_SIZE + _WINDOW.size + 16  # nonce, window, tag
_FOREVER = (1 << 63) - 1
_LENGTH = struct.Struct(">H")
_INTEGER = struct.Struct(">HQ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def context(label: str, *fields: bytes | int | str) -> bytes:
    """Return ``halsovalvet/v1/<label>`` NUL, then each field behind its two-byte length.

    An ``int`` is written as 8 bytes, big-endian; a ``str`` as UTF-8.
    """
    written = _label(label)
    for field in fields:
        if isinstance(field, int):
            written += _INTEGER.pack(8, field)
        else:
            raw = field.encode() if isinstance(field, str) else field
            written += _LENGTH.pack(len(raw)) + raw
    return written


@lru_cache(256)  # labels are our own words
def _label(label: str) -> bytes:
    return f"halsovalvet/v1/{label}\0".encode()


_OWN = context("own-key")


def seal_box(key: bytes, plaintext: bytes, *, bound_to: bytes) -> bytes:
    """Seal ``plaintext`` under a 32-byte key: version, ``B``, nonce (12), ciphertext, tag (16)."""
    return _BOX_BEGINS + primitives.encrypt(key, plaintext, associated=bound_to)


class Boxes:
    """:func:`seal_box` under one key, parsed once, for what seals many boxes."""

    def __init__(self, key: bytes) -> None:
        self._encryptor = primitives.Encryptor(key)

    def seal(self, plaintext: bytes, *, bound_to: bytes) -> bytes:
        """Seal ``plaintext`` as a box."""
        return _BOX_BEGINS + self._encryptor.encrypt(plaintext, associated=bound_to)


def open_box(key: bytes, sealed: bytes, *, bound_to: bytes) -> bytes:
    """Open a box.

    Raises:
        MalformedError: not a version 1 box.
        CannotOpenError: wrong key or context, or changed bytes.
    """
    return primitives.decrypt(key, _body(sealed, _BOX), associated=bound_to)


def seal_key(public: PublicKey, key: bytes, *, bound_to: bytes) -> bytes:
    """Seal a 32-byte key to a generation's public half: version, ``K``, HPKE (enc, ciphertext, tag)."""
    return bytes((VERSION, _SEALED_KEY)) + public.seal(key, info=bound_to)


def settle_key(opener: Opener, key: bytes, *, bound_to: bytes) -> bytes:
    """Seal a 32-byte key for whoever holds the private half, by whoever holds it: a box under its own key."""
    return seal_box(opener.own_key(_OWN), key, bound_to=bound_to)


def is_settled(sealed: bytes) -> bool:
    """Tell whether a key was sealed by :func:`settle_key`."""
    return sealed.startswith(_BOX_BEGINS)


def open_key(opener: Opener, sealed: bytes, *, bound_to: bytes) -> bytes:
    """Open a key that either of them sealed.

    Raises:
        MalformedError: not a version 1 sealed key, nor a box.
        CannotOpenError: wrong private half or context, or changed bytes.
    """
    if is_settled(sealed):
        return open_box(opener.own_key(_OWN), sealed, bound_to=bound_to)
    return opener.open(_body(sealed, _SEALED_KEY), info=bound_to)


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a wrap may be opened: ``not_before <= t < not_after``; ``None`` leaves a side open."""

    not_before: datetime | None = None
    not_after: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Tell whether ``at`` lies inside."""
        return (self.not_before is None or self.not_before <= at) and (
            self.not_after is None or at < self.not_after
        )

    def covers(self, other: "Window") -> bool:
        """Tell whether every moment of ``other`` lies inside this window."""
        mine, theirs = self.encode(), other.encode()
        (a, b), (c, d) = _WINDOW.unpack(mine), _WINDOW.unpack(theirs)
        return bool(a <= c and d <= b)

    def encode(self) -> bytes:
        """Return two signed 64-bit big-endian microseconds since 1970; an open side is -(2^63 - 1) or 2^63 - 1."""
        return _WINDOW.pack(
            -_FOREVER if self.not_before is None else microseconds(self.not_before),
            _FOREVER if self.not_after is None else microseconds(self.not_after),
        )

    @classmethod
    def decode(cls, raw: bytes) -> "Window":
        """Read what :meth:`encode` wrote.

        Raises:
            MalformedError: not 16 bytes, or beyond the calendar.
        """
        if len(raw) != _WINDOW.size:
            raise MalformedError("a window has the wrong size")
        start, end = _WINDOW.unpack(raw)
        return cls(
            None if start == -_FOREVER else moment(start),
            None if end == _FOREVER else moment(end),
        )


def microseconds(at: datetime) -> int:
    """Return whole microseconds since 1970 UTC; ``at`` must carry a zone."""
    if at.tzinfo is None:
        raise MalformedError("a time without a zone")
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment(us: int) -> datetime:
    """Return the UTC time ``us`` microseconds after 1970."""
    try:
        return _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        raise MalformedError("a time beyond the calendar") from None


@dataclass(frozen=True, slots=True)
class WrapContext:
    """What a wrap is bound to: one generation of one drawer of one vault, for one recipient."""

    vault: bytes
    drawer: bytes
    generation: int
    recipient: str

    def encode(self) -> bytes:
        """Return the context bytes."""
        return context("wrap", self.vault, self.drawer, self.generation, self.recipient)

    def key(self, recipient_key: bytes) -> bytes:
        """Return the key under which the recipient's wraps of this generation are sealed, and nothing else."""
        return primitives.mac(recipient_key, context("wrap-key", self.vault, self.drawer, self.generation))


def seal_wrap(
    shred_key: bytes,
    window_key: bytes,
    recipient_key: bytes,
    generation: PrivateKey,
    *,
    bound_to: WrapContext,
    window: Window,
) -> bytes:
    """Wrap a generation's private half: version, ``W``, the window sealed for the server (44 bytes), then the
    private half sealed under a key of the recipient's, and that again under the drawer's shred key. Both layers
    authenticate the window, which tells when a grant ends or a child turns 13, and so never stands in clear.
    """  # noqa: D205
    bound = bound_to.encode() + window.encode()
    inner = primitives.encrypt(bound_to.key(recipient_key), generation.seed, associated=bound)
    told = primitives.encrypt(window_key, window.encode(), associated=context("wrap-window"))
    return bytes((VERSION, _WRAP)) + told + primitives.encrypt(shred_key, inner, associated=bound)


def wrap_window(window_key: bytes, sealed: bytes) -> Window:
    """Read a wrap's window; it is trustworthy only once the wrap has opened.

    Raises:
        MalformedError: not a version 1 wrap.
        CannotOpenError: another vault's, or changed bytes.
    """
    told = _body(sealed, _WRAP)[:_TOLD]
    return Window.decode(primitives.decrypt(window_key, told, associated=context("wrap-window")))


def open_wrap(
    shred_key: bytes, recipient_key: bytes, sealed: bytes, *, bound_to: WrapContext, window: Window
) -> PrivateKey:
    """Open a wrap that is said to have a window: the KeyStore checks the window against its own clock.

    Raises:
        MalformedError: not a version 1 wrap.
        CannotOpenError: another recipient, drawer, generation or window, a destroyed shred key, changed bytes.
    """
    bound = bound_to.encode() + window.encode()
    inner = primitives.decrypt(shred_key, _body(sealed, _WRAP)[_TOLD:], associated=bound)
    return PrivateKey(primitives.decrypt(bound_to.key(recipient_key), inner, associated=bound))


def _body(sealed: bytes, kind: int) -> bytes:
    if len(sealed) < 2 or sealed[0] != VERSION or sealed[1] != kind:  # noqa: PLR2004 the two leading bytes
        raise MalformedError(f"not a version {VERSION} envelope of kind {chr(kind)}")
    return sealed[2:]
