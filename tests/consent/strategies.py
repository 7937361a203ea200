"""Rule sets and questions for Hypothesis, small enough that rules meet often."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from consent.rules import Contact, Grantee, Lift, Rule, RuleSet
from identity.principal import Relation
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose
from tests.consent import cast

#: For machines that have other things to do as well.
UNHURRIED = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])

CATEGORIES = (Category.BLOOD_PRESSURE, Category.GLUCOSE, Category.LOCATION)
CODES = ("85354-9", "15074-8", "x")
DAYS = tuple(date(2026, 1, 1) + timedelta(days=n) for n in range(4))
TIMES = tuple(cast.AT + timedelta(hours=n) for n in (-1, 0, 1))

GRANTEES = st.sampled_from(
    (
        Grantee(GranteeKind.UNIT, cast.CENTRE.id),
        Grantee(GranteeKind.UNIT, cast.HOMECARE.id),
        Grantee(GranteeKind.PROVIDER, cast.OWN_CARE.id),
        Grantee(GranteeKind.REGION, cast.REGION.id),
        Grantee(GranteeKind.MUNICIPALITY, cast.TOWN.id),
        Grantee(GranteeKind.PERSON, "SE2321000000-E1"),
        Grantee(GranteeKind.ROLE, f"{cast.CENTRE.id}/{cast.NURSE_TITLE}"),
        Grantee(GranteeKind.CLIENT, "meter"),
        Grantee(GranteeKind.PROXY, cast.PARENT.hex()),
        Grantee(GranteeKind.NETWORK, ""),
        Grantee(GranteeKind.EMERGENCY, ""),
    )
)
LISTED = (
    Grantee(GranteeKind.UNIT, cast.CENTRE.id),
    Grantee(GranteeKind.PROVIDER, cast.TOWN_CARE.id),
    Grantee(GranteeKind.PERSON, "SE2321000000-E1"),
)
SOURCES = ("mine", "device", f"provider:{cast.OWN_CARE.id}")
RECORDS = ("00202601-0000000000000007", "07202601-00000000000000ff")
PRINCIPALS = st.sampled_from(
    (
        cast.staff(),
        cast.staff(title="Läkare"),
        cast.staff(cast.HOMECARE),
        cast.staff(cast.OTHER_CENTRE),
        cast.client(*CATEGORIES),
        cast.citizen(),
        cast.proxy(),
        cast.proxy(Relation.REPRESENTATIVE),
    )
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draw a rule; its id is given when it enters a set."""
    days = sorted(draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=2)))
    times = sorted(draw(st.lists(st.sampled_from(TIMES), min_size=2, max_size=2, unique=True)))
    grantee = draw(GRANTEES)
    blocks = grantee.kind is GranteeKind.EMERGENCY or draw(st.booleans())
    relation = Relation.REPRESENTATIVE if grantee.kind is GranteeKind.PROXY else None
    actions = draw(st.sets(st.sampled_from((Action.READ, Action.ADD)), min_size=1))
    some_records = st.frozensets(st.sampled_from(RECORDS), max_size=0 if actions != {Action.READ} else 1)
    found = Rule(
        id="",
        effect=Effect.BLOCK if blocks else Effect.ALLOW,
        grantee=grantee,
        actions=frozenset(actions),
        categories=draw(st.frozensets(st.sampled_from(CATEGORIES), min_size=1)),
        created=cast.AT,
        author="",
        codes=draw(st.frozensets(st.sampled_from(CODES), max_size=2)),
        records=draw(some_records),
        sources=draw(st.frozensets(st.sampled_from(SOURCES), max_size=1)),
        spares=draw(st.frozensets(st.sampled_from(LISTED), max_size=1)) if blocks else frozenset(),
        lifts=tuple(draw(st.lists(lifts(), max_size=1))) if blocks else (),
        relation=relation,
        while_related=not blocks and draw(st.booleans()),
        helper=(helper := draw(st.sampled_from(("", "", "SE2321000000-E1")))),
        confirmed=draw(st.sampled_from((None, cast.AT))) if helper else None,
        purposes=draw(st.frozensets(st.sampled_from((Purpose.CARE, Purpose.QUALITY)), max_size=1)),
        data_from=draw(st.sampled_from((None, days[0]))),
        data_to=draw(st.sampled_from((None, days[1]))),
        valid_from=draw(st.sampled_from((None, times[0]))),
        valid_to=draw(st.sampled_from((None, times[1]))),
    )
    may_manage = relation is not None and not blocks and Action.READ in actions and found.takes_all
    more = draw(st.sampled_from((frozenset(), {Action.MANAGE}))) if may_manage else frozenset()
    return replace(found, actions=found.actions | more)


@st.composite
def lifts(draw: st.DrawFn) -> Lift:
    """Draw a block's being laid aside."""
    return Lift(draw(st.sampled_from(TIMES)), draw(st.none() | st.sampled_from(LISTED)))


@st.composite
def contacts(draw: st.DrawFn) -> Contact:
    """Draw somebody whom the citizen lists."""
    since, until = sorted(draw(st.lists(st.sampled_from(TIMES), min_size=2, max_size=2, unique=True)))
    return Contact(
        draw(st.sampled_from(LISTED)), "fast vårdkontakt", since, draw(st.sampled_from((None, until)))
    )


@st.composite
def rulesets(draw: st.DrawFn) -> RuleSet:
    """Draw a set of up to eight rules, numbered, and some contacts; sharing is seldom paused."""
    listed = draw(st.lists(contacts(), max_size=2, unique_by=lambda one: one.grantee))
    paused = cast.AT if draw(st.integers(0, 9)) == 0 else None
    return replace(numbered(draw(st.lists(rules(), max_size=8))), contacts=tuple(listed), paused=paused)


def numbered(found: list[Rule]) -> RuleSet:
    """Return the rules as a set, each with its number as id."""
    named = (cast.replace_id(rule, f"r{number}") for number, rule in enumerate(found))
    return RuleSet(1, tuple(named))
