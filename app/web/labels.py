"""What rules and the log speak of, with names: grantees, rules, requests and accesses as pages show them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from app.web import views, words
from app.web.views import AccessEntry, ActorLabel, Change, ContactCard, GranteeLabel, RuleCard
from app.wiring import Valv
from audit.events import Activity, Actor, ActorKind, Decision, Event, EventKind
from audit.review import Access
from consent.rules import Contact, Grantee, Rule, RuleSet
from identity.directory import Directory
from identity.principal import Relation
from policies.vocabulary import MEASUREMENTS, Action, Category, Effect, GranteeKind
from sharing import asking
from sharing.outlook import Difference, Step

_PRODUCT = "Hälsovalvet"


# --- whom


def found(directory: Directory, text: str) -> tuple[GranteeLabel, ...]:
    """Return those whom a rule can name that some words find, the nearest first."""
    return tuple(GranteeLabel(one.kind, one.id, one.name, one.within) for one in directory.search(text))


def label(directory: Directory, grantee: Grantee) -> GranteeLabel:
    """Return a grantee's name and what it lies within; one that is no longer known is shown by its id."""
    kind, id_ = grantee.kind, grantee.id
    name, within = id_, ""
    match kind:
        case GranteeKind.UNIT if id_ in directory.units:
            unit = directory.units[id_]
            name, within = unit.name, unit.provider.name
        case GranteeKind.PROVIDER if id_ in directory.providers:
            provider = directory.providers[id_]
            name, within = provider.name, provider.authority.name
        case GranteeKind.REGION | GranteeKind.MUNICIPALITY if id_ in directory.authorities:
            name = directory.authorities[id_].name
        case GranteeKind.ROLE:
            unit_id, _, name = id_.partition("/")
            within = directory.node_name(f"unit:{unit_id}")
        case GranteeKind.PERSON if id_ in directory.members:
            member = directory.members[id_]
            places = dict.fromkeys(one.unit.name for one in member.commissions)
            name, within = member.name, ", ".join((member.title, *places))
        case GranteeKind.PROXY:
            name = ""  # what the owner calls them stands in the vault; the id says nothing to anybody
        case GranteeKind.CLIENT if id_ in directory.clients:
            client = directory.clients[id_]
            name, within = client.name, client.provider.name
        case _:
            pass
    return GranteeLabel(kind, id_, name, within)


def is_known(directory: Directory, grantee: Grantee) -> bool:
    """Tell whether a new rule can name this one."""
    kind, id_ = grantee.kind, grantee.id
    match kind:
        case GranteeKind.ROLE:
            unit, _, title = id_.partition("/")
            return title in directory.titles_at(unit)
        case GranteeKind.REGION | GranteeKind.MUNICIPALITY:
            return id_ in directory.authorities and str(directory.authorities[id_].kind) == str(kind)
        case GranteeKind.NETWORK | GranteeKind.EMERGENCY:
            return id_ == ""
        case GranteeKind.PROXY:
            return False  # a person is named by a mandate of their own
        case _:
            known = {
                GranteeKind.PROVIDER: directory.providers,
                GranteeKind.UNIT: directory.units,
                GranteeKind.PERSON: directory.members,
                GranteeKind.CLIENT: directory.clients,
            }
            return id_ in known[kind]


# --- rules


def card(valv: Valv, rule: Rule, *, reader: str, at: datetime) -> RuleCard:
    """Return a rule as it is shown; its author is named to anyone but themself."""
    return RuleCard(
        rule.id,
        rule.effect,
        replace(label(valv.house.directory(), rule.grantee), allowed=rule.effect is Effect.ALLOW),
        tuple(action for action in Action if action in rule.actions),
        tuple(category for category in Category if category in rule.categories),
        purposes=tuple(sorted(rule.purposes)),
        codes=tuple(sorted(rule.codes)),
        data_from=rule.data_from,
        data_to=rule.data_to,
        valid_from=rule.valid_from,
        valid_to=rule.valid_to,
        created=rule.created,
        author="" if rule.author == reader else name_of(valv, rule.author),
        in_force=rule.in_force(at) and bool(rule.holds_for),
        helper=_helper(valv.house.directory(), rule),
        pending=rule.is_pending,
        sources=tuple(sorted(rule.sources)),
        records=len(rule.records),
        spares=tuple(label(valv.house.directory(), one) for one in sorted(rule.spares)),
        while_related=rule.while_related,
        lifted_until=max((one.until for one in rule.lifts if at < one.until), default=None),
        lifts=max((one.until for one in rule.lifts), default=None),
        writers=tuple(
            node(valv.house.directory(), one)
            for one in sorted(rule.sources)
            if one.startswith(("unit:", "provider:", "client:"))
        ),
    )


def _helper(directory: Directory, rule: Rule) -> str:
    """Return who entered a rule from paper: name, title and where they work; nothing where nobody did."""
    if not rule.helper:
        return ""
    found = label(directory, Grantee(GranteeKind.PERSON, rule.helper))
    return ", ".join(part for part in (found.name, found.within) if part)


def person(valv: Valv, grantee: GranteeLabel) -> GranteeLabel:
    """Return a proxy with their name."""
    return replace(grantee, name=name_of(valv, grantee.id))


