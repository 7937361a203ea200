"""Whose vault a request is about, and why: the patient id and the purpose, parsed once at the edge."""

import re
from typing import assert_never

from app.errors import BadRequestError, NotFoundError
from identity.principal import Citizen, Client, Principal, Proxy, Staff, System
from policies.vocabulary import Category, Purpose

_EMERGENCY = frozenset({"ETREAT", "BTG"})
_ALIAS = re.compile(r"(?:Patient/)?([0-9a-f]{32})", re.ASCII)
_PLAIN = re.compile(r"[0-9a-f]+", re.ASCII)


def parse_patient(text: str) -> bytes:
    """Return the alias in ``<id>`` or ``Patient/<id>``.

    Raises:
        BadRequestError: of another form. A personal number is never one.
    """
    found = _ALIAS.fullmatch(text)
    if found is None:
        raise BadRequestError("patient: not an id from Patient/_search")
    return bytes.fromhex(found[1])


def parse_id(text: str, *, size: int = 16) -> bytes:
    """Return the bytes of an entry's or an import's id, or of a document's digest (32).

    Raises:
        NotFoundError: of another form, which is that of nothing here.
    """
    if _PLAIN.fullmatch(text) is None or len(text) != 2 * size:
        raise NotFoundError
    return bytes.fromhex(text)


def own_alias(principal: Principal) -> bytes | None:
    """Return the alias of the citizen whom a principal is or acts for; None for others."""
    match principal:
        case Citizen(person):
            return person.alias
        case Proxy(_, citizen, _):
            return citizen.alias
        case Staff() | Client() | System():
            return None
        case _:
            assert_never(principal)


def alias_for(principal: Principal, patient: str | None) -> bytes:
    """Return whose vault is meant: the one named, else a citizen's own.

    Raises:
        BadRequestError: staff and systems must name one.
    """
    if patient:
        return parse_patient(patient)
    own = own_alias(principal)
    if own is None:
        raise BadRequestError("patient: required")
    return own


def parse_category(text: str) -> Category:
    """Return a category by its name.

    Raises:
        BadRequestError: not one of the vocabulary.
    """
    try:
        return Category(text)
    except ValueError:
        raise BadRequestError(f"category: one of {', '.join(Category)}") from None


def is_emergency(header: str | None) -> bool:
    """Tell whether a ``Purpose-Of-Use`` header asks under an emergency opening (v3-ActReason ETREAT or BTG)."""
    return (header or "").strip().upper() in _EMERGENCY


def parse_purpose(header: str | None) -> Purpose | None:
    """Return the purpose in a ``Purpose-Of-Use`` header; None leaves the principal's own.

    Raises:
        BadRequestError: not one of the vocabulary.
    """
    if not header:
        return None
    if is_emergency(header):
        return Purpose.CARE
    try:
        return Purpose(header.strip().upper())
    except ValueError:
        raise BadRequestError("Purpose-Of-Use: unknown") from None
