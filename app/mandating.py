"""Giving a mandate, as pages and machines do it alike: whom by a personal number, what, for how long, on what paper."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.documents import Document
from app.wiring import Valv
from consent.gate import NextStep, Refused
from consent.parse import parse_rule
from consent.rules import Rule, RuleError
from identity.numbers import parse_personal_number
from identity.principal import Principal, Relation
from policies.vocabulary import Effect, GranteeKind
from sharing import adding, asking, granting, mandates
from sharing.house import author_of
from vault.record import Origin, Provenance

_TITLES = {Relation.REPRESENTATIVE: "Fullmakt", Relation.LEGAL_GUARDIAN: "Förordnande eller registerutdrag"}
_SOME = "00000000-0000000000000000"
#: What a mandate may say, of what a rule can.
TERMS = ("relation", "actions", "categories", "valid_from", "valid_to")


def alias_of(valv: Valv, number: str) -> str:
    """Return the id of the person who has a number, whoever that is and whether or not there is such a person.

    Raises:
        identity.numbers.NumberError: it is no personal number.
    """
    found = parse_personal_number(number, at=valv.house.clock())
    return valv.house.keystore.alias(found.digits).hex()


def rule_of(valv: Valv, who: Principal, proxy: str, terms: Mapping[str, Any]) -> Rule:
    """Return the rule of a mandate for a person (an alias in hex); its document comes when it is given.

    Raises:
        RuleError: a term is wrong, or it has no end and does not say that it is to have none.
    """
    said = {**terms}
    is_open = said.pop("until_further_notice", False) is True
    for name in said:
        if name not in TERMS:
            raise RuleError(f"{name}: not a term of a mandate")
    if is_open == bool(said.get("valid_to")):
        raise RuleError("valid_to: a day, or until_further_notice, and not both")
    author = asking.principal_alias(who)
    if proxy == author:
        raise RuleError("grantee.id: nobody acts for themself")
    posted = {**said, "effect": Effect.ALLOW, "grantee": {"kind": GranteeKind.PROXY, "id": proxy}}
    return parse_rule(posted, id=granting.new_rule_id(), author=author, created=valv.house.clock())


async def give(
    valv: Valv, who: Principal, alias: bytes, rule: Rule, *, called: str, document: Document | None
) -> str:
    """Keep the document and put the mandate in force; return its id.

    That the principal may is looked at before the document is kept, and asked of the gate when the mandate is given.

    Raises:
        consent.gate.Refused: only the citizen gives a mandate, from 13.
        RuleError: the name or the document is missing.
    """
    house = valv.house
    loaded = await house.database.read(lambda reader: house.load(reader, alias))
    if not mandates.may_give(house, who, loaded):
        raise Refused(NextStep.NOTHING)
    if document is None:
        wish = mandates.to_give(rule, called)
    else:
        kept = replace(rule, document=_SOME)
        mandates.to_give(kept, called)  # what is wrong is told before anything is kept
        provenance = Provenance(author_of(who), Origin.FORM, house.clock())
        relation = rule.relation or Relation.RELATIVE
        record = document.record(_TITLES.get(relation, "Dokument"), provenance, house.clock())
        (stored,) = (await adding.add(house, who, alias, [record])).records
        wish = mandates.to_give(replace(rule, document=stored.id), called)
    await granting.carry_out(house, who, alias, wish)
    return rule.id
