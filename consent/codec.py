"""Rules as bytes and as JSON: sealed under the vault's rules key, and as machines read them.

Sealed rules, version 1: one byte 1, the rule set's version (8 bytes, big-endian, in clear as every version
is), then a box (docs/spec/envelope-v1.md) under the vault's rules key, bound to the vault and that version.
Inside is the JSON of the set's other fields as the declared types say (:mod:`consent.rules`), canonical: UTF-8, keys
sorted, no spaces, lists of a set sorted, times in UTC. What is not exactly what the writer writes is refused.
"""

from datetime import datetime
from typing import Any

import msgspec

from consent.rules import Contact, Rule, RuleError, RuleSet
from keys.envelope import context, open_box, seal_box
from keys.keystore import VaultKeys
from keys.primitives import MalformedError

VERSION = 1
#: Format and version, in clear.
HEADER = 1 + 8


class _Inside(msgspec.Struct, forbid_unknown_fields=True):
    """What is sealed."""

    rules: tuple[Rule, ...]
    contacts: tuple[Contact, ...]
    paused: datetime | None
    previous: str
    written: datetime | None


_write = msgspec.json.Encoder(order="sorted").encode
_read = msgspec.json.Decoder(_Inside).decode


def seal_rules(keys: VaultKeys, ruleset: RuleSet) -> bytes:
    """Seal a vault's rules at one version."""
    inside = _Inside(ruleset.rules, ruleset.contacts, ruleset.paused, ruleset.previous, ruleset.written)
    plaintext = _write(inside)
    bound = context("rules", keys.vault, ruleset.version)
    return (
        bytes((VERSION,))
        + ruleset.version.to_bytes(8, "big")
        + seal_box(keys.rules, plaintext, bound_to=bound)
    )


def open_rules(keys: VaultKeys, sealed: bytes) -> RuleSet:
    """Open what :func:`seal_rules` sealed for this vault.

    Raises:
        MalformedError: not sealed rules of version 1, or their inside is not what we write.
        CannotOpenError: another vault's or another version's rules, or changed bytes.
    """
    if len(sealed) < HEADER or sealed[0] != VERSION:
        raise MalformedError("not sealed rules of version 1")
    version = int.from_bytes(sealed[1:HEADER], "big")
    plaintext = open_box(keys.rules, sealed[HEADER:], bound_to=context("rules", keys.vault, version))
    try:
        inside = _read(plaintext)
        found = RuleSet(
            version, inside.rules, inside.contacts, inside.paused, inside.previous, inside.written
        )
    except (msgspec.MsgspecError, ValueError, RuleError) as error:
        raise MalformedError("the rules' inside is not a list of rules") from error
    if _write(inside) != plaintext:
        raise MalformedError("the rules' inside is not canonical")
    return found


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """Return a rule as JSON: the fields of ``POST /api/consents``, with id, author and created."""
    found: dict[str, Any] = to_json(rule)
    return found


def to_json(value: Any) -> Any:
    """Return what rules are made of as JSON, as it is sealed."""
    return msgspec.json.decode(_write(value))