def name_of(valv: Valv, alias: str) -> str:
    """Return the name of a person by alias (hex), nothing where nobody is known by it."""
    try:
        registered = valv.population.by_alias(bytes.fromhex(alias), valv.house.keystore)
    except ValueError:
        return ""
    return "" if registered is None else registered.name


def changes(
    directory: Directory, found: Iterable[Difference]
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Return who gains and who loses what; actions on the same categories are said together."""
    differences = list(found)
    gains = (change for one in differences for change in _changes(directory, one, one.gains))
    loses = (change for one in differences for change in _changes(directory, one, one.loses))
    return tuple(gains), tuple(loses)


def _changes(directory: Directory, whose: Difference, steps: Iterable[Step]) -> Iterator[Change]:
    grantee = node(directory, whose.node)
    by_action: dict[Action, dict[Category, int | None]] = {}
    for step in steps:
        count = step.count and (step.count.gained if step in whose.gains else step.count.lost)
        by_action.setdefault(step.action, {})[step.category] = count
    together: dict[tuple[Category, ...], list[Action]] = {}
    for action, categories in by_action.items():
        together.setdefault(tuple(categories), []).append(action)
    for actions in together.values():
        yield Change(grantee, whose.people, tuple(actions), by_action[actions[0]])


def contact(directory: Directory, one: Contact) -> ContactCard:
    """Return a contact as it is shown."""
    return ContactCard(label(directory, one.grantee), one.role, one.since, one.until)


def node(directory: Directory, name: str) -> GranteeLabel:
    """Return a node (``unit:<HSA-id>``) as it is shown."""
    kind, _, id_ = name.partition(":")
    return label(directory, Grantee(GranteeKind(kind), id_))


# --- requests


def request(one: asking.AccessRequest) -> views.AccessRequest:
    """Return what staff ask for as it is shown."""
    return views.AccessRequest(
        one.id,
        one.at,
        GranteeLabel(GranteeKind.UNIT, one.unit_id, one.unit_name, one.provider_name),
        one.staff_name,
        one.staff_title,
        one.actions,
        one.categories,
        one.purpose,
        one.state,
    )


# --- the log


def entry(
    access: Access, *, reader: str, rules: dict[str, RuleCard] | None = None, about: str = ""
) -> AccessEntry:
    """Return one access as it is shown. ``rules`` are the vault's own, for its owner."""
    known = rules or {}
    return AccessEntry(
        access.id.hex(),
        access.at,
        actor_label(access.actor, reader),
        access.kind,
        access.activity,
        access.purpose,
        () if _is_everything(access, reader) else access.categories,
        access.decision,
        access.reason,
        next((known[id_] for id_ in access.rules if id_ in known), None),
        _count(access),
        about,
        access.subject if access.kind is EventKind.READ and access.subject in words.LOOKED else "",
    )


def entries(
    valv: Valv, accesses: Iterable[Access], rules: RuleSet, *, reader: str
) -> tuple[AccessEntry, ...]:
    """Return accesses as their vault's owner is shown them, with those rules of theirs that decided."""
    listed = list(accesses)
    named = {id_ for one in listed for id_ in one.rules}
    at = valv.house.clock()
    cards = {one.id: card(valv, one, reader=reader, at=at) for one in rules.rules if one.id in named}
    return tuple(entry(one, reader=reader, rules=cards) for one in listed)


def logged(entry_id: str, event: Event, *, reader: str) -> AccessEntry:
    """Return an act as the log has it, without what came of it."""
    return AccessEntry(
        entry_id,
        event.at,
        actor_label(event.actor, reader),
        event.kind,
        event.activity,
        event.purpose,
        event.categories,
        event.decision,
        event.reason,
    )


def is_by(actor: Actor, reader: str) -> bool:
    """Tell whether a person acted themself."""
    return actor.kind in {ActorKind.CITIZEN, ActorKind.PROXY} and actor.id == reader


def actor_label(actor: Actor, reader: str) -> ActorLabel:
    """Return who acted, in names; the product by its own."""
    return ActorLabel(
        actor.kind,
        _PRODUCT if actor.kind is ActorKind.SYSTEM else actor.name,
        actor.id,
        actor.title if actor.kind is ActorKind.STAFF else "",
        actor.unit_name,
        actor.provider_name,
        actor.for_name,
        _relation(actor),
        you=is_by(actor, reader),
    )


def _relation(actor: Actor) -> Relation | None:
    """Return as what a proxy acted, which stands as their title."""
    is_known = actor.kind is ActorKind.PROXY and actor.title in set(Relation)
    return Relation(actor.title) if is_known else None


def _is_everything(access: Access, reader: str) -> bool:
    """Tell whether a list of categories would say only that all were asked for."""
    if access.activity is Activity.EMERGENCY and set(Category) <= set(access.categories):
        return True
    told = access.decision is Decision.REFUSE or is_by(access.actor, reader)
    return told and set(MEASUREMENTS) <= set(access.categories)


def _count(access: Access) -> int | None:
    """Return how many records were released or written, where the log says it."""
    return next(
        (access.counts[name] for name in ("records", "summaries", "stored") if name in access.counts), None
    )
