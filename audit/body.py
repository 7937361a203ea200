"""Sealed bodies: an event under a fresh key, that key wrapped once for each who may read it.

Sealed record, version 1: version byte, number of wraps, then each wrap (one kind byte, a box over the
body's key), then a box over salt (32 bytes) and canonical event. Readers are the vault (``V``), the actor's
provider (``P``) and authority (``A``) by their keys of the month, and where there is none of them the
installation (``S``).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from audit.encoding import encode
from audit.events import Event
from audit.leaf import NOBODY, commit
from keys.envelope import context, moment, open_box, seal_box
from keys.keystore import KeyStore
from keys.primitives import CannotOpenError, KeysError, random_key

VERSION = 1
SALT_SIZE = 32
SERVICE = "service"

_WRAP_SIZE = 2 + 12 + 32 + 16
_CACHED_KEYS = 50_000


def vault_scope(vault: bytes) -> str:
    """Return the scope under which a vault's log is pseudonymised and sealed."""
    return f"vault:{vault.hex()}"


def organisation_scope(identifier: str) -> str:
    """Return the scope of a provider or an authority, by its HSA-id."""
    return f"org:{identifier}"


def month_of(at: datetime) -> str:
    """Return the month (``YYYY-MM``) of a time in UTC."""
    return f"{at.year:04d}-{at.month:02d}"


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read an event's body: (kind, scope) pairs, and the pseudonyms by which it is found."""

    scopes: tuple[tuple[int, str], ...]
    vault: bytes
    provider: bytes
    authority: bytes

    @classmethod
    def of(cls, event: Event, pseudonym: Callable[[str], bytes]) -> "Readers":
        """Name an event's readers; ``pseudonym`` gives a scope's name in the log."""
        actor = event.actor
        vault = vault_scope(event.vault) if event.vault is not None else ""
        provider = organisation_scope(actor.provider_id) if actor.provider_id else ""
        authority = organisation_scope(actor.authority_id) if actor.authority_id else ""
        scopes = [
            (kind, scope) for kind, scope in zip(b"VPA", (vault, provider, authority), strict=True) if scope
        ]
        if provider == authority:
            scopes = [pair for pair in scopes if pair[0] != ord("A")]
        named = (pseudonym(scope) if scope else NOBODY for scope in (vault, provider, authority))
        return cls(tuple(scopes) or ((ord("S"), SERVICE),), *named)


@dataclass(frozen=True, slots=True)
class Body:
    """An event ready to be sealed: its salt, canonical bytes and commitment."""

    salt: bytes
    raw: bytes
    commitment: bytes

    @classmethod
    def of(cls, event: Event) -> "Body":
        """Encode an event and commit to it under a fresh salt."""
        salt, raw = random_key(), encode(event)
        return cls(salt, raw, commit(salt, raw))


class Sealer:
    """Seals bodies; the months' keys are kept in the process, so that few requests wait for the KeyStore.

    Only sealing uses the kept keys: opening asks the KeyStore anew, so that a destroyed key opens nothing.
    """

    def __init__(self, keystore: KeyStore) -> None:
        self._keystore = keystore
        self._kept: dict[tuple[str, str], bytes] = {}

    def is_warm(self, readers: Readers, month: str) -> bool:
        """Tell whether sealing would not have to ask the KeyStore."""
        return all((scope, month) in self._kept for _, scope in readers.scopes)

    def warm(self, readers: Readers, month: str) -> None:
        """Fetch, or make, the keys that sealing will need."""
        for _, scope in readers.scopes:
            self._key(scope, month)

    def seal(self, entry_id: bytes, body: Body, readers: Readers, *, month: str) -> bytes:
        """Return the sealed record of one body."""
        key = random_key()
        parts = [bytes((VERSION, len(readers.scopes)))]
        for kind, scope in readers.scopes:
            bound = context("audit-body-key", entry_id, scope)
            parts += (bytes((kind,)), seal_box(self._key(scope, month), key, bound_to=bound))
        parts.append(seal_box(key, body.salt + body.raw, bound_to=context("audit-body", entry_id)))
        return b"".join(parts)

    def _key(self, scope: str, month: str) -> bytes:
        found = self._kept.get((scope, month))
        if found is None:
            if len(self._kept) >= _CACHED_KEYS:
                self._kept.clear()
            found = _make_key(self._keystore, scope, month)
            self._kept[scope, month] = found
        return found


def open_sealed(sealed: bytes, *, entry_id: bytes, scope: str, key: bytes) -> bytes:
    """Open a sealed record as the reader ``scope``; return salt and canonical event, joined.

    Raises:
        CannotOpenError: no wrap for this reader, another key, or changed bytes.
    """
    if len(sealed) < 2 or sealed[0] != VERSION:  # noqa: PLR2004 the two leading bytes
        raise CannotOpenError("not a sealed body of version 1")
    kinds = {"v": b"V", "o": b"PA", "s": b"S"}[scope[0]]
    end = 2 + sealed[1] * (1 + _WRAP_SIZE)
    for start in range(2, end, 1 + _WRAP_SIZE):
        if sealed[start] not in kinds:
            continue
        try:
            wrap = sealed[start + 1 : start + 1 + _WRAP_SIZE]
            inner = open_box(key, wrap, bound_to=context("audit-body-key", entry_id, scope))
        except KeysError:
            continue  # the authority's wrap, read by the provider
        return open_box(inner, sealed[end:], bound_to=context("audit-body", entry_id))
    raise CannotOpenError("no wrap for this reader")


def find_key(keystore: KeyStore, scope: str, month: str) -> bytes | None:
    """Return a reader's key of a month, None if it was never made or is destroyed."""
    if scope == SERVICE:
        return keystore.service_key("audit-service")
    return keystore.find_month_key(scope, month)


def opener(keystore: KeyStore, scopes: Iterable[str]) -> Callable[[bytes, int, bytes], bytes | None]:
    """Return what ``audit.verify`` takes as ``open_body``: (entry id, month's time, sealed) to plaintext.

    It opens what one of ``scopes`` may read, and returns None for all else.
    """
    named = tuple(scopes)

    def open_body(entry_id: bytes, at_us: int, sealed: bytes) -> bytes | None:
        month = month_of(moment(at_us))
        for scope in named:
            key = find_key(keystore, scope, month)
            if key is None:
                continue
            try:
                return open_sealed(sealed, entry_id=entry_id, scope=scope, key=key)
            except KeysError:
                continue
        return None

    return open_body


def _make_key(keystore: KeyStore, scope: str, month: str) -> bytes:
    if scope == SERVICE:
        return keystore.service_key("audit-service")
    return keystore.month_key(scope, month)
