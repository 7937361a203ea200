"""Rule sets and questions for Hypothesis, small enough that rules meet often."""

from datetime import date, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from consent.rules import Grantee, Rule, RuleSet
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose
from tests.consent import cast

#: For machines that have other things to do as well.
UNHURRIED = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])

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
        Grantee(GranteeKind.NETWORK, ""),
    )
)
PRINCIPALS = st.sampled_from(
    (
        cast.staff(),
        cast.staff(title="Läkare"),
        cast.staff(cast.HOMECARE),
        cast.staff(cast.OTHER_CENTRE),
        cast.client(*CATEGORIES),
        cast.citizen(),
        cast.proxy(),
    )
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draw a rule; its id is given when it enters a set."""
    days = sorted(draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=2)))
    times = sorted(draw(st.lists(st.sampled_from(TIMES), min_size=2, max_size=2, unique=True)))
    return Rule(
        id="",
        effect=draw(st.sampled_from(Effect)),
        grantee=draw(GRANTEES),
        actions=draw(st.frozensets(st.sampled_from(Action), min_size=1)),
        categories=draw(st.frozensets(st.sampled_from(CATEGORIES), min_size=1)),
        created=cast.AT,
        author="",
        codes=draw(st.frozensets(st.sampled_from(CODES), max_size=2)),
        purposes=draw(st.frozensets(st.sampled_from((Purpose.CARE, Purpose.QUALITY)), max_size=1)),
        data_from=draw(st.sampled_from((None, days[0]))),
        data_to=draw(st.sampled_from((None, days[1]))),
        valid_from=draw(st.sampled_from((None, times[0]))),
        valid_to=draw(st.sampled_from((None, times[1]))),
    )


@st.composite
def rulesets(draw: st.DrawFn) -> RuleSet:
    """Draw a set of up to eight rules, numbered."""
    return numbered(draw(st.lists(rules(), max_size=8)))


def numbered(found: list[Rule]) -> RuleSet:
    """Return the rules as a set, each with its number as id."""
    named = (cast.replace_id(rule, f"r{number}") for number, rule in enumerate(found))
    return RuleSet(1, tuple(named))
