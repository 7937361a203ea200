from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from consent.ages import age, birthday
from consent.nodes import NETWORK, recipients_of
from consent.questions import question
from consent.recipients import guardian_window, recipients
from consent.rules import Contact, Grantee, Lift, Rule, RuleSet
from identity.principal import Unit
from keys.envelope import Window
from policies.engine import INSTALLED, LAW_IN_FORCE, Permit, Policies
from policies.vocabulary import Action, Category, Deed, Effect, GranteeKind, Purpose
from tests.consent import cast

OWNER = f"owner:{cast.VAULT.hex()}"
EMERGENCY = f"emergency:{cast.VAULT.hex()}"
CENTRE = f"unit:{cast.CENTRE.id}"
HOUR = timedelta(hours=1)
PROVIDER, REGION = f"provider:{cast.OWN_CARE.id}", f"region:{cast.REGION.id}"
ABOVE = {
    CENTRE: (PROVIDER, REGION),
    f"unit:{cast.OTHER_CENTRE.id}": (PROVIDER, REGION),
    PROVIDER: (REGION,),
}
UNIT = Grantee(GranteeKind.UNIT, cast.CENTRE.id)


def named(
    *rules: Rule,
    contacts: tuple[Contact, ...] = (),
    paused: datetime | None = None,
    proxies: tuple[tuple[str, Window], ...] = (),
    at: datetime = cast.AT,
) -> dict[str, Window]:
    """Return the recipients of blood pressure."""
    return recipients(
        RuleSet(1, rules, contacts, paused),
        Category.BLOOD_PRESSURE,
        vault=cast.VAULT,
        at=at,
        proxies=proxies,
        units_of_person=lambda person: {"SE2321000000-E1": (cast.CENTRE.id, cast.HOMECARE.id)}.get(
            person, ()
        ),
        above=lambda node: (*ABOVE.get(node, ()), NETWORK),
    )


def test_without_consent_the_owner_alone() -> None:
    """No consent, no wrap; in an emergency the law's, unless the owner said no to that."""
    assert named() == {OWNER: Window(), EMERGENCY: Window()}


@pytest.mark.parametrize(
    ("kind", "to", "nodes"),
    [
        (GranteeKind.UNIT, cast.CENTRE.id, [CENTRE]),
        (GranteeKind.PROVIDER, cast.OWN_CARE.id, [f"provider:{cast.OWN_CARE.id}"]),
        (GranteeKind.REGION, cast.REGION.id, [f"region:{cast.REGION.id}"]),
        (GranteeKind.MUNICIPALITY, cast.TOWN.id, [f"municipality:{cast.TOWN.id}"]),
        (GranteeKind.ROLE, f"{cast.CENTRE.id}/{cast.NURSE_TITLE}", [CENTRE]),
        (GranteeKind.PERSON, "SE2321000000-E1", [CENTRE, f"unit:{cast.HOMECARE.id}"]),
        (GranteeKind.PERSON, "SE2321000000-E9", []),
        (GranteeKind.NETWORK, "", []),
        (GranteeKind.CLIENT, "meter", []),
    ],
)
def test_a_grant_names_its_narrowest_nodes(kind: GranteeKind, to: str, nodes: list[str]) -> None:
    """A wider wrap than the grant would open to those who were not named."""
    assert list(named(cast.rule(kind=kind, to=to))) == [OWNER, EMERGENCY, *nodes]


@pytest.mark.parametrize("unit", [cast.CENTRE, cast.HOMECARE, cast.PRIVATE_CENTRE])
def test_staff_hold_exactly_their_units_and_its_ancestors_keys(unit: Unit) -> None:
    """The names must agree byte for byte with those that rules make wraps for."""
    provider, authority = unit.provider, unit.provider.authority
    kinds = (
        (GranteeKind.UNIT, unit.id),
        (GranteeKind.PROVIDER, provider.id),
        (GranteeKind(authority.kind), authority.id),
    )
    made = [
        node
        for kind, to in kinds
        for node in named(cast.rule(kind=kind, to=to))
        if node not in {OWNER, EMERGENCY}
    ]
    assert list(recipients_of(cast.staff(unit), cast.VAULT, owner=cast.ALIAS)) == made


def test_adding_blocks_and_other_categories_make_no_wrap() -> None:
    """Adding needs the public half only."""
    assert list(named(cast.rule(actions=frozenset({Action.ADD})))) == [OWNER, EMERGENCY]
    assert list(named(cast.rule(effect=Effect.BLOCK))) == [OWNER, EMERGENCY]
    assert list(named(cast.rule(categories=frozenset({Category.GLUCOSE})))) == [OWNER, EMERGENCY]


def test_windows_of_several_grants_become_their_hull() -> None:
    """One wrap serves all the grants of a node; the gate holds the gaps."""
    early = cast.rule("a", valid_from=cast.AT - HOUR, valid_to=cast.AT + HOUR)
    late = cast.rule("b", valid_from=cast.AT + 2 * HOUR, valid_to=cast.AT + 3 * HOUR)
    assert named(early, late)[CENTRE] == Window(cast.AT - HOUR, cast.AT + 3 * HOUR)
    assert named(early, cast.rule("c"))[CENTRE] == Window()


