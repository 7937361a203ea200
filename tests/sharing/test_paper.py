"""A consent on paper: entered by a helper who is logged as that, for adding at once, for reading once confirmed."""

import base64
import json
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from app import demo
from audit.events import Decision, EventKind
from consent.ages import start_of
from consent.gate import Refused
from consent.rules import Grantee, Rule, RuleError
from identity.principal import Principal, Staff
from policies.vocabulary import Category, GranteeKind
from sharing import accesses, granting, outlook, paper, receipts
from sharing.granting import NoSuchRuleError
from tests.sharing.test_granting import bo, mandate
from tests.world import START, World, pressure
from vault import naming
from vault.errors import NoKeyError
from vault.record import AuthorKind

BP = Category.BLOOD_PRESSURE
VC = demo.HEALTH_CENTRE
NURSE = "SE2321009905-TESTP001"
SIGNED = {"signed": "2026-03-01", "kept": "Pärm 3, Exempelby vårdcentral"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def consent(**terms: Any) -> dict[str, Any]:
    """Return what the paper says: the health centre may read and add blood pressure."""
    said = {"effect": "allow", "grantee": {"kind": "unit", "id": VC}, "actions": ["read", "add"]}
    return {**said, "categories": ["blood-pressure"], **terms}


async def enter(
    world: World, *, by: str | Principal = "nurse-vc", of: bytes | None = None, **terms: Any
) -> str:
    """Let a helper enter what Anna signed."""
    helper = world.who(by)
    assert isinstance(helper, Staff)
    alias = world.alias("anna") if of is None else of
    return await paper.enter(world.house, helper, alias, consent(**terms), SIGNED)


def rules(world: World, persona: str = "anna") -> tuple[Rule, ...]:
    """Return a citizen's rules."""
    return world.load(persona).rules.rules


async def seen(world: World, who: str = "nurse-vc") -> int:
    """Return how many blood pressures somebody reads; -1 where it is refused."""
    try:
        return len((await world.read(who, "anna", BP)).records)
    except (Refused, NoKeyError):
        return -1


async def entered(world: World) -> None:
    """Give Anna one blood pressure."""
    await world.enter("anna")
    await world.add("anna", "anna", pressure("121", "81"))


async def confirm(world: World, rule: Rule, by: str | Principal = "anna") -> None:
    """Say that it is Anna's."""
    wish = paper.to_confirm(rule, world.clock())
    await granting.carry_out(world.house, world.who(by), world.alias("anna"), wish)


async def test_until_it_is_confirmed_it_lets_the_unit_add_and_nobody_read(world: World) -> None:
    """The helper has no key to give; when the owner confirms, keys follow and all of it opens."""
    await entered(world)
    rule_id = await enter(world)
    (rule,) = rules(world)
    assert (rule.id, rule.helper, rule.confirmed, rule.author) == (
        rule_id,
        NURSE,
        None,
        world.alias("anna").hex(),
    )
    await world.add("nurse-vc", "anna", pressure("130", "85", START - timedelta(hours=1)))
    assert (await seen(world), await seen(world, "anna")) == (-1, 2)
    assert world.recipients("anna", BP, (f"unit:{VC}",)) == set()
    wish = paper.to_confirm(rule, world.clock())
    (change,) = await outlook.preview(world.house, world.who("anna"), world.alias("anna"), wish)
    assert [(one.action, one.count and one.count.gained) for one in change.gains] == [("read", 2)]
    world.clock.move(days=2)
    await confirm(world, rule)
    assert await seen(world) == 2
    assert {node for node, _ in world.recipients("anna", BP, (f"unit:{VC}",))} == {f"unit:{VC}"}
    (confirmed,) = rules(world)
    assert confirmed.confirmed == world.clock()
    with pytest.raises(RuleError, match="confirmed"):
        paper.to_confirm(confirmed, world.clock())


async def test_key_that_the_unit_already_has_opens_nothing_more_by_an_unconfirmed_paper(world: World) -> None:
    """A wrap is of unit and category: a narrower rule's must not open what only the paper would."""
    await entered(world)
    await world.add("anna", "anna", pressure("122", "82", START - timedelta(days=40)))
    await world.allow("anna", "unit", VC, BP, data_from=START.date().isoformat())
    assert await seen(world) == 1
    await enter(world)
    assert await seen(world) == 1
    await world.allow("anna", "unit", demo.HOME_CARE, BP)  # an act of the owner's about the same drawer
    assert await seen(world) == 1


async def test_a_block_from_paper_holds_at_once_and_its_keys_follow_when_it_is_confirmed(
    world: World,
) -> None:
    """It only narrows; nobody but the owner takes it back."""
    await entered(world)
    await world.allow("anna", "unit", VC, BP)
    assert await seen(world) == 1
    await enter(world, effect="block", actions=["read"])
    assert await seen(world) == -1
    block = rules(world)[1]
    assert world.recipients("anna", BP, (f"unit:{VC}",)) != set()
    await confirm(world, block)
    assert world.recipients("anna", BP, (f"unit:{VC}",)) == set()


async def test_the_paper_is_a_document_that_the_owner_reads(world: World) -> None:
    """When it was signed, where it is kept, its picture, and who entered it; the rule names it."""
    await entered(world)
    scan = {"type": "image/png", "data": base64.b64encode(PNG).decode()}
    helper = world.who("nurse-vc")
    assert isinstance(helper, Staff)
    await paper.enter(world.house, helper, world.alias("anna"), consent(), {**SIGNED, "scan": scan})
    (rule,) = rules(world)
    (record,) = (await world.read("anna", "anna", Category.DOCUMENT)).records
    assert (record.id, record.kind) == (rule.document, "DocumentReference")
    author = record.provenance.author
    assert (author.kind, author.id, record.provenance.on_behalf_of) == (
        AuthorKind.PROFESSIONAL,
        NURSE,
        "Anna Exempelsson",
    )
    kept = json.loads(record.resource)["content"][0]["attachment"]
    assert (kept["creation"], base64.b64decode(kept["data"])) == ("2026-03-01", PNG)
    told = await paper.paper_of(world.house, world.who("anna"), world.alias("anna"), rule)
    assert told is not None
    assert (told.signed, told.unit) == (start_of(date(2026, 3, 1)), "Exempelby vårdcentral")
    assert SIGNED["kept"] in told.text
    assert await paper.paper_of(world.house, world.who("nurse-vc"), world.alias("anna"), rule) is None


async def test_the_helper_stands_in_the_log_and_so_does_who_confirms(world: World) -> None:
    """Under words of their own; the receipt tells of the paper."""
    await entered(world)
    rule_id = await enter(world)
    await confirm(world, rules(world)[0])
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    told = [
        (one.event.kind, one.event.actor.id)
        for one in page.entries
        if one.event is not None and one.event.subject == rule_id and one.event.kind is not EventKind.OUTCOME
    ]
    assert told == [(EventKind.CONFIRM, world.alias("anna").hex()), (EventKind.PAPER, NURSE)]
    receipt = await receipts.of_rule(world.house, world.who("anna"), world.alias("anna"), rule_id)
    assert [(one["event_state"], one.get("entity_id")) for one in receipt["event"]] == [
        ("given", NURSE),
        ("confirmed", None),
    ]
    assert receipt["pii_processing"]["purposes"][0]["collection_method"] == "on paper, entered by a helper"
    assert receipt["rule"]["document"] == rules(world)[0].document


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"grantee": {"kind": "network"}}, "grantee.kind"),
        ({"grantee": {"kind": "emergency"}, "effect": "block"}, "grantee.kind"),
        ({"grantee": {"kind": "client", "id": "client-meter"}, "actions": ["add"]}, "grantee.kind"),
        ({"grantee": {"kind": "unit", "id": demo.HEART_CLINIC}}, "grantee.id"),
        ({"grantee": {"kind": "unit", "id": "SE0000000000-NONE"}}, "grantee.id"),
        ({"grantee": {"kind": "region", "id": demo.REGION_PROVLANDET}}, "grantee.id"),
        ({"grantee": {"kind": "municipality", "id": demo.EXEMPELBY}}, "grantee.id"),
        ({"grantee": {"kind": "person", "id": "SE2321009913-TESTP001"}}, "grantee.id"),
        ({"grantee": {"kind": "role", "id": f"{demo.HOME_CARE}/Undersköterska"}}, "grantee.id"),
        ({"actions": ["read", "manage"]}, "actions"),
        ({"relation": "representative"}, "relation"),
        ({"spares": []}, "spares"),
        ({"records": []}, "records"),
        ({"until_plan": ""}, "until_plan"),
        ({"document": ""}, "document"),
        ({"while_related": False}, "while_related"),
        ({"helper": NURSE}, "helper"),
        ({"confirmed": None}, "confirmed"),
        ({"categories": []}, "categories"),
    ],
)
async def test_what_may_not_be_entered_is_refused_by_field(
    world: World, terms: dict[str, Any], field: str
) -> None:
    """No mandate, no emergency, nothing of another authority's care; what a rule cannot be."""
    await entered(world)
    with pytest.raises(RuleError) as refused:
        await enter(world, **terms)
    assert str(refused.value).partition(":")[0] == field
    assert rules(world) == ()


