"""The vault as somebody else sees it, held record by record against what they then read."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app import demo
from audit.events import EventKind
from consent.gate import Refused
from consent.rules import Contact, Grantee
from identity.directory import NotInDirectoryError
from identity.principal import Citizen, Proxy, Relation, Staff
from keys.primitives import KeysError
from policies.vocabulary import Category, GranteeKind, Purpose
from sharing import granting, paging, seeing
from sharing.house import author_of
from sharing.outlook import Count
from sharing.paging import Order, Wish
from sharing.reading import Query
from tests.world import START, World, pressure, weight
from vault.errors import NoKeyError
from vault.record import Origin, Record

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT
VC, HOME, CLINIC = demo.HEALTH_CENTRE, demo.HOME_CARE, demo.MEDICAL_CLINIC
ALL = Wish(1000)


async def fill(world: World) -> tuple[Record, ...]:
    """Give Anna values over four months: her own, a meter's, and the health centre's; return the blood pressures."""
    await world.enter("anna")
    meter = replace(pressure("1", "1").provenance, origin=Origin.FHIR_API, device="Meter")
    for n in range(12):
        at = START - timedelta(days=10 * n)
        one = pressure(str(120 + n), "80", at - timedelta(minutes=1))
        await world.add("anna", "anna", one, weight(f"70.{n}", at))
        by_meter = pressure(str(140 + n), "90", at)
        await world.add("anna", "anna", replace(by_meter, provenance=meter))
    theirs = replace(pressure("1", "1").provenance, author=author_of(world.who("nurse-vc")))
    own = await world.allow("anna", "unit", VC, BP, WEIGHT, actions=["add"])
    for n in range(4):
        one = pressure(str(160 + n), "95", START - timedelta(days=25 * n, hours=1))
        await world.add("nurse-vc", "anna", replace(one, provenance=theirs))
    await world.revoke("anna", own)
    return (await world.read("anna", "anna", BP)).records


async def eyes_of(world: World, staff: Staff, wish: Wish = ALL) -> paging.Page:
    """Return what Anna is shown of what one person of a unit's staff sees."""
    whom = Grantee(GranteeKind.PERSON, staff.id)
    unit = staff.commission.unit.id
    return await seeing.records_as(world.house, world.who("anna"), world.alias("anna"), unit, wish, whom=whom)


async def read_by(world: World, staff: Staff) -> list[str]:
    """Return the ids of what they read, the newest first; nothing where they are refused."""
    try:
        found = await paging.page(world.house, staff, world.alias("anna"), Query(), ALL)
    except (Refused, NoKeyError):
        return []
    return ids(found)


def ids(page: paging.Page) -> list[str]:
    """Return the ids of a page's records, in its order."""
    return [record.id for record in page.columns.records()]


