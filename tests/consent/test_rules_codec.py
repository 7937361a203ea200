import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.codec import open_rules, rule_to_json, seal_rules
from consent.rules import RuleSet
from keys.envelope import context, seal_box
from keys.keystore import VaultKeys
from keys.primitives import CannotOpenError, KeysError, MalformedError
from tests.consent import cast
from tests.consent.strategies import UNHURRIED, rulesets

KEYS = VaultKeys(cast.VAULT, blind=b"b" * 32, rules=b"r" * 32, intake=b"i" * 32)
RULES = RuleSet(7, (cast.rule(), cast.rule("r2", valid_to=cast.AT)))


@UNHURRIED
@given(rulesets(), st.integers(0, 2**63))
def test_rules_come_back_as_they_were(rules: RuleSet, version: int) -> None:
    """A rule that changed in storage would be another consent."""
    rules = replace(rules, version=version)
    assert open_rules(KEYS, seal_rules(KEYS, rules)) == rules


@UNHURRIED
@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    """A widened rule, a deleted block or another version must not open."""
    sealed = bytearray(seal_rules(KEYS, RULES))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(KeysError):
        open_rules(KEYS, bytes(sealed))


@pytest.mark.parametrize("size", [0, 1, 8, 9, 20])
def test_cut_off_rules_do_not_open(size: int) -> None:
    """A torn write is not an empty set of rules."""
    with pytest.raises(KeysError):
        open_rules(KEYS, seal_rules(KEYS, RULES)[:size])


def test_another_vaults_rules_do_not_open() -> None:
    """Rules moved between vaults would be someone else's consent."""
    other = VaultKeys(b"x" * 16, blind=KEYS.blind, rules=KEYS.rules, intake=KEYS.intake)
    with pytest.raises(CannotOpenError):
        open_rules(other, seal_rules(KEYS, RULES))


def test_an_old_set_under_a_new_number_does_not_open() -> None:
    """Yesterday's rules cannot be passed off as today's version."""
    old = seal_rules(KEYS, RULES)
    with pytest.raises(CannotOpenError):
        open_rules(KEYS, old[:1] + (8).to_bytes(8, "big") + old[9:])


def test_sealed_rules_show_nothing_but_their_version() -> None:
    """A dump of the database tells nothing of whom a citizen let in."""
    sealed = seal_rules(KEYS, RULES)
    assert sealed[:9] == b"\x01" + (7).to_bytes(8, "big")
    for word in (b"blood", b"allow", cast.CENTRE.id.encode(), cast.ALIAS.hex().encode()):
        assert word not in sealed


def spoilt(**changed: object) -> bytes:
    """Return the inside of one sealed rule with something changed."""
    rules = [{**rule_to_json(cast.rule()), **changed}]
    raw = {"contacts": [], "paused": None, "previous": "", "rules": rules, "written": None}
    return json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()


SPOILT = {
    "not json": b"[",
    "no list": b"{}",
    "no rules": b"[1]",
    "spaces": spoilt().replace(b",", b", "),
    "twice": spoilt().replace(b'"id":"r1"', b'"id":"r1","id":"r1"'),
    "unknown key": spoilt(z=1),
    "missing keys": b'[{"id":"x"}]',
    "unknown word": spoilt(effect="maybe"),
    "codes as text": spoilt(codes="ab"),
    "no actions": spoilt(actions=[]),
    "unsorted": spoilt(actions=["read", "add"]),
    "other zone": spoilt(created="2026-03-10T13:00:00.000000+01:00"),
    "no zone": spoilt(created="2026-03-10T13:00:00.000000"),
    "not utf-8": b"\xff",
}


@pytest.mark.parametrize("inside", SPOILT.values(), ids=SPOILT.keys())
def test_an_inside_that_we_would_not_write_is_refused(inside: bytes) -> None:
    """Strict decoding: one meaning, one form."""
    box = seal_box(KEYS.rules, inside, bound_to=context("rules", KEYS.vault, 1))
    with pytest.raises(MalformedError):
        open_rules(KEYS, b"\x01" + (1).to_bytes(8, "big") + box)


def test_a_rule_as_json_has_the_fields_of_the_public_surface() -> None:
    """The page, the API and the export read these names."""
    assert rule_to_json(cast.rule()) == {
        "id": "r1",
        "effect": "allow",
        "grantee": {"kind": "unit", "id": cast.CENTRE.id},
        "actions": ["read"],
        "categories": ["blood-pressure"],
        "codes": [],
        "records": [],
        "sources": [],
        "spares": [],
        "while_related": False,
        "until_plan": "",
        "lifts": [],
        "relation": None,
        "document": "",
        "helper": "",
        "confirmed": None,
        "purposes": [],
        "data_from": None,
        "data_to": None,
        "valid_from": None,
        "valid_to": None,
        "author": cast.ALIAS.hex(),
        "created": "2026-03-10T12:00:00Z",
    }