@pytest.mark.parametrize(
    "grantee",
    [
        {"kind": "unit", "id": VC},
        {"kind": "unit", "id": demo.PRIVATE_CLINIC},  # another provider of the same region's care
        {"kind": "role", "id": f"{VC}/Distriktssköterska"},
        {"kind": "person", "id": NURSE},
        {"kind": "provider", "id": demo.REGION_EXEMPEL_CARE},
        {"kind": "region", "id": demo.REGION_EXEMPEL},
    ],
)
async def test_whom_a_paper_may_name(world: World, grantee: dict[str, str]) -> None:
    """Whatever lies in the care of the helper's own region or municipality."""
    await entered(world)
    await enter(world, grantee=grantee)
    (rule,) = rules(world)
    assert rule.grantee == Grantee(GranteeKind(grantee["kind"]), grantee["id"])


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({}, "paper.kept"),
        ({"signed": "2026-03-01"}, "paper.kept"),
        ({"kept": "Pärm 3"}, "paper.signed"),
        (SIGNED | {"kept": " "}, "paper.kept"),
        (SIGNED | {"kept": "x" * 201}, "paper.kept"),
        (SIGNED | {"kept": "a\nb"}, "paper.kept"),
        (SIGNED | {"kept": 7}, "paper.kept"),
        (SIGNED | {"signed": "2026-03-03"}, "paper.signed"),
        (SIGNED | {"signed": "2025-02-01"}, "paper.signed"),
        (SIGNED | {"signed": "0001-01-01"}, "paper.signed"),
        (SIGNED | {"signed": "i går"}, "paper.signed"),
        (SIGNED | {"more": 1}, "paper.more"),
        (SIGNED | {"scan": "x"}, "paper.scan"),
        (SIGNED | {"scan": {"type": "image/png"}}, "paper.scan"),
        (SIGNED | {"scan": {"type": [], "data": ""}}, "paper.scan"),
        (SIGNED | {"scan": {"type": "image/png", "data": "å"}}, "paper.scan.data"),
        (SIGNED | {"signed": {}}, "paper.signed"),
        (SIGNED | {"scan": {"type": "text/html", "data": ""}}, "paper.scan.type"),
        (SIGNED | {"scan": {"type": "image/png", "data": "%"}}, "paper.scan.data"),
        (SIGNED | {"scan": {"type": "image/png", "data": "aGVq"}}, "paper.scan.data"),
        (SIGNED | {"scan": {"type": "application/pdf", "data": "A" * 1_500_000}}, "paper.scan.data"),
    ],
)
async def test_a_paper_that_cannot_be_is_refused_by_field(
    world: World, told: dict[str, Any], field: str
) -> None:
    """When it was signed and where it is kept are needed; a picture is one, and small."""
    await entered(world)
    helper = world.who("nurse-vc")
    assert isinstance(helper, Staff)
    with pytest.raises(RuleError) as refused:
        await paper.enter(world.house, helper, world.alias("anna"), consent(), told)
    assert str(refused.value).partition(":")[0] == field
    assert rules(world) == ()