def drawn(
    draw: random.Random, records: tuple[Record, ...], nurse: Staff
) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield rules of every kind, some of which overlap: effect, kind and id of whom, terms."""
    whom = [
        ("unit", VC),
        ("unit", HOME),
        ("unit", CLINIC),
        ("provider", nurse.commission.unit.provider.id),
        ("region", demo.REGION_EXEMPEL),
        ("person", nurse.id),
        ("role", f"{VC}/{nurse.title}"),
        ("network", ""),
    ]
    for _ in range(draw.randint(1, 4)):
        effect, (kind, node) = draw.choice(("allow", "allow", "block")), draw.choice(whom)
        terms: dict[str, Any] = draw.choice(
            (
                {},
                {"codes": ["85354-9"]},
                {"data_from": (START - timedelta(days=draw.randint(1, 100))).date().isoformat()},
                {"data_to": (START - timedelta(days=draw.randint(1, 100))).date().isoformat()},
                {"sources": draw.choice((["mine"], ["device"], ["device:Meter"], [f"unit:{VC}"]))},
                {"records": [one.id for one in draw.sample(records, 3)], "actions": ["read"]},
                {"while_related": True} if effect == "allow" else {"spares": [{"kind": "unit", "id": VC}]},
                {"valid_from": (START + timedelta(days=9)).isoformat()},
                {"purposes": [draw.choice((Purpose.CARE, Purpose.STATISTICS))]},
            )
        )
        yield effect, kind, node, terms


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_shown_is_what_they_read(world: World, seed: int) -> None:
    """For rules of every kind, drawn at random: the same records in the same order, for each who stands there."""
    records = await fill(world)
    draw = random.Random(seed)  # can be repeated
    staff = [one for name in ("nurse-vc", "homecare") for one in [world.who(name)] if isinstance(one, Staff)]
    for _ in range(4):
        for rule in world.load("anna").rules.rules:
            await world.revoke("anna", rule.id)
        if draw.random() < 0.5:
            listed = Contact(Grantee(GranteeKind.UNIT, draw.choice((VC, HOME))), "", START)
            await granting.carry_out(
                world.house, world.who("anna"), world.alias("anna"), granting.to_list(listed)
            )
        for effect, kind, node, terms in drawn(draw, records, staff[0]):
            await world.rule(
                "anna", effect, kind, node, *draw.choice(((BP,), (BP, WEIGHT), (WEIGHT,))), **terms
            )
        for one in staff:
            shown = await eyes_of(world, one)
            assert ids(shown) == await read_by(world, one)
            assert shown.total == len(shown.columns)


async def test_pages_follow_each_other_and_counts_agree(world: World) -> None:
    """Page by page it is the whole list once, in either order; and as many as the counts say."""
    await fill(world)
    await world.allow("anna", "unit", VC, BP, WEIGHT, sources=["mine"])
    await world.block("anna", "network", "", WEIGHT, data_to=(START - timedelta(days=50)).date().isoformat())
    anna, alias = world.who("anna"), world.alias("anna")
    for order in Order:
        whole = ids(await seeing.records_as(world.house, anna, alias, VC, Wish(1000, order)))
        wish, found = Wish(5, order), list[str]()
        while True:
            page = await seeing.records_as(world.house, anna, alias, VC, wish)
            found += ids(page)
            if page.more is None:
                break
            wish = replace(wish, after=page.more, told=False)
        assert found == whole
    counts = await seeing.see_as(world.house, anna, alias, VC)
    assert {name: (count.before, count.after) for name, count in counts.items() if count.before} == {
        BP: (28, 12),
        WEIGHT: (12, 5),
    }
    assert len(whole) == 17
    only = await seeing.records_as(world.house, anna, alias, VC, ALL, categories=(WEIGHT,))
    assert (len(only.columns), only.total) == (5, 5)


async def test_person_whom_a_rule_names_sees_what_others_there_do_not(world: World) -> None:
    """Only those are offered whom the rules tell apart, and only where they stand."""
    await fill(world)
    nurse = world.who("nurse-vc")
    assert isinstance(nurse, Staff)
    whom, role = Grantee(GranteeKind.PERSON, nurse.id), Grantee(GranteeKind.ROLE, f"{VC}/{nurse.title}")
    anna, alias, house = world.who("anna"), world.alias("anna"), world.house
    await world.allow("anna", "person", nurse.id, BP)
    await world.allow("anna", "role", role.id, WEIGHT)
    rules, directory = world.load("anna").rules, house.directory()
    assert set(seeing.told_apart(rules, directory, VC)) == {whom, role}
    assert seeing.told_apart(rules, directory, HOME) == ()
    found = [await seeing.see_as(house, anna, alias, VC, one) for one in (None, whom, role)]
    assert [(one[BP], one[WEIGHT]) for one in found] == [
        (Count(28, 0, 0, 28), Count(12, 0, 0, 12)),
        (Count(28, 28, 0, 0), Count(12, 12, 0, 0)),
        (Count(28, 0, 0, 28), Count(12, 12, 0, 0)),
    ]
    for unit, one in ((HOME, whom), (HOME, role), (VC, Grantee(GranteeKind.UNIT, VC)), ("SE-none", None)):
        with pytest.raises(NotInDirectoryError):
            await seeing.see_as(house, anna, alias, unit, one)
        with pytest.raises(NotInDirectoryError):
            await seeing.records_as(house, anna, alias, unit, ALL, whom=one)


async def test_nothing_is_shown_of_what_the_asker_has_less_than_all_of(world: World) -> None:
    """A mandate for some of a category opens no more by way of somebody else's eyes."""
    await fill(world)
    bo_acts, terms = world.alias("bo").hex(), {"relation": "representative"}
    await world.allow("anna", "proxy", bo_acts, BP, sources=["mine"], **terms)
    await world.allow("anna", "proxy", bo_acts, WEIGHT, actions=["read", "manage"], **terms)
    await world.allow("anna", "unit", VC, BP, WEIGHT)
    anna, bo = world.who("anna"), world.who("bo")
    assert isinstance(anna, Citizen)
    assert isinstance(bo, Citizen)
    proxy = Proxy(bo.person, anna.person, Relation.REPRESENTATIVE)
    shown = await seeing.records_as(world.house, proxy, world.alias("anna"), VC, ALL)
    assert {record.category for record in shown.columns.records()} == {WEIGHT}
    assert len(shown.columns) == 12


@pytest.mark.parametrize("who", ["bo", "nurse-vc"])
async def test_nobody_else_borrows_anybodys_eyes(world: World, who: str) -> None:
    """Not even those whose eyes they are: who shares with whom is the citizen's matter."""
    await fill(world)
    await world.enter("bo")
    await world.allow("anna", "unit", VC, BP)
    with pytest.raises((Refused, NoKeyError, KeysError)):
        await seeing.records_as(world.house, world.who(who), world.alias("anna"), VC, ALL)


async def test_it_is_the_owners_reading_in_the_log(world: World) -> None:
    """No entry says that the unit looked, and none of the owner's reading is missing."""
    await fill(world)
    await world.allow("anna", "unit", VC, BP, sources=["device"])
    shown = await seeing.records_as(world.house, world.who("anna"), world.alias("anna"), VC, ALL)
    world.seal_log()
    found = world.house.log.entries_of_vault(world.vault("anna"), before_seq=None, limit=10)
    before = next(at for at, one in enumerate(found) if one.event and one.event.kind is EventKind.GRANT)
    events = {one.id: one.event for one in found[:before] if one.event is not None}
    assert {one.actor.id for one in events.values()} == {world.alias("anna").hex()}
    reads = {key: one for key, one in events.items() if one.kind is EventKind.READ}
    assert {(one.subject, one.categories) for one in reads.values()} == {("rules", ()), ("", (BP,))}
    assert len(shown.columns) == 12
