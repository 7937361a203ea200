from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.index import Indexes
from consent.judge import Denied, Granted, Matter, Need, Reason, judge
from consent.nodes import NETWORK, node_of, standing
from consent.questions import Subject
from consent.rules import Rule, RuleSet
from consent.scope import Scope
from identity.principal import Citizen, Client, CommissionRight, Principal, Proxy, Relation, Staff, System
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from policies.vocabulary import Action, Category, Deed, Effect, GranteeKind, Purpose
from tests.consent import cast
from tests.consent.plainly import permits
from tests.consent.strategies import (
    CATEGORIES,
    CODES,
    DAYS,
    PRINCIPALS,
    SOURCES,
    UNHURRIED,
    numbered,
    rules,
    rulesets,
)

POLICIES = Policies.load(INSTALLED, LAW_IN_FORCE)
BP, GLUCOSE = Category.BLOOD_PRESSURE, Category.GLUCOSE
DAY = date(2026, 1, 2)
Open = frozenset[tuple[Category, str, date, frozenset[str], int]]
EVERY = tuple(product(CODES, DAYS, [frozenset[str](), frozenset(SOURCES[:1]), frozenset(SOURCES)], (7, 8)))


def decide(
    who: Principal, found: RuleSet, deed: Deed = Deed.READ, *, need: Need = Need.SOME,
    categories: tuple[Category, ...] = CATEGORIES, subject: Subject | None = None,
    purpose: Purpose | None = Purpose.CARE,
) -> Granted | Denied:  # fmt: skip
    """Judge one matter."""
    matter = Matter(who, subject or cast.subject(), deed, cast.AT, purpose, categories)
    return judge(matter, need, rules=found, policies=POLICIES, indexes=Indexes())


def as_block(rule: Rule) -> Rule:
    """Return a block of what a rule names."""
    return replace(rule, effect=Effect.BLOCK, while_related=False, actions=rule.actions - {Action.MANAGE})


def opened(verdict: Granted | Denied) -> Open:
    """Return every (category, code, day, sources, mark) that is open."""
    match verdict:
        case Granted(scopes):
            return frozenset(
                (category, *one)
                for (category, scope), one in product(scopes.items(), EVERY)
                if permits(scope, one[0], one[1], sources=one[2], mark=one[3])
            )
        case Denied():
            return frozenset()


def expected(who: Principal, found: RuleSet, deed: Deed) -> Open:
    """Say the same record by record, from the law as written, without index, masks or policies."""
    everything = frozenset((category, *one) for category, one in product(CATEGORIES, EVERY))
    if isinstance(who, Citizen):
        return everything
    if isinstance(who, Proxy) and who.relation is Relation.GUARDIAN:
        return frozenset()  # of a grown-up
    if isinstance(who, Client) and deed is Deed.READ:
        return frozenset()
    nodes, at = standing(who), cast.AT
    listed = {node_of(one.grantee) for one in found.contacts if one.in_force(at)}
    is_contact = not listed.isdisjoint(nodes.named)
    reached = (*nodes.named, *((NETWORK,) if is_contact else ()))

    def fits(
        rule: Rule, names: tuple[str, ...], one: tuple[Category, str, date, frozenset[str], int]
    ) -> bool:
        category, code, day, sources, mark = one
        return (
            node_of(rule.grantee) in names
            and not any(node_of(spared) in nodes.named for spared in rule.spares)
            and Action(deed) in rule.actions
            and not (rule.helper and not rule.confirmed and deed is Deed.READ and rule.effect is Effect.ALLOW)
            and category in rule.categories
            and (not rule.codes or code in rule.codes)
            and (not rule.sources or not rule.sources.isdisjoint(sources))
            and (not rule.records or f"{mark:016x}" in {record[-16:] for record in rule.records})
            and (not rule.purposes or Purpose.CARE in rule.purposes)
            and (rule.data_from or date.min) <= day <= (rule.data_to or date.max)
            and rule.in_force(at)
            and (is_contact or not rule.while_related)
            and not any(
                at < lift.until and (lift.grantee is None or node_of(lift.grantee) in nodes.named)
                for lift in rule.lifts
            )
        )

    def is_open(one: tuple[Category, str, date, frozenset[str], int]) -> bool:
        allows = (r for r in found.rules if r.effect is Effect.ALLOW)
        blocks = (r for r in found.rules if r.effect is Effect.BLOCK)
        return any(fits(r, reached, one) for r in allows) and not any(
            fits(r, reached + nodes.under, one) for r in blocks
        )

    return frozenset() if found.paused else frozenset(filter(is_open, everything))