def test_a_grant_that_is_over_leaves_no_wrap() -> None:
    """The last moment is outside, as in the rule itself."""
    ended = cast.rule(valid_to=cast.AT)
    assert CENTRE not in named(ended)
    assert named(ended, at=cast.AT - HOUR)[CENTRE] == Window(None, cast.AT)
    assert named(ended, cast.rule("b", valid_from=cast.AT))[CENTRE] == Window(cast.AT, None)


def test_a_coming_grant_is_wrapped_with_its_beginning() -> None:
    """No job has to run when it begins."""
    assert named(cast.rule(valid_from=cast.AT + HOUR))[CENTRE] == Window(cast.AT + HOUR, None)


def test_a_whole_block_of_the_same_node_takes_the_wrap_away() -> None:
    """What is closed for good shall not hang on policy alone."""
    assert list(named(cast.rule(), cast.rule("b", Effect.BLOCK))) == [OWNER, EMERGENCY]


@pytest.mark.parametrize(
    "block",
    [
        cast.rule("b", Effect.BLOCK, codes=frozenset({"x"})),
        cast.rule("b", Effect.BLOCK, purposes=frozenset({Purpose.QUALITY})),
        cast.rule("b", Effect.BLOCK, data_to=date(2020, 1, 1)),
        cast.rule("b", Effect.BLOCK, valid_to=cast.AT + HOUR),
        cast.rule("b", Effect.BLOCK, valid_from=cast.AT + HOUR),
        cast.rule("b", Effect.BLOCK, actions=frozenset({Action.ADD})),
        cast.rule("b", Effect.BLOCK, categories=frozenset({Category.GLUCOSE})),
        cast.rule("b", Effect.BLOCK, to=cast.OTHER_CENTRE.id),
        cast.rule("b", Effect.BLOCK, kind=GranteeKind.ROLE, to=f"{cast.CENTRE.id}/Läkare"),
    ],
)
def test_a_narrower_block_leaves_the_wrap_to_the_gate(block: Rule) -> None:
    """The others at the node must still be able to open."""
    assert CENTRE in named(cast.rule(), block)


def test_the_network_is_those_whom_the_citizen_lists_while_they_are_listed() -> None:
    """My care network: each contact's key, in the time of the contact and of the rule."""
    to_network = cast.rule(kind=GranteeKind.NETWORK, to="", valid_to=cast.AT + HOUR)
    home, person = Grantee(GranteeKind.UNIT, cast.HOMECARE.id), Grantee(GranteeKind.PERSON, "SE2321000000-E1")
    assert list(named(to_network)) == [OWNER, EMERGENCY]
    found = named(
        to_network,
        contacts=(Contact(UNIT, "", cast.AT - HOUR), Contact(home, "", cast.AT, cast.AT + 3 * HOUR)),
    )
    assert found[CENTRE] == Window(cast.AT - HOUR, cast.AT + HOUR)
    assert found[f"unit:{cast.HOMECARE.id}"] == Window(cast.AT, cast.AT + HOUR)
    assert CENTRE in named(to_network, contacts=(Contact(person, "", cast.AT - HOUR),))
    over = Contact(UNIT, "", cast.AT - 2 * HOUR, cast.AT)
    assert CENTRE not in named(to_network, contacts=(over,))


@pytest.mark.parametrize(
    ("contact", "node"),
    [
        (UNIT, CENTRE),
        (Grantee(GranteeKind.PROVIDER, cast.OWN_CARE.id), CENTRE),
        (UNIT, PROVIDER),
        (Grantee(GranteeKind.UNIT, cast.HOMECARE.id), None),
    ],
)
def test_a_grant_while_related_is_wrapped_for_as_long_as_the_relation_is_on_record(
    contact: Grantee, node: str | None
) -> None:
    """A contact at, over or under whom the rule names; none, no key."""
    kind, _, to = (node or CENTRE).partition(":")
    rule = replace(cast.rule(kind=GranteeKind(kind), to=to), while_related=True)
    found = named(rule, contacts=(Contact(contact, "", cast.AT - HOUR, cast.AT + HOUR),))
    assert found.get(f"{kind}:{to}") == (Window(cast.AT - HOUR, cast.AT + HOUR) if node else None)


def test_while_sharing_is_paused_nobody_else_has_a_key() -> None:
    """Proxies and emergency access are no sharing of the citizen's."""
    guardian = (("proxy:x", Window()),)
    assert list(named(cast.rule(), paused=cast.AT, proxies=guardian)) == [OWNER, "proxy:x", EMERGENCY]


