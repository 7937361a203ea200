import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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
FILES = {i.name: i.read_text("utf-8") for i in INSTALLED.iterdir() if i.name.endswith(".cedar")}
OTHERS = [
    {**LAW_IN_FORCE, setting: choice}
    for setting, choice in sorted(name.removesuffix(".cedar").split("--") for name in FILES if "--" in name)
    if LAW_IN_FORCE[setting] != choice
]
LAWS = [LAW_IN_FORCE, *OTHERS]


def texts_of(law: Mapping[str, str]) -> dict[str, str]:
    """Return the files that hold under some choices."""
    chosen = {f"{setting}--{choice}.cedar" for setting, choice in law.items()}
    return {name: text for name, text in FILES.items() if "--" not in name or name in chosen}


#: What another policy permits, or forbids, to the same people, so that adding it changes nothing.
ALREADY_PERMITTED = {
    "owner-decides": frozenset({Deed.READ, Deed.ADD, Deed.READ_LOG, Deed.KNOW_STAFF, Deed.LOOKUP}),
    "staff-read-by-consent": frozenset({Deed.ADD}),
    "staff-add-by-consent": frozenset({Deed.READ}),
    "staff-read-unless-blocked": frozenset({Deed.LOOKUP, Deed.ASK}),
    "mandate-manages": frozenset({Deed.READ, Deed.ADD}),
    "staff-assist": frozenset({Deed.LOOKUP, Deed.ASK}),
    "emergency-open": frozenset({Deed.LOOKUP, Deed.ASK}),
    "own-accesses": frozenset({Deed.REVIEW_LOG}),
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


@pytest.mark.parametrize("law", LAWS, ids=lambda law: " ".join(law.values()))
def test_policies_say_what_the_law_says_in_every_combination(law: Mapping[str, str]) -> None:
    """An oracle in plain Python, written from the sources, is the second opinion on the Cedar text."""
    policies = Policies.load(INSTALLED, law)
    asked = shuffled() if law is LAW_IN_FORCE else shuffled()[::7]
    assert len(shuffled()) > 20_000
    wrong = [case for case in asked if permits(policies, case) is not may(case, law)]
    assert wrong == []
    assert 300 < sum(may(case, law) for case in asked) < len(asked) / 2


@pytest.mark.parametrize("law", OTHERS, ids=lambda law: " ".join(law.values()))
def test_a_variant_is_told_from_the_law_in_force(law: Mapping[str, str]) -> None:
    """A choice that changed nothing would be a setting that does not work."""
    assert any(may(case, law) is not may(case) for case in shuffled())


def mutants() -> Iterator[Any]:
    """Yield the set in force with one file missing or one policy of it changed; then each other choice likewise."""
    yield from _mutants(LAW_IN_FORCE, texts_of(LAW_IN_FORCE))
    for law in OTHERS:
        yield from _mutants(law, texts_of(law).keys() - texts_of(LAW_IN_FORCE).keys())


def _mutants(law: Mapping[str, str], names: Iterable[str]) -> Iterator[Any]:
    texts = texts_of(law)
    for name in sorted(names):
        parsed = json.loads(cedarpy.policies_to_json_str(texts[name]))
        if not parsed["staticPolicies"]:
            continue  # the choice is that nothing more holds
        others = {key: value for key, value in texts.items() if key != name}
        yield pytest.param(law, others, id=f"without {name}")
        for number, changed in enumerate(_weakened(parsed)):
            mutated = cedarpy.policies_from_json_str(json.dumps(changed))
            yield pytest.param(law, {**others, name: mutated}, id=f"{name} weakened {number}")


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
    others = {Deed.REVIEW_LOG, Deed.ANSWER_FOR}  # the schema knows these, and no others, on an organisation
    if policy["resource"].get("entity_type") == "Organisation":
        others = set(Deed) - others
    scope = policy["action"]
    given = [entity["id"] for entity in scope.get("entities", [scope.get("entity")])]
    options = [[deed for deed in given if deed != less] for less in given if len(given) > 1]
    known = ALREADY_PERMITTED.get(policy["annotations"]["id"], frozenset())
    more = [deed for deed in Deed if deed not in given and deed not in {*known, *others}]
    options += [[*given, str(deed)] for deed in more]
    for ids in options:
        entities = [{"type": "Action", "id": identifier} for identifier in ids]
        yield {**policy, "action": {"op": "in", "entities": entities}}


@pytest.mark.parametrize(("law", "texts"), list(mutants()))
def test_any_policy_dropped_or_weakened_is_noticed(law: Mapping[str, str], texts: dict[str, str]) -> None:
    """The enumeration is worth nothing if a policy could be lost without it."""
    try:
        policies = Policies(texts, SCHEMA)
    except PoliciesError:
        return  # the process would not start
    assert any(permits(policies, case) is not may(case, law) for case in shuffled())


@pytest.mark.parametrize("name", sorted(item.name for item in INSTALLED.iterdir() if ".cedar" in item.name))
def test_every_policy_file_names_its_source_first(name: str) -> None:
    """A reader who is not a programmer must be able to hold each file against the law."""
    assert INSTALLED.joinpath(name).read_text("utf-8").startswith("// ")


def test_policies_read_no_attribute_of_a_record_and_only_whether_rules_fit() -> None:
    """Masks over opened columns are valid only while nothing of a record decides."""
    facts = {
        "purpose",
        "consent",
        "registered",
        "locates",
        "related",
        "emergency",
        "minutes",
        "allows",
        "denies",
    }
    about = {"owner", "age", "protected", "number", "citizen", "relation", "own"}
    about |= {"right", "provider", "providerKind", "authority", "licence"}
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
