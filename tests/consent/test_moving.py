"""What hangs on a place, what stands for it elsewhere, and that leaving never widens anything."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import moving
from consent.moving import Hanging, Missing
from consent.recipients import recipients
from consent.rules import Contact, Grantee, RuleSet
from identity.branch import Branch, StaffMember
from identity.directory import Directory
from identity.principal import Authority, Commission, CommissionRight, Principal, Provider, Unit
from policies.vocabulary import Category, Deed, Effect, GranteeKind, Purpose
from tests.consent import cast
from tests.consent.strategies import CATEGORIES, PRINCIPALS, UNHURRIED, rulesets
from tests.consent.test_judge import decide, opened

HERE, ELSEWHERE = "SE2321000000-E1", "SE2321000000-E2"
UNIT = Grantee(GranteeKind.UNIT, cast.CENTRE.id)
PROVIDER = Grantee(GranteeKind.PROVIDER, cast.OWN_CARE.id)
REGION = Grantee(GranteeKind.REGION, cast.REGION.id)
TOWN = Grantee(GranteeKind.MUNICIPALITY, cast.TOWN.id)


def member(id_: str, title: str, *units: Unit) -> StaffMember:
    """Return somebody who works at some units."""
    held = (
        Commission(f"{unit.id}-{id_[-2:]}", "Vård", Purpose.CARE, CommissionRight.CARE, unit)
        for unit in units
    )
    return StaffMember(id_, "Nils Exempel", title, "", tuple(held))


def branch(
    authority: Authority, providers: tuple[Provider, ...], units: tuple[Unit, ...], *staff: StaffMember
) -> Branch:
    """Return one organisation's part of the directory."""
    clients = (cast.client(),) if authority is cast.REGION else ()
    return Branch(1, authority, providers, units, staff, clients)


DIRECTORY = Directory(
    [
        branch(
            cast.REGION,
            (cast.OWN_CARE, cast.PRIVATE),
            (cast.CENTRE, cast.OTHER_CENTRE, cast.PRIVATE_CENTRE),
            member(HERE, cast.NURSE_TITLE, cast.CENTRE),
            member(ELSEWHERE, "Läkare", cast.CENTRE, cast.PRIVATE_CENTRE),
            member("SE2321000000-E3", "Läkare", cast.OTHER_CENTRE),
        ),
        branch(cast.TOWN, (cast.TOWN_CARE,), (cast.HOMECARE,)),
    ]
)


def hangs(kind: GranteeKind, to: str, place: Grantee, effect: Effect = Effect.ALLOW) -> bool:
    """Tell whether a rule that names somebody hangs on a place."""
    rules = RuleSet(1, (cast.rule("r1", effect, kind=kind, to=to),))
    return bool(moving.hanging(rules, place, DIRECTORY, cast.AT).rules)


@pytest.mark.parametrize(
    ("kind", "to", "on"),
    [
        (GranteeKind.UNIT, cast.CENTRE.id, {UNIT, PROVIDER, REGION}),
        (GranteeKind.UNIT, cast.PRIVATE_CENTRE.id, {REGION}),
        (GranteeKind.UNIT, cast.HOMECARE.id, {TOWN}),
        (GranteeKind.ROLE, f"{cast.CENTRE.id}/{cast.NURSE_TITLE}", {UNIT, PROVIDER, REGION}),
        (GranteeKind.PERSON, HERE, {UNIT, PROVIDER, REGION}),
        (GranteeKind.PERSON, ELSEWHERE, {REGION}),
        (GranteeKind.PERSON, "SE2321000000-GONE", set()),
        (GranteeKind.PROVIDER, cast.OWN_CARE.id, {PROVIDER, REGION}),
        (GranteeKind.REGION, cast.REGION.id, {REGION}),
        (GranteeKind.MUNICIPALITY, cast.TOWN.id, {TOWN}),
        (GranteeKind.CLIENT, "meter", {PROVIDER, REGION}),
        (GranteeKind.CLIENT, "gone", set()),
        (GranteeKind.NETWORK, "", set()),
        (GranteeKind.PROXY, cast.PARENT.hex(), set()),
    ],
)
def test_an_allow_hangs_where_all_that_it_names_lies(kind: GranteeKind, to: str, on: set[Grantee]) -> None:
    """Somebody who also works elsewhere is not left with one of their units; wider shares are not of the unit."""
    places = (UNIT, PROVIDER, REGION, TOWN)
    assert {place for place in places if hangs(kind, to, place)} == on
    found = moving.places(RuleSet(1, (cast.rule(kind=kind, to=to),)), DIRECTORY, cast.AT)
    assert on <= set(found)
    assert all(hangs(kind, to, place) for place in found)