def test_no_to_emergency_access_takes_its_key_away() -> None:
    """Said in advance, for the categories that it names."""
    no = cast.rule("b", Effect.BLOCK, kind=GranteeKind.EMERGENCY, to="")
    assert list(named(cast.rule(), no)) == [OWNER, CENTRE]
    assert EMERGENCY in named(replace(no, categories=frozenset({Category.GLUCOSE})))
    assert list(named(cast.rule("b", Effect.BLOCK, kind=GranteeKind.NETWORK, to=""))) == [OWNER]


def test_a_block_laid_aside_gives_the_key_back_for_as_long() -> None:
    """No job puts the block back: the window ends by itself."""
    block = cast.rule("b", Effect.BLOCK, kind=GranteeKind.PROVIDER, to=cast.OWN_CARE.id)
    until = cast.AT + HOUR
    assert CENTRE not in named(cast.rule(), block)
    assert named(cast.rule(), replace(block, lifts=(Lift(until),)))[CENTRE] == Window(None, until)
    assert named(cast.rule(), replace(block, lifts=(Lift(until, UNIT),)))[CENTRE] == Window(None, until)
    elsewhere = Lift(until, Grantee(GranteeKind.UNIT, cast.OTHER_CENTRE.id))
    assert CENTRE not in named(cast.rule(), replace(block, lifts=(elsewhere,)))
    assert CENTRE not in named(cast.rule(), replace(block, lifts=(Lift(cast.AT),)))


def test_a_block_that_spares_somebody_leaves_the_key_that_they_open_with() -> None:
    """All but my own health centre: the key of its provider stays where that is what was granted."""
    block = cast.rule("b", Effect.BLOCK, kind=GranteeKind.NETWORK, to="")
    spares = replace(block, spares=frozenset({UNIT}))
    to_provider = cast.rule(kind=GranteeKind.PROVIDER, to=cast.OWN_CARE.id)
    other = cast.rule("o", to=cast.OTHER_CENTRE.id)
    assert list(named(to_provider, cast.rule("u"), other, block)) == [OWNER]
    assert list(named(to_provider, cast.rule("u"), other, spares)) == [OWNER, EMERGENCY, PROVIDER, CENTRE]


def test_a_proxy_whom_the_citizen_named_has_a_key_in_the_time_of_the_mandate() -> None:
    """An ombud: a scope and a period."""
    mandate = cast.rule(kind=GranteeKind.PROXY, to=cast.PARENT.hex(), valid_to=cast.AT + HOUR)
    node = f"proxy:{cast.VAULT.hex()}:{cast.PARENT.hex()}"
    assert named(mandate)[node] == Window(None, cast.AT + HOUR)
    assert node not in named(mandate, at=cast.AT + HOUR)


def test_proxies_come_with_their_windows_and_go_when_over() -> None:
    """A guardian's wrap ends by its own authenticated window."""
    window = guardian_window(cast.born_before(12))
    assert named(proxies=(("proxy:x", window),))["proxy:x"] == window
    assert "proxy:x" not in named(proxies=(("proxy:x", Window(None, cast.AT)),))


def test_a_guardians_window_ends_with_swedish_midnight_of_the_thirteenth_birthday() -> None:
    """In winter Swedish midnight is 23 UTC the day before, in summer 22."""
    assert guardian_window(date(2013, 1, 15)).not_after == datetime(2026, 1, 14, 23, tzinfo=UTC)
    assert guardian_window(date(2013, 7, 15)).not_after == datetime(2026, 7, 14, 22, tzinfo=UTC)
    assert guardian_window(date(2012, 2, 29)).not_after == datetime(2025, 2, 27, 23, tzinfo=UTC)


@pytest.mark.parametrize("born", [date(2013, 1, 15), date(2013, 7, 15), date(2012, 2, 29)])
def test_policy_and_key_of_a_guardian_end_at_the_same_moment(born: date) -> None:
    """Two places know the age; they must not drift apart."""
    policies = Policies.load(INSTALLED, LAW_IN_FORCE)
    end = guardian_window(born).not_after
    assert end is not None
    context: dict[str, object] = {"consent": {"allows": [], "denies": []}, "registered": True}
    context |= {"locates": False, "related": False, "emergency": False, "minutes": 0}
    answers = [
        policies.decide(
            question(cast.proxy(), Deed.READ, cast.subject(born=born), context, purpose=None, at=at)
        )
        for at in (end - timedelta(microseconds=1), end)
    ]
    assert [type(answer) is Permit for answer in answers] == [True, False]


def test_a_leap_day_child_comes_of_age_on_the_last_of_february() -> None:
    """Lag (1930:173): where the month has no such day, its last counts."""
    assert birthday(date(2012, 2, 29), 13) == date(2025, 2, 28)
    assert birthday(date(2012, 2, 29), 16) == date(2028, 2, 29)
    noon = datetime(2025, 2, 28, 12, tzinfo=UTC)
    assert (age(date(2012, 2, 29), noon - timedelta(days=1)), age(date(2012, 2, 29), noon)) == (12, 13)
