"""A FHIR R4 Consent read as the rule it says: what it takes is exactly what one rule can say, anything else is refused.

One Consent is one rule. What :mod:`app.fhir.consent` wrote comes back as it was; of other people's Consents those are
taken that say no more than a rule does (docs/spec/consent-v1.md). Every element that stands in the way is named:

- a root provision without a type permits nothing, so it is no rule;
- what is left out means everything, so that a denial may leave out whom, what and which, and a permission may not;
- a modifier that is not ours, another policy than the vault's, a status other than active: not to be acted on;
- an exception that permits is a rule of its own, unless it is one of ours (whom a block spares, where it is lifted).

The result is what ``POST /api/consents`` takes, for :func:`consent.parse.parse_rule`, with what only a rule that stands
can have (``id``, ``created``, ``author``, ``lifts``, ``helper``, ``confirmed``; ``pending`` where it waits for that).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from app.fhir import consent as ours
from app.fhir.consent_provision import KindOf, root
from app.fhir.element import ConsentError, Element, Raw, Read, demand, each, identifier, record, when
from consent.parse import parse_rule
from consent.rules import Rule, RuleError
from vault.resource import HSA

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_PERSON = re.compile(r"Patient/([0-9a-f]{32})")


def from_fhir(resource: Mapping[str, Any], *, kind_of: KindOf = lambda _: None) -> Raw:
    """Return what a Consent says, as a rule is posted.

    ``kind_of`` is asked about an organisation of which the Consent does not say whether it is a unit, a provider, a
    region or a municipality.

    Raises:
        ConsentError: no one rule says it.
    """
    if resource.get("resourceType") != "Consent":
        raise ConsentError("Consent.resourceType: expected Consent")
    needed = ("status", "scope", "category", "patient", "provision")
    return each(Element("Consent", dict(resource)), {**_CONSENT, "provision": partial(root, kind_of)}, needed)


# --- the resource


def _nothing(_: Element) -> Raw:
    """Take what says nothing of who may do what."""
    return {}


def _status(at: Element) -> Raw:
    if at.value != "active":
        at.refuse("only an active Consent is in force")
    return {}


def _category(at: Element) -> Raw:
    return demand(ours.CATEGORY, at.only("one category, that of a consent"))


def _id(at: Element) -> Raw:
    if _ID.fullmatch(at.text()) is None:
        at.refuse("an id")
    return {"id": at.value}


def _patient(at: Element) -> Raw:
    _person(at)
    return {}


def _performer(at: Element) -> Raw:
    return {"author": _person(at.only("one who consents"))}


def _person(at: Element) -> str:
    """Return the alias of a person that is referred to as ``Patient/<id>``."""
    at.known("reference", "type", "display")
    reference = at.get("reference")
    found = _PERSON.fullmatch(reference.text())
    if found is None:
        reference.refuse("Patient/ and an id of this vault's")
    return found[1]


def _policy(at: Element) -> Raw:
    one = at.only("one policy, the vault's own")
    one.known("uri")
    uri = one.get("uri")
    if uri.value != ours.POLICY:
        uri.refuse(f"the vault holds by no policy but its own: {ours.POLICY}")
    return {}


def _document(at: Element) -> Raw:
    return {"document": record(at)}


def _extensions(at: Element) -> Raw:
    found: Raw = {}
    for one in at.items():
        match one.get("url").value:
            case ours.HELPER:
                found["helper"] = identifier(one.get("valueIdentifier"), HSA)
            case ours.CONFIRMED:
                found["confirmed"] = one.get("valueDateTime").text()
            case _:
                one.refuse("an extension that is not known here")
    return found


def _modifiers(at: Element) -> Raw:
    for one in at.items():
        if one.get("url").value != ours.PENDING:
            one.refuse("a modifier that is not known here")
        if one.get("valueBoolean").value is not True:
            one.get("valueBoolean").refuse("true")
    return {"pending": True}


_CONSENT: Mapping[str, Read] = {
    "resourceType": _nothing,
    "id": _id,
    "meta": _nothing,
    "text": _nothing,
    "language": _nothing,
    "identifier": _nothing,
    "extension": _extensions,
    "modifierExtension": _modifiers,
    "status": _status,
    "scope": partial(demand, ours.SCOPE),
    "category": _category,
    "patient": _patient,
    "dateTime": lambda at: {"created": when(at, "start")},
    "performer": _performer,
    "organization": _nothing,  # who holds the rules is said by the vault, not by the one who posts
    "sourceReference": _document,
    "policy": _policy,
}


# --- the rule


def rule_of(
    resource: Mapping[str, Any],
    *,
    owner: bytes,
    kind_of: KindOf,
    id: str,  # noqa: A002
    author: str,
    created: datetime,
) -> Rule:
    """Return the rule that a posted Consent makes in its owner's vault, under the id, author and time given.

    Raises:
        ConsentError: it is no rule, or another's than the owner's and the author's.
    """
    raw = from_fhir(resource, kind_of=kind_of)
    if resource["patient"]["reference"] != f"Patient/{owner.hex()}":
        raise ConsentError("Consent.patient.reference: not the one whose vault it is")
    if raw.get("author", author) != author:
        raise ConsentError("Consent.performer[0].reference: not the one who posts it")
    for name, why in _LATER.items():
        if name in raw:
            raise ConsentError(why)
    posted = {name: value for name, value in raw.items() if name not in {"id", "created", "author"}}
    try:
        return parse_rule(posted, id=id, author=author, created=created)
    except RuleError as error:
        raise named(error) from None


#: What only a rule that stands can have.
_LATER = {
    "lifts": "Consent.provision.provision: a block is laid aside once it is in force",
    "pending": "Consent.modifierExtension: what is posted is the owner's own, and waits for nobody",
    "helper": "Consent.extension: who posts a Consent has no helper",
    "confirmed": "Consent.extension: what the owner posts needs no confirming",
}
_PATHS = {
    "effect": "type",
    "grantee": "actor[0].reference",
    "actions": "action",
    "categories": "class",
    "codes": "code",
    "records": "data",
    "sources": "modifierExtension",
    "while_related": "modifierExtension",
    "until_plan": "modifierExtension",
    "purposes": "purpose",
    "data_from": "dataPeriod.start",
    "data_to": "dataPeriod.end",
    "valid_from": "period.start",
    "valid_to": "period.end",
    "relation": "actor[0].extension",
    "spares": "provision",
}


def named(error: RuleError) -> ConsentError:
    """Return what a rule refuses of a field, by the element that said it."""
    name, _, why = str(error).partition(": ")
    element = _PATHS.get(re.split(r"[.,]", name)[0])
    path = "Consent.sourceReference" if element is None else f"Consent.provision.{element}"
    return ConsentError(f"{path}: {why or error}")
