from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from consent.index import Index, Indexes, Match
from consent.nodes import NETWORK, Standing, node_of, rule_node, standing
from consent.rules import Rule, RuleSet
from identity.principal import Principal
from policies.vocabulary import Action, Category, Effect, GranteeKind, Purpose
from tests.consent import cast
from tests.consent.strategies import CATEGORIES, PRINCIPALS, TIMES, UNHURRIED, rulesets

UNIT = Standing((f"unit:{cast.CENTRE.id}",))


Asked = tuple[Standing, Action, Category, Purpose | None, datetime]


def naive(rules: RuleSet, asked: Asked) -> Match:
    """Match by reading every rule."""
    who, action, category, purpose, at = asked
    listed = {node_of(one.grantee) for one in rules.contacts if one.in_force(at)}
    is_contact = not listed.isdisjoint(who.named)

    def fits(rule: Rule, nodes: tuple[str, ...]) -> bool:
        laid_aside = [one for one in rule.lifts if at < one.until]
        waits = rule.helper and rule.confirmed is None and rule.effect is Effect.ALLOW
        return (
            rule_node(rule) in nodes
            and (not waits or action is Action.ADD)
            and action in rule.actions
            and category in rule.categories
            and (not rule.purposes or purpose in rule.purposes)
            and rule.in_force(at)
            and not any(node_of(one) in who.named for one in rule.spares)
            and not any(one.grantee is None or node_of(one.grantee) in who.named for one in laid_aside)
            and (is_contact or not rule.while_related)
        )

    reached = (*who.named, NETWORK) if is_contact else who.named
    allows = [r for r in rules.rules if r.effect is Effect.ALLOW and fits(r, reached)]
    denies = [r for r in rules.rules if r.effect is Effect.BLOCK and fits(r, reached + who.under)]
    if rules.paused:
        allows = []
    is_named = any(rule.grantee.kind in {"unit", "role", "person"} for rule in allows)
    return Match(tuple(allows), tuple(denies), is_contact or is_named)


@UNHURRIED
@given(
    rulesets(),
    PRINCIPALS,
    st.sampled_from((Purpose.CARE, Purpose.QUALITY, None)),
    st.sampled_from(TIMES),
    st.booleans(),
)
def test_index_finds_what_a_naive_reader_finds(
    rules: RuleSet,
    who: Principal,
    purpose: Purpose,
    at: datetime,
    emergency: bool,  # noqa: FBT001 Hypothesis gives it
) -> None:
    """A bitset in the wrong place would open a record to the wrong people."""
    nodes, index = standing(who, emergency=emergency), Index(rules)
    for action, category in product(Action, CATEGORIES):
        question: Asked = (nodes, action, category, purpose, at)
        assert index.match(*question) == naive(rules, question)


def matched(rules: RuleSet, at: datetime = cast.AT, *, who: Standing = UNIT) -> tuple[str, ...]:
    """Return the ids of the allows for reading blood pressure."""
    match = Index(rules).match(who, Action.READ, Category.BLOOD_PRESSURE, Purpose.CARE, at)
    return tuple(rule.id for rule in match.allows)


def test_a_rule_is_in_force_from_its_first_moment_until_its_last_is_reached() -> None:
    """An expiry that is one moment late is an access without consent."""
    bounded = cast.rule(valid_from=cast.AT, valid_to=cast.AT + timedelta(hours=1))
    rules, instant = RuleSet(1, (bounded,)), timedelta(microseconds=1)
    assert matched(rules, cast.AT - instant) == ()
    assert matched(rules, cast.AT) == ("r1",)
    assert matched(rules, cast.AT + timedelta(hours=1) - instant) == ("r1",)
    assert matched(rules, cast.AT + timedelta(hours=1)) == ()


def test_no_rules_match_nothing() -> None:
    """Nothing is not permission."""
    assert matched(RuleSet(0)) == ()
    assert matched(RuleSet(1, (cast.rule(),)), who=Standing()) == ()


def test_a_role_is_the_same_however_its_letters_were_typed() -> None:
    """A title written with a combining ring must meet the title that the directory gives."""
    typed = cast.rule(kind=GranteeKind.ROLE, to=f"{cast.CENTRE.id}/Distriktssko\u0308terska")
    who = standing(cast.staff(title="Distriktssk\u00f6terska"))
    assert matched(RuleSet(1, (typed,)), who=who) == ("r1",)


def test_a_grant_to_one_workplace_does_not_follow_the_person_to_another() -> None:
    """The principal is the active commission."""
    rules = RuleSet(1, (cast.rule(),))
    assert matched(rules, who=standing(cast.staff())) == ("r1",)
    assert matched(rules, who=standing(cast.staff(cast.OTHER_CENTRE))) == ()


def test_a_grant_to_a_provider_does_not_let_its_client_system_in_but_a_block_stops_it() -> None:
    """A citizen who lets people at a provider in has not let a machine in."""
    to_provider = cast.rule(kind=GranteeKind.PROVIDER, to=cast.OWN_CARE.id, actions=frozenset({Action.ADD}))
    rules = RuleSet(1, (to_provider, replace(to_provider, id="r2", effect=Effect.BLOCK)))
    found = Index(rules).match(
        standing(cast.client()), Action.ADD, Category.BLOOD_PRESSURE, Purpose.CARE, cast.AT
    )
    assert (found.allows, [rule.id for rule in found.denies]) == ((), ["r2"])


def test_a_change_of_rules_is_seen_by_the_next_request() -> None:
    """Read your writes: a revocation bites at once, whatever was cached."""
    indexes = Indexes()
    granted = RuleSet(1, (cast.rule(),))
    assert indexes.of(cast.VAULT, granted).rules == granted
    revoked = RuleSet(2)
    assert indexes.of(cast.VAULT, revoked).rules == revoked
    assert indexes.of(cast.VAULT, granted).rules == granted


def test_the_same_rules_are_compiled_once() -> None:
    """Compiling costs more than matching."""
    indexes = Indexes()
    first = indexes.of(cast.VAULT, RuleSet(1, (cast.rule(),)))
    assert indexes.of(cast.VAULT, RuleSet(1, (cast.rule(),))) is first


def test_a_rolled_back_version_is_not_mistaken_for_the_committed_one() -> None:
    """Two transactions may both have tried to be version 2."""
    indexes = Indexes()
    rolled_back, committed = RuleSet(2, (cast.rule(),)), RuleSet(2, (cast.rule(to=cast.OTHER_CENTRE.id),))
    assert indexes.of(cast.VAULT, rolled_back).rules == rolled_back
    assert indexes.of(cast.VAULT, committed).rules == committed


def test_one_vaults_index_never_serves_another() -> None:
    """The oldest is forgotten when there are too many; none is mixed up."""
    indexes = Indexes(limit=2)
    for number in range(5):
        rules = RuleSet(1, (cast.rule(f"r{number}"),))
        assert indexes.of(bytes([number]) * 16, rules).rules == rules
    again = RuleSet(1, (cast.rule("r4"),))
    assert indexes.of(bytes([4]) * 16, again).rules == again
