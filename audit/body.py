"""Sealed bodies: an event under a key that its readers share, wrapped once for each of them.

Sealed record, version 2: version byte, number of wraps, then each wrap (one kind byte, a box over the body's key),
then a box over salt (32 bytes) and canonical event. Readers are the vault (``V``), the actor's provider (``P``) and
authority (``A``) by their keys of the month, and where there is none of them the installation (``S``). A process makes
one such key for each set of readers and month, and seals every body of that set under it.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from audit.events import Event
from audit.leaf import NOBODY
from keys.envelope import Boxes, context, moment, open_box, seal_box
from keys.keystore import KeyStore
from keys.primitives import CannotOpenError, KeysError, chance, random_key

VERSION = 2
SALT_SIZE = 32
SERVICE = "service"

_TIME_SIZE = 6
_DAY_MS = 86_400_000
_WRAP_SIZE = 2 + 12 + 32 + 16
_REMEMBERED = 20_000
_BODY = context("audit-body", bytes(16))[:-16]  # what an entry's id is put to


def vault_scope(vault: bytes) -> str:
    """Return the scope under which a vault's log is pseudonymised and sealed."""
    return f"vault:{vault.hex()}"


def organisation_scope(identifier: str) -> str:
    """Return the scope of a provider or an authority, by its HSA-id."""
    return f"org:{identifier}"


def new_entry_id(now_ms: int) -> bytes:
    """Return an entry's id: its time in milliseconds, for its month and its place in the index, then chance."""
    return now_ms.to_bytes(_TIME_SIZE, "big") + chance(10)


def month_of(entry_id: bytes) -> str:
    """Return the month (``YYYY-MM``, UTC) of an entry's own time: that of the keys over its body."""
    return month_at(int.from_bytes(entry_id[:_TIME_SIZE], "big"))


def month_at(ms: int) -> str:
    """Return the month of a time in milliseconds."""
    return _month_of_day(ms // _DAY_MS)


@functools.lru_cache(1000)
def _month_of_day(day: int) -> str:
    at = moment(day * _DAY_MS * 1000)
    return f"{at.year:04d}-{at.month:02d}"


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read an event's body: the pseudonyms by which they find it, and what their common key seals."""

    vault: bytes
    organisations: bytes  # the provider's, then the authority's
    wraps: bytes
    boxes: Boxes

    def seal(self, salted: bytes, *, entry_id: bytes) -> bytes:
        """Return the sealed record of a salt and canonical event."""
        return self.wraps + self.boxes.seal(salted, bound_to=_BODY + entry_id)


class Sealer:
    """Finds and makes Readers; they are kept in the process, so that few requests wait for the KeyStore.

    What is kept seals only: opening asks the KeyStore anew, so that a destroyed key opens nothing.
    """

    def __init__(self, keystore: KeyStore) -> None:
        self._keystore = keystore
        self._kept: dict[tuple[bytes | None, str, str, str], Readers] = {}

    def find(self, event: Event, month: str) -> Readers | None:
        """Return an event's readers if they are at hand."""
        return self._kept.get((event.vault, event.actor.provider_id, event.actor.authority_id, month))

    def make(self, event: Event, month: str) -> Readers:
        """Return an event's readers; the KeyStore may have to make their keys of the month."""
        if len(self._kept) >= _REMEMBERED:
            self._kept.clear()
        named = event.vault, event.actor.provider_id, event.actor.authority_id
        return self._kept.setdefault((*named, month), self._made(*named, month))

    def _made(self, vault: bytes | None, provider: str, authority: str, month: str) -> Readers:
        scopes = (
            vault_scope(vault) if vault is not None else "",
            organisation_scope(provider) if provider else "",
            organisation_scope(authority) if authority else "",
        )
        names = [self._keystore.pseudonym(scope) if scope else NOBODY for scope in scopes]
        kinds = [(kind, scope) for kind, scope in zip(b"VPA", scopes, strict=True) if scope]
        if provider == authority:
            kinds = [pair for pair in kinds if pair[0] != ord("A")]
        kinds = kinds or [(ord("S"), SERVICE)]
        key, parts = random_key(), [bytes((VERSION, len(kinds)))]
        for kind, scope in kinds:
            wrap = seal_box(self._key(scope, month), key, bound_to=context("audit-body-key", scope, month))
            parts += (bytes((kind,)), wrap)
        return Readers(names[0], names[1] + names[2], b"".join(parts), Boxes(key))

    def _key(self, scope: str, month: str) -> bytes:
        if scope == SERVICE:
            return self._keystore.service_key("audit-service")
        return self._keystore.month_key(scope, month)


def open_sealed(sealed: bytes, *, entry_id: bytes, scope: str, key: bytes) -> bytes:
    """Open a sealed record as the reader ``scope``; return salt and canonical event, joined.

    Raises:
        CannotOpenError: no wrap for this reader, another key, or changed bytes.
    """
    if len(sealed) < 2 or sealed[0] != VERSION:  # noqa: PLR2004 the two leading bytes
        raise CannotOpenError("not a sealed body of version 2")
    kinds = {"v": b"V", "o": b"PA", "s": b"S"}[scope[0]]
    end = 2 + sealed[1] * (1 + _WRAP_SIZE)
    for start in range(2, end, 1 + _WRAP_SIZE):
        if sealed[start : start + 1] not in kinds:
            continue
        try:
            wrap = sealed[start + 1 : start + 1 + _WRAP_SIZE]
            inner = open_box(key, wrap, bound_to=context("audit-body-key", scope, month_of(entry_id)))
        except KeysError:
            continue  # the authority's wrap, read by the provider
        return open_box(inner, sealed[end:], bound_to=_BODY + entry_id)
    raise CannotOpenError("no wrap for this reader")


def find_key(keystore: KeyStore, scope: str, month: str) -> bytes | None:
    """Return a reader's key of a month, None if it was never made or is destroyed."""
    if scope == SERVICE:
        return keystore.service_key("audit-service")
    return keystore.find_month_key(scope, month)


def opener(keystore: KeyStore, scopes: Iterable[str]) -> Callable[[bytes, int, bytes], bytes | None]:
    """Return what ``audit.verify`` takes as ``open_body``: (entry id, its leaf's time, sealed) to plaintext.

    It opens what one of ``scopes`` may read, and returns None for all else.
    """
    named = tuple(scopes)

    def open_body(entry_id: bytes, _at_us: int, sealed: bytes) -> bytes | None:
        for scope in named:
            try:
                key = find_key(keystore, scope, month_of(entry_id))
                if key is not None:
                    return open_sealed(sealed, entry_id=entry_id, scope=scope, key=key)
            except KeysError:
                continue
        return None

    return open_body