@UNHURRIED
@given(rulesets(), PRINCIPALS, st.sampled_from((Deed.READ, Deed.ADD)))
def test_what_is_open_is_what_a_reader_of_rules_and_records_would_say(
    found: RuleSet, who: Principal, deed: Deed
) -> None:
    """Probes and masks must give, for each record, what deciding record by record would."""
    assert opened(decide(who, found, deed)) == expected(who, found, deed)


@UNHURRIED
@given(rulesets(), rules(), PRINCIPALS, st.sampled_from((Deed.READ, Deed.ADD)))
def test_adding_a_block_never_widens_access(found: RuleSet, rule: Rule, who: Principal, deed: Deed) -> None:
    """A block beats every allow, whatever their terms."""
    blocked = replace(found, rules=numbered([*found.rules, as_block(rule)]).rules)
    assert opened(decide(who, blocked, deed)) <= opened(decide(who, found, deed))


@UNHURRIED
@given(rulesets(), PRINCIPALS, st.sampled_from((Deed.READ, Deed.ADD)))
def test_every_permits_all_the_categories_or_none(found: RuleSet, who: Principal, deed: Deed) -> None:
    """A caller who needs all must not be handed some."""
    match decide(who, found, deed, need=Need.EVERY), decide(who, found, deed, need=Need.SOME):
        case Granted(every), Granted(some):
            assert set(every) == set(some) == set(CATEGORIES)
        case Denied(), Granted(some):
            assert set(some) < set(CATEGORIES)
        case Denied(), Denied():
            pass
        case verdict:
            raise AssertionError(verdict)


@UNHURRIED
@given(rulesets(), PRINCIPALS, st.sampled_from((Deed.READ, Deed.ADD)))
def test_a_whole_scope_masks_nothing(found: RuleSet, who: Principal, deed: Deed) -> None:
    """A reader skips the mask where the scope says it is whole."""
    match decide(who, found, deed):
        case Granted(scopes):
            for scope in scopes.values():
                every = all(
                    permits(scope, code, day) for code, day in product((*CODES, "z"), (*DAYS, date.max))
                )
                assert every or not scope.whole
        case Denied():
            pass


def staff_and_rules() -> Iterator[tuple[Staff, Purpose | None, RuleSet, Deed, bool]]:
    """Yield staff × purpose × grant × block × deed with what the law says."""
    people = [
        cast.staff(unit, right=right, purpose=purpose, licence=licence)
        for unit in (cast.CENTRE, cast.OTHER_CENTRE, cast.HOMECARE)
        for right in CommissionRight
        for purpose in (Purpose.CARE, Purpose.STATISTICS)
        for licence in ("", "Läkare")
    ]
    whom = (
        None,
        (GranteeKind.UNIT, cast.CENTRE.id),
        (GranteeKind.PROVIDER, cast.OWN_CARE.id),
        (GranteeKind.REGION, cast.REGION.id),
        (GranteeKind.MUNICIPALITY, cast.TOWN.id),
        (GranteeKind.ROLE, f"{cast.CENTRE.id}/{cast.NURSE_TITLE}"),
    )
    for who, purpose, grant, block in product(people, (Purpose.CARE, Purpose.QUALITY, None), whom, whom):
        found, hits = [], []
        for effect, named in ((Effect.ALLOW, grant), (Effect.BLOCK, block)):
            if named:
                found.append(cast.rule(effect, effect, kind=named[0], to=named[1]))
            hits.append(named is not None and _meets(who, named))
        caring = who.commission.right is CommissionRight.CARE and who.commission.purpose is Purpose.CARE
        permitted = caring and purpose is Purpose.CARE and hits == [True, False]
        yield who, purpose, RuleSet(1, tuple(found)), Deed.READ, permitted


def _meets(who: Staff, named: tuple[GranteeKind, str]) -> bool:
    unit = who.commission.unit
    match named[0]:
        case GranteeKind.UNIT:
            return unit.id == named[1]
        case GranteeKind.PROVIDER:
            return unit.provider.id == named[1]
        case GranteeKind.REGION | GranteeKind.MUNICIPALITY:
            return unit.provider.authority.id == named[1]
        case _:
            return f"{unit.id}/{who.title}" == named[1]


