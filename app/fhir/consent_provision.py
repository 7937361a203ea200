"""The root provision of a Consent, read as the terms of one rule; see :mod:`app.fhir.consent_in`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from app.fhir import consent as ours
from app.fhir.element import WHY, Element, Raw, Read, concept, demand, each, identifier, record, when, word
from consent.rules import NAMELESS
from identity.principal import Relation
from policies.vocabulary import Action, Category, GranteeKind, Purpose
from vault.measures import LOINC
from vault.resource import HSA

#: Tells what an organisation is by its HSA-id; None where it is not known.
KindOf = Callable[[str], GranteeKind | None]


def root(kind_of: KindOf, at: Element) -> Raw:
    """Read the root provision: the effect, and all terms of the rule."""
    readers: Mapping[str, Read] = {**_PROVISION, "actor": partial(_actors, kind_of)}
    match at.get("type").value:
        case "deny":
            everything: Raw = {
                "grantee": {"kind": GranteeKind.NETWORK, "id": ""},
                "actions": [Action.READ, Action.ADD],
                "categories": list(Category),
            }
            readers = {**readers, "provision": partial(_exceptions, kind_of)}
            return everything | each(at, readers, ("type",))
        case _:
            return each(at, readers, ("type", "actor", "action", "class"))


def _type(at: Element) -> Raw:
    effects = {word: effect for effect, word in ours.TYPES.items()}
    if at.value not in ours.TYPES.values():
        at.refuse("permit or deny")
    return {"effect": effects[at.value]}


def _modifiers(at: Element) -> Raw:
    found: Raw = {}
    for one in at.items():
        match one.get("url").value:
            case ours.SOURCE:
                found.setdefault("sources", []).append(one.get("valueString").text())
            case ours.RELATED if one.get("valueBoolean").value is True:
                found["while_related"] = True
            case ours.PLAN:
                found["until_plan"] = one.get("valueString").text()
            case _:
                one.refuse(WHY["modifierExtension"])
    return found


def _actors(kind_of: KindOf, at: Element) -> Raw:
    """Read the one actor of a provision: the grantee, and in which relation they act."""
    one = at.only("one whom the rule is about: each further one is a Consent of its own")
    one.known("extension", "role", "reference")
    demand(ours.ROLE, one.get("role"))
    told = {} if one.get("extension").value is None else _of_actor(one.get("extension"))
    relation = {"relation": told["relation"]} if "relation" in told else {}
    return {"grantee": _grantee(kind_of, one.get("reference"), told.get("kind"))} | relation


def _of_actor(at: Element) -> Raw:
    found: Raw = {}
    for one in at.items():
        code = one.get("valueCode").text()
        match one.get("url").value:
            case ours.KIND if code in set(GranteeKind):
                found["kind"] = GranteeKind(code)
            case ours.RELATION if code in set(Relation):
                found["relation"] = code
            case _:
                one.refuse("an extension that is not known here")
    return found


def _grantee(kind_of: KindOf, at: Element, kind: GranteeKind | None) -> Raw:
    """Read whom a reference names: by our extension, else an HSA-id of a practitioner or of a known organisation."""
    at.known("type", "identifier", "display", "reference")
    if at.get("reference").value is not None:
        at.get("reference").refuse("not known here: name them by type and identifier (an HSA-id)")
    named, named_type = at.get("identifier"), at.get("type").value
    if kind is None and named_type == "Practitioner":
        kind = GranteeKind.PERSON
    elif kind is None and named_type == "Organization":
        kind = kind_of(identifier(named, HSA))
    if kind is None:
        named.refuse("no unit, provider, region, municipality or person that is known here")
    if named_type != ours.ACTORS[kind][0]:
        at.get("type").refuse(f"expected {ours.ACTORS[kind][0]}")
    value = identifier(named, ours.ACTORS[kind][1])
    if kind not in NAMELESS:
        return {"kind": kind, "id": value}
    if value != kind:
        named.refuse(f"expected {kind}")
    return {"kind": kind, "id": ""}


def _actions(at: Element) -> Raw:
    words = {told: action for action, told in ours.ACTIONS.items()}
    found = []
    for one in at.items():
        action = words.get(concept(one))
        if action is None:
            one.refuse("no such action here: access reads, collect adds")
        found.append(action)
    return {"actions": found}


def _purposes(at: Element) -> Raw:
    return {"purposes": [word(one, ours.REASONS, set(Purpose), "a purpose") for one in at.items()]}


def _classes(at: Element) -> Raw:
    return {"categories": [word(one, ours.CLASSES, set(Category), "a category") for one in at.items()]}


def _codes(at: Element) -> Raw:
    found = []
    for one in at.items():
        system, code = concept(one)
        if system not in {"", LOINC}:
            one.refuse("a code of LOINC, or one without a system")
        found.append(code)
    return {"codes": found}


def _data(at: Element) -> Raw:
    found = []
    for one in at.items():
        one.known("meaning", "reference")
        if one.get("meaning").value != "instance":
            one.get("meaning").refuse("only single records (instance) are named by a rule")
        found.append(record(one.get("reference")))
    return {"records": found}


def _period(names: tuple[str, str], at: Element) -> Raw:
    """Read a period; where days bound it (``names`` are of data), no hours may."""
    ends = at.known("start", "end")
    found = {
        name: when(ends[end], end) for name, end in zip(names, ("start", "end"), strict=True) if end in ends
    }
    for name, end in zip(names, ("start", "end"), strict=True):
        if name.startswith("data") and "T" in found.get(name, ""):
            ends[end].refuse("a rule bounds data by days")
    return found


def _exceptions(kind_of: KindOf, at: Element) -> Raw:
    """Read our own exceptions to a denial: whom it spares, and where it is laid aside."""
    spares, lifts = [], []
    for one in at.items():
        fields = one.known("modifierExtension", "type", "actor", "period")
        kind = _kind_of_exception(one)
        whom = _actors(kind_of, fields["actor"])["grantee"] if "actor" in fields else None
        match kind:
            case ours.SPARED if whom is not None and "period" not in fields:
                spares.append(whom)
            case ours.LIFTED if "period" in fields:
                until = _period(("valid_from", "valid_to"), fields["period"])
                lifts.append({"until": until.get("valid_to"), "grantee": whom})
            case _:
                one.refuse(WHY["provision"])
    return {"spares": spares} | ({"lifts": lifts} if lifts else {})


def _kind_of_exception(at: Element) -> Any:
    modifiers = at.get("modifierExtension")
    if modifiers.value is None or at.get("type").value != "permit":
        at.refuse(WHY["provision"])
    one = modifiers.only(WHY["modifierExtension"])
    if one.get("url").value != ours.EXCEPTION:
        one.refuse(WHY["modifierExtension"])
    return one.get("valueCode").value


_PROVISION: Mapping[str, Read] = {
    "modifierExtension": _modifiers,
    "type": _type,
    "period": partial(_period, ("valid_from", "valid_to")),
    "action": _actions,
    "purpose": _purposes,
    "class": _classes,
    "code": _codes,
    "dataPeriod": partial(_period, ("data_from", "data_to")),
    "data": _data,
}
