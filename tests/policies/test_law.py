import json
import random
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from operator import itemgetter
from typing import Any

import cedarpy
import pytest

from policies.engine import INSTALLED, LAW_IN_FORCE, Deny, Permit, Policies, PoliciesError
from policies.vocabulary import Deed
from tests.policies.oracle import Case, cases, may

SCHEMA = INSTALLED.joinpath("vault.cedarschema").read_text("utf-8")
TEXTS = {
    item.name: item.read_text("utf-8")
    for item in INSTALLED.iterdir()
    if item.name.endswith(".cedar") and ("--" not in item.name or item.name == "basis--consent.cedar")
}

#: What another policy permits to the same people, so that adding it changes nothing.
ALREADY_PERMITTED = {
    "owner-decides": frozenset({Deed.READ, Deed.ADD, Deed.READ_LOG, Deed.LOOKUP}),
    "staff-read-by-consent": frozenset({Deed.ADD}),
    "staff-add-by-consent": frozenset({Deed.READ}),
}


def permits(policies: Policies, case: Case) -> bool:
    """Tell what the policies say."""
    match policies.decide(case.question()):
        case Permit():
            return True
        case Deny():
            return False


@cache
def shuffled() -> tuple[Case, ...]:
    """Return the cases in a fixed order that takes every principal and deed in turn, to find faults early."""
    every = list(cases())
    random.Random(2026).shuffle(every)
    turns = Counter[tuple[str, Deed]]()
    ranked = []
    for case in every:
        group = (repr(case.principal), case.deed)
        ranked.append((turns[group], case))
        turns[group] += 1
    return tuple(case for _, case in sorted(ranked, key=itemgetter(0)))


def test_policies_say_what_the_law_says_in_every_combination() -> None:
    """An oracle in plain Python, written from the sources, is the second opinion on the Cedar text."""
    policies = Policies.load(INSTALLED, LAW_IN_FORCE)
    assert len(shuffled()) > 8_000
    wrong = [case for case in shuffled() if permits(policies, case) is not may(case)]
    assert wrong == []
    assert 300 < sum(map(may, shuffled())) < len(shuffled()) / 2


def test_blocks_only_basis_differs_from_consent_in_reading_without_an_allow_only() -> None:
    """The lawful basis is a file chosen by setting: the same house must run on the inquiry's proposal."""
    consent = Policies.load(INSTALLED, {"basis": "consent"})
    blocks = Policies.load(INSTALLED, {"basis": "blocks-only"})
    differ = [c for c in shuffled()[:4000] if permits(consent, c) is not permits(blocks, c)]
    assert differ
    for case in differ:
        assert permits(blocks, case)
        assert case.deed is Deed.READ
        assert not case.allowed
        assert not case.denied


def mutants() -> Iterator[Any]:
    """Yield the set with one file missing or one policy of it changed."""
    for name, text in sorted(TEXTS.items()):
        parsed = json.loads(cedarpy.policies_to_json_str(text))
        others = {key: value for key, value in TEXTS.items() if key != name}
        yield pytest.param(others, id=f"without {name}")
        for number, changed in enumerate(_weakened(parsed)):
            mutated = cedarpy.policies_from_json_str(json.dumps(changed))
            yield pytest.param({**others, name: mutated}, id=f"{name} weakened {number}")


def _weakened(parsed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the file with one condition taken away, one negation turned, or one action more or less."""
    for key, policy in parsed["staticPolicies"].items():
        for changed in (*_with_other_conditions(policy), *_with_other_actions(policy)):
            result = deepcopy(parsed)
            result["staticPolicies"][key] = changed
            yield result


def _with_other_conditions(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for number, condition in enumerate(policy["conditions"]):
        yield {**policy, "conditions": [c for c in policy["conditions"] if c is not condition]}
        for body in _simpler(condition["body"]):
            conditions = [*policy["conditions"]]
            conditions[number] = {**condition, "body": body}
            yield {**policy, "conditions": conditions}


def _simpler(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operator in ("&&", "||"):
        if operator in body:
            left, right = body[operator]["left"], body[operator]["right"]
            yield from (left, right)
            for one in _simpler(left):
                yield {operator: {"left": one, "right": right}}
            for one in _simpler(right):
                yield {operator: {"left": left, "right": one}}
    if "!" in body:
        yield body["!"]["arg"]


def _with_other_actions(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if policy["resource"].get("entity_type") == "Organisation":
        return  # the schema knows one action on an organisation
    scope = policy["action"]
    given = [entity["id"] for entity in scope.get("entities", [scope.get("entity")])]
    options = [[deed for deed in given if deed != less] for less in given if len(given) > 1]
    known = ALREADY_PERMITTED.get(policy["annotations"]["id"], frozenset())
    more = [deed for deed in Deed if deed not in given and deed not in {*known, Deed.REVIEW_LOG}]
    options += [[*given, str(deed)] for deed in more]
    for ids in options:
        entities = [{"type": "Action", "id": identifier} for identifier in ids]
        yield {**policy, "action": {"op": "in", "entities": entities}}


@pytest.mark.parametrize("texts", list(mutants()))
def test_any_policy_dropped_or_weakened_is_noticed(texts: dict[str, str]) -> None:
    """The enumeration is worth nothing if a policy could be lost without it."""
    try:
        policies = Policies(texts, SCHEMA)
    except PoliciesError:
        return  # the process would not start
    assert any(permits(policies, case) is not may(case) for case in shuffled())


@pytest.mark.parametrize("name", sorted(item.name for item in INSTALLED.iterdir() if ".cedar" in item.name))
def test_every_policy_file_names_its_source_first(name: str) -> None:
    """A reader who is not a programmer must be able to hold each file against the law."""
    assert INSTALLED.joinpath(name).read_text("utf-8").startswith("// ")


def test_policies_read_no_attribute_of_a_record_and_only_whether_rules_fit() -> None:
    """Masks over opened columns are valid only while nothing of a record decides."""
    facts = {"purpose", "consent", "registered", "locates", "allows", "denies"}
    about = {"owner", "age", "protected", "number", "citizen", "relation", "right", "provider", "authority"}
    for item in INSTALLED.iterdir():
        if item.name.endswith(".cedar"):
            parsed = json.loads(cedarpy.policies_to_json_str(item.read_text("utf-8")))
            assert set(_attributes(parsed)) <= facts | about, item.name
            assert set(_uses_of_rules(parsed)) <= {"isEmpty"}, item.name


def _attributes(node: Any) -> Iterator[str]:
    match node:
        case {"attr": str(name), **rest}:
            yield name
            yield from _attributes(rest)
        case dict():
            for child in node.values():
                yield from _attributes(child)
        case list():
            for child in node:
                yield from _attributes(child)
        case _:
            return


def _uses_of_rules(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for operator, operand in node.items():
            if isinstance(operand, dict):
                for child in operand.values():
                    if isinstance(child, dict) and child.get(".", {}).get("attr") in {"allows", "denies"}:
                        yield operator
        for child in node.values():
            yield from _uses_of_rules(child)
    elif isinstance(node, list):
        for child in node:
            yield from _uses_of_rules(child)