async def test_who_may_enter_nobodys_paper_is_refused(world: World) -> None:
    """A supervisor is staff too; the log has it."""
    await entered(world)
    for of in (None, bytes(16)):
        with pytest.raises(Refused):
            await enter(world, by="supervisor-region", of=of)
    assert rules(world) == ()
    page = await accesses.mine(world.house, world.who("anna"), world.alias("anna"))
    (refusal,) = (one.event for one in page.entries if one.event and one.event.kind is EventKind.PAPER)
    assert refusal.decision is Decision.REFUSE


async def test_child_protected_and_absent_get_the_same_reply_and_nothing_comes_of_it(world: World) -> None:
    """A guardian decides for a child; what could locate is not written; and the reply tells of none of it."""
    await entered(world)
    await world.enter("elsa", "vidar")
    for persona in ("elsa", "vidar"):
        assert len(await enter(world, of=world.alias(persona))) == 32
        assert rules(world, persona) == ()
        loaded = world.load(persona)
        assert naming.drawer_id(loaded.keys, Category.DOCUMENT) not in loaded.head.drawers
        page = await accesses.mine(world.house, world.who("vidar"), world.alias("vidar"))
    assert any(
        one.event is not None and (one.event.kind, one.event.decision) == (EventKind.PAPER, Decision.REFUSE)
        for one in page.entries
    )
    assert len(await enter(world, of=bytes(16))) == 32
    with pytest.raises(Refused):
        await world.add("nurse-vc", "bo", pressure("120", "80"))