def test_staff_read_as_law_and_rules_say_in_every_combination() -> None:
    """From a citizen's rule by unit, provider, authority or role to the answer."""
    combinations = list(staff_and_rules())
    assert len(combinations) > 2500
    for who, purpose, found, deed, permitted in combinations:
        verdict = decide(who, found, deed, categories=(BP,), purpose=purpose)
        assert isinstance(verdict, Granted) is permitted, (who, purpose, found)


READERS = (
    cast.staff(),
    cast.staff(right=CommissionRight.LOG_REVIEW),
    cast.client(BP),
    cast.proxy(),
    cast.SYSTEM,
)


@pytest.mark.parametrize("who", READERS, ids=lambda who: type(who).__name__)
@pytest.mark.parametrize("deed", [Deed.READ, Deed.ADD])
def test_without_rules_everything_is_closed(who: Principal, deed: Deed) -> None:
    """Default deny, for everyone but the owner of an adult's vault."""
    assert decide(who, RuleSet(0), deed) == Denied(Reason.NOT_PERMITTED)


def test_the_owner_reads_what_every_rule_blocks() -> None:
    """No rule stands between a person and their own data."""
    everyone = cast.rule("b", Effect.BLOCK, kind=GranteeKind.NETWORK, to="", categories=frozenset(Category))
    found = RuleSet(1, (everyone,))
    assert opened(decide(cast.citizen(), found)) == frozenset(
        (category, *one) for category, one in product(CATEGORIES, EVERY)
    )


def test_a_network_block_closes_what_a_unit_was_allowed() -> None:
    """The widest block is a block too."""
    everyone = cast.rule("b", Effect.BLOCK, kind=GranteeKind.NETWORK, to="")
    verdict = decide(cast.staff(), RuleSet(1, (cast.rule(), everyone)))
    assert verdict == Denied(Reason.FORBIDDEN, ("b",))


def test_a_protected_persons_place_is_shown_to_no_one_else_even_if_allowed() -> None:
    """A grant given in haste must not show where a person in hiding is."""
    categories = frozenset({BP, Category.LOCATION})
    found = RuleSet(1, (cast.rule(categories=categories),))
    hidden = decide(cast.staff(), found, subject=cast.subject(protected=True))
    assert {c for c, *_ in opened(hidden)} == {BP}
    assert {c for c, *_ in opened(decide(cast.staff(), found))} == categories


def test_a_client_system_adds_in_the_categories_it_is_registered_for_only() -> None:
    """A citizen's grant does not widen what the system was admitted for."""
    grant = cast.rule(
        kind=GranteeKind.CLIENT, to="meter", actions=cast.BOTH, categories=frozenset({BP, GLUCOSE})
    )
    found = RuleSet(1, (grant,))
    assert {c for c, *_ in opened(decide(cast.client(BP), found, Deed.ADD))} == {BP}
    assert opened(decide(cast.client(BP), found, Deed.READ)) == frozenset()


def test_a_grant_of_another_purpose_opens_nothing_for_care() -> None:
    """Purpose limitation: GDPR art. 5.1 b."""
    found = RuleSet(1, (cast.rule(purposes=frozenset({Purpose.QUALITY})),))
    assert decide(cast.staff(), found) == Denied(Reason.NOT_PERMITTED)


def test_asking_for_nothing_is_refused() -> None:
    """An empty list must not mean everything, nor be permitted for free."""
    assert decide(cast.citizen(), RuleSet(0), categories=()) == Denied(Reason.NOTHING_ASKED)


def test_masks_say_which_rules_decided() -> None:
    """The citizen sees which of their rules let someone in."""
    found = RuleSet(1, (cast.rule("a"), cast.rule("b", Effect.BLOCK, codes=frozenset({"x"}))))
    verdict = decide(cast.staff(), found)
    assert isinstance(verdict, Granted)
    assert verdict.rules == ("a", "b")
    scope = verdict.scopes[BP]
    assert (permits(scope, "85354-9", DAY), permits(scope, "x", DAY), scope.whole) == (True, False, False)


def test_a_scope_for_which_nothing_was_permitted_permits_nothing() -> None:
    """Nothing is not permission, in the masks as well."""
    empty = Scope((), (), frozenset())
    assert not permits(empty, "x", DAY)
    assert not empty.whole


def test_the_product_itself_holds_no_right_of_its_own() -> None:
    """Background work runs under a mandate that a later policy must name; none does yet."""
    whole = cast.rule(categories=frozenset(Category), actions=cast.BOTH)
    assert isinstance(cast.SYSTEM, System)
    assert decide(cast.SYSTEM, RuleSet(1, (whole,))) == Denied(Reason.NOT_PERMITTED)
