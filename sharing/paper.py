"""Assisted use: staff enter a consent (or a block) that a citizen gave on paper; the citizen confirms it later.

A helper holds no key of the owner's and gets none. What is entered is in force at once for adding, which needs public
halves only, and a block at once for everything; reading waits until the owner, or who manages for them, has confirmed,
and then keys follow as after any grant (docs/adr/0027-consent-on-paper.md). Whoever the citizen is, the reply is the
same.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from audit.events import Activity, EventKind, HeadRef
from consent.gate import Authorization, Refused
from consent.judge import Granted, Matter, Need, judge
from consent.paper import Paper, Scan, parse_entry, parse_paper
from consent.questions import NOBODY
from consent.rules import Rule, RuleError, RuleSet
from identity.principal import Principal, Staff
from policies.vocabulary import Category, Deed
from sharing import adding, granting, reading
from sharing.granting import MOST_RULES, NoSuchRuleError, Wish
from sharing.house import House, author_of, purpose_of
from vault import change, marks
from vault.change import StaleRulesError
from vault.columns import Columns
from vault.measures import LOINC
from vault.record import Code, Origin, Provenance, Record, parse_record_id
from vault.state import VaultState

PENDING_AT_ONCE = 20
PENDING_OF_ONE_UNIT = 3  # so that no unit takes the others' places
_TRIES = 4
_KIND = Code(LOINC, "59284-0", "Consent Document")


# --- a helper enters


async def enter(
    house: House, staff: Staff, alias: bytes, consent: Mapping[str, Any], paper: Mapping[str, Any]
) -> str:
    """Enter what a citizen signed; return its id, whoever the citizen is and whatever came of it.

    Nothing comes of it where there is no vault, where the law says no (a child's, a protected person's), and where
    there is enough to confirm already.

    Raises:
        consent.gate.Refused: this principal may enter nobody's.
        RuleError: a field is wrong, or more than may be entered; the text names it.
        vault.change.StaleRulesError: the rules change faster than they can be asked about.
    """
    at = house.clock()
    told = parse_paper(paper, at=at)
    rule = parse_entry(
        consent,
        staff=staff,
        directory=house.directory(),
        id=granting.new_rule_id(),
        author=alias.hex(),
        created=at,
    )
    for _ in range(_TRIES):
        try:
            await _enter_once(house, staff, alias, rule, told)
        except StaleRulesError:
            continue
        return rule.id
    raise StaleRulesError("the rules change all the time")


async def _enter_once(house: House, staff: Staff, alias: bytes, rule: Rule, paper: Paper) -> None:
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    try:
        authorization = await _ask(house, staff, vault_state, rule)
    except Refused:
        if not _may_enter(house, staff):
            raise
        await house.database.write(lambda connection: change.touch(connection, house.decoy))
        return
    document = _document(staff, rule, paper, of=vault_state.profile.name)
    rows = marks.marked(Columns.of([document]), vault_state.keys.intake)
    entered = replace(rule, document=next(rows.records()).id)
    if vault_state.vault == house.decoy or not _has_room(house, staff, vault_state.rules):
        await house.database.write(lambda connection: change.touch(connection, house.decoy))
        await house.log.append(house.outcome(authorization, {"stored": 0}))
        return
    head = await house.database.write(
        lambda connection: _store(house, connection, vault_state, entered, rows)
    )
    await house.changed(authorization, head, {"stored": 1})


async def _ask(house: House, staff: Staff, vault_state: VaultState, rule: Rule) -> Authorization:
    return await house.ask(
        staff,
        vault_state,
        Deed.ASSIST,
        EventKind.PAPER,
        Activity.WRITE,
        categories=tuple(sorted(rule.categories)),
        subject=rule.id,
    )


def _may_enter(house: House, staff: Staff) -> bool:
    """Tell whether staff may enter papers at all: who may is not told for whom it was refused."""
    matter = Matter(staff, NOBODY, Deed.ASSIST, house.clock(), purpose_of(staff))
    gate = house.gate
    found = judge(matter, Need.EVERY, rules=RuleSet(0), policies=gate.policies, indexes=gate.indexes)
    return isinstance(found, Granted)


def _has_room(house: House, staff: Staff, rules: RuleSet) -> bool:
    waiting = pending(rules)
    unit, units_of = staff.commission.unit.id, house.directory().units_of_person
    of_unit = sum(unit in units_of(one.helper) for one in waiting)
    return len(rules.rules) < MOST_RULES and len(waiting) < PENDING_AT_ONCE and of_unit < PENDING_OF_ONE_UNIT


def _store(house: House, connection: Connection, asked: VaultState, rule: Rule, rows: Columns) -> HeadRef:
    """Put rule and paper in place in one change, by public halves alone; who reads stays as it was."""
    under_way = house.change(connection, asked.vault, house.clock())
    under_way.demand_rules(asked.head.rules_version)
    rules = under_way.state.rules
    adding.put(house, connection, under_way, adding.sorted_by_category(rows))
    under_way.put_rules(replace(rules, rules=(*rules.rules, rule)))
    return under_way.finish()


def _document(staff: Staff, rule: Rule, paper: Paper, *, of: str) -> Record:
    """Return the paper of a citizen (their name) as a record: when it was signed, where it is kept, its picture."""
    author, title = author_of(staff), f"Samtycke på papper. Förvaras: {paper.kept}"
    resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": _KIND.system, "code": _KIND.code, "display": _KIND.display}]},
        "date": rule.created.isoformat(),
        "author": [{"display": f"{author.name}, {author.organisation}"}],
        "description": title,
        "identifier": [{"system": "urn:halsovalvet:consent", "value": rule.id}],
        "content": [{"attachment": _attachment(paper)}],
    }
    return Record(
        Category.DOCUMENT,
        "DocumentReference",
        _KIND,
        paper.signed,
        Provenance(author, Origin.FORM, rule.created, on_behalf_of=of),
        status="current",
        text=title,
        resource=json.dumps(resource, ensure_ascii=False),
    )


def _attachment(paper: Paper) -> dict[str, Any]:
    signed = {"title": "Samtycke på papper", "creation": paper.signed.date().isoformat()}
    match paper.scan:
        case None:
            return signed
        case Scan(content_type, data):
            return {**signed, "contentType": content_type, "data": base64.b64encode(data).decode()}


# --- the citizen looks and confirms


@dataclass(frozen=True, slots=True)
class Signed:
    """What the document says of a paper: the day it was signed, what is said of it, and who entered it where."""

    signed: datetime
    text: str
    helper: str
    unit: str


def pending(rules: RuleSet) -> tuple[Rule, ...]:
    """Return what was entered from paper and nobody has confirmed yet, the newest first."""
    found = (one for one in rules.rules if one.is_pending)
    return tuple(sorted(found, key=lambda one: one.created, reverse=True))


async def paper_of(house: House, principal: Principal, alias: bytes, rule: Rule) -> Signed | None:
    """Read the paper that a rule rests on; None where the reader may not, or it is no longer there."""
    told = parse_record_id(rule.document)
    if told is None:
        return None
    category, month, mark = told
    query = reading.Query((category,), month=month)
    try:
        found = await reading.find(house, principal, alias, query, mark)
    except Refused:
        return None
    if found is None:
        return None
    author = found.provenance.author
    return Signed(found.start, found.text, author.name, author.organisation)


def to_confirm(rule: Rule, at: datetime) -> Wish:
    """Say that an entry from paper is the owner's: it then holds for reading too, and keys follow."""
    if not rule.is_pending:
        raise RuleError("confirmed: there is nothing to confirm")

    def make(rules: RuleSet) -> RuleSet:
        if rule not in rules.rules:
            raise NoSuchRuleError
        confirmed = replace(rule, confirmed=at)
        return replace(rules, rules=tuple(confirmed if one == rule else one for one in rules.rules))

    return replace(granting.to_grant(rule), make=make, kind=EventKind.CONFIRM)