async def test_the_decoy_never_lets_anybody_in_and_every_reply_reaches_the_disk(world: World) -> None:
    """A rule there would let a unit add to everyone who has no vault."""
    await entered(world)
    written: list[str] = []

    @event.listens_for(world.house.database.engine, "after_cursor_execute")
    def heard(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        written.append(statement.split(maxsplit=1)[0])

    await world.enter("vidar")
    for of in (bytes(16), world.alias("vidar")):
        written.clear()
        await enter(world, of=of)
        assert "UPDATE" in written
    state = world.house.database.read_now(lambda connection: world.house.load(connection, bytes(16)))
    assert (state.vault, state.rules.rules) == (world.house.decoy, ())


async def test_what_waits_to_be_confirmed_is_bounded_by_unit_and_in_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody floods a citizen with papers; an answer makes room again."""
    await entered(world)
    for _ in range(paper.PENDING_OF_ONE_UNIT + 2):
        await enter(world)
    assert len(rules(world)) == paper.PENDING_OF_ONE_UNIT
    home = {"kind": "unit", "id": demo.HOME_CARE}
    await enter(world, by="homecare", grantee=home)
    assert len(rules(world)) == paper.PENDING_OF_ONE_UNIT + 1
    monkeypatch.setattr(paper, "PENDING_AT_ONCE", paper.PENDING_OF_ONE_UNIT + 1)
    await enter(world, by="homecare", grantee=home)
    assert len(rules(world)) == paper.PENDING_OF_ONE_UNIT + 1
    await world.revoke("anna", rules(world)[0].id)
    await confirm(world, rules(world)[0])
    await enter(world)
    assert len(rules(world)) == paper.PENDING_OF_ONE_UNIT + 1


async def test_who_confirms_is_who_manages(world: World) -> None:
    """The owner, or a representative for what the mandate names; never the helper, a relative or a stranger."""
    await entered(world)
    await world.enter("bo")
    await enter(world)
    await enter(world, effect="block", actions=["read"], grantee={"kind": "unit", "id": demo.PRIVATE_CLINIC})
    allow, block = rules(world)
    for who in ("nurse-vc", "bo", bo(world)):
        with pytest.raises(Refused):
            await confirm(world, allow, who)
    await mandate(world, "read", "manage")
    with pytest.raises(Refused):
        await confirm(world, block, bo(world))
    await confirm(world, allow, bo(world))
    assert await seen(world) == 1
    await confirm(world, block)
    assert all(one.confirmed for one in rules(world) if one.helper)


async def test_what_was_ended_meanwhile_is_not_confirmed(world: World) -> None:
    """No is no, though a page with the question is still open."""
    await entered(world)
    await enter(world)
    (rule,) = rules(world)
    await world.revoke("anna", rule.id)
    with pytest.raises(NoSuchRuleError):
        await confirm(world, rule)
    assert rules(world) == ()
    with pytest.raises(Refused):
        await world.add("nurse-vc", "anna", pressure("130", "85"))