def test_a_block_hangs_nowhere() -> None:
    """To end one would widen."""
    assert not any(hangs(GranteeKind.UNIT, cast.CENTRE.id, place, Effect.BLOCK) for place in (UNIT, REGION))


def test_what_is_over_is_not_ended_again() -> None:
    """It stands in the history as it was."""
    rules = RuleSet(
        1,
        (cast.rule("r1", valid_to=cast.AT), cast.rule("r2")),
        (Contact(UNIT, "", cast.AT.replace(year=2025), cast.AT),),
    )
    found = moving.hanging(rules, UNIT, DIRECTORY, cast.AT)
    assert ([one.id for one in found.rules], found.contacts) == (["r2"], ())


@pytest.mark.parametrize(
    ("grantee", "unit", "expected"),
    [
        (UNIT, cast.HOMECARE, Grantee(GranteeKind.UNIT, cast.HOMECARE.id)),
        (PROVIDER, cast.PRIVATE_CENTRE, Grantee(GranteeKind.PROVIDER, cast.PRIVATE.id)),
        (REGION, cast.PRIVATE_CENTRE, REGION),
        (TOWN, cast.HOMECARE, TOWN),
        (REGION, cast.HOMECARE, Missing.AUTHORITY),
        (TOWN, cast.CENTRE, Missing.AUTHORITY),
        (
            Grantee(GranteeKind.ROLE, f"{cast.CENTRE.id}/Läkare"),
            cast.OTHER_CENTRE,
            Grantee(GranteeKind.ROLE, f"{cast.OTHER_CENTRE.id}/Läkare"),
        ),
        (Grantee(GranteeKind.ROLE, f"{cast.CENTRE.id}/Läkare"), cast.HOMECARE, Missing.TITLE),
        (Grantee(GranteeKind.PERSON, HERE), cast.OTHER_CENTRE, Missing.PERSON),
        (Grantee(GranteeKind.CLIENT, "meter"), cast.OTHER_CENTRE, Missing.SYSTEM),
    ],
)
def test_the_equivalent_is_the_new_units_own_or_is_said_to_be_missing(
    grantee: Grantee, unit: Unit, expected: Grantee | Missing
) -> None:
    """A person is nobody else; a region's care is not a municipality's."""
    assert moving.equivalent(grantee, unit, DIRECTORY) == expected


@pytest.mark.parametrize("kind", [GranteeKind.NETWORK, GranteeKind.EMERGENCY])
def test_what_hangs_nowhere_has_no_equivalent(kind: GranteeKind) -> None:
    """To ask for one is a fault of ours."""
    with pytest.raises(ValueError, match="hangs nowhere"):
        moving.equivalent(Grantee(kind, ""), cast.CENTRE, DIRECTORY)


def test_rules_that_differ_in_paper_and_maker_say_the_same() -> None:
    """By which a proposal that was accepted is not made again."""
    one = cast.rule("r1")
    other = replace(one, id="r2", author="", document="25202603-0000000000000001", helper=HERE)
    assert moving.says_the_same(one, other)
    assert not moving.says_the_same(one, replace(other, codes=frozenset({"x"})))


@UNHURRIED
@given(
    rulesets(),
    st.sampled_from((UNIT, PROVIDER, REGION, TOWN)),
    PRINCIPALS,
    st.sampled_from((Deed.READ, Deed.ADD)),
)
def test_leaving_never_widens_anybody(found: RuleSet, place: Grantee, who: Principal, deed: Deed) -> None:
    """Neither by decision nor by key: what nobody could open before, nobody can after."""
    hung = moving.hanging(found, place, DIRECTORY, cast.AT)
    after = moving.without(found, hung)
    assert opened(decide(who, after, deed)) <= opened(decide(who, found, deed))
    for category in CATEGORIES:
        assert set(keys(after, category)) <= set(keys(found, category))
    assert moving.hanging(after, place, DIRECTORY, cast.AT) == Hanging()
    assert [one for one in found.rules if one.effect is Effect.BLOCK] == [
        one for one in after.rules if one.effect is Effect.BLOCK
    ]


def keys(rules: RuleSet, category: Category) -> dict[str, object]:
    """Return who may hold a category's key."""
    return dict(
        recipients(
            rules,
            category,
            vault=cast.VAULT,
            at=cast.AT,
            units_of_person=DIRECTORY.units_of_person,
            above=DIRECTORY.above,
        )
    )
