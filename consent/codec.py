"""Rules as bytes and as JSON: sealed under the vault's rules key, and as machines read them.

Sealed rules, version 1: one byte 1, the rule set's version (8 bytes, big-endian, in clear as every version
is), then a box (docs/spec/envelope-v1.md) under the vault's rules key, bound to the vault and that version.
Inside is canonical JSON: UTF-8, keys sorted, no spaces, lists of a set sorted, times in UTC with
microseconds. What is not exactly what the writer writes is refused.
"""

import json
from datetime import UTC, date, datetime
from typing import Any

from consent.rules import Grantee, Rule, RuleError, RuleSet
from keys.envelope import context, open_box, seal_box
from keys.keystore import VaultKeys
from keys.primitives import MalformedError
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose

VERSION = 1
_HEADER = 1 + 8


def seal_rules(keys: VaultKeys, ruleset: RuleSet) -> bytes:
    """Seal a vault's rules at one version."""
    plaintext = _canonical([rule_to_json(rule) for rule in ruleset.rules])
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
    if len(sealed) < _HEADER or sealed[0] != VERSION:
        raise MalformedError("not sealed rules of version 1")
    version = int.from_bytes(sealed[1:_HEADER], "big")
    plaintext = open_box(keys.rules, sealed[_HEADER:], bound_to=context("rules", keys.vault, version))
    try:
        rules = tuple(map(_stored, json.loads(plaintext)))
    except (ValueError, KeyError, TypeError, AttributeError, RuleError) as error:
        raise MalformedError("the rules' inside is not a list of rules") from error
    if _canonical([rule_to_json(rule) for rule in rules]) != plaintext:
        raise MalformedError("the rules' inside is not canonical")
    return RuleSet(version, rules)


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """Return a rule as JSON: the fields of ``POST /api/consents``, with id, author and created."""
    return {
        "id": rule.id,
        "effect": str(rule.effect),
        "grantee": {"kind": str(rule.grantee.kind), "id": rule.grantee.id},
        "actions": sorted(rule.actions),
        "categories": sorted(rule.categories),
        "codes": sorted(rule.codes),
        "purposes": sorted(rule.purposes),
        "data_from": _day(rule.data_from),
        "data_to": _day(rule.data_to),
        "valid_from": _time(rule.valid_from),
        "valid_to": _time(rule.valid_to),
        "author": rule.author,
        "created": _time(rule.created),
    }


def _stored(raw: dict[str, Any]) -> Rule:
    return Rule(
        id=raw["id"],
        effect=Effect(raw["effect"]),
        grantee=Grantee(GranteeKind(raw["grantee"]["kind"]), raw["grantee"]["id"]),
        actions=frozenset(map(Action, raw["actions"])),
        categories=frozenset(map(Category, raw["categories"])),
        codes=frozenset(raw["codes"]),
        purposes=frozenset(map(Purpose, raw["purposes"])),
        data_from=None if raw["data_from"] is None else date.fromisoformat(raw["data_from"]),
        data_to=None if raw["data_to"] is None else date.fromisoformat(raw["data_to"]),
        valid_from=None if raw["valid_from"] is None else datetime.fromisoformat(raw["valid_from"]),
        valid_to=None if raw["valid_to"] is None else datetime.fromisoformat(raw["valid_to"]),
        author=raw["author"],
        created=datetime.fromisoformat(raw["created"]),
    )


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _time(at: datetime | None) -> str | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise MalformedError("a time without a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
