"""Whom one may act for: hints lead to vaults, and the vaults' own verified rules say whether."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app import acting
from consent.gate import Refused
from consent.mandates import companion_id
from consent.parse import parse_rule
from consent.rules import RuleError
from identity.principal import Citizen, Person, Principal, Proxy, Relation
from identity.sessions import Ward
from policies.vocabulary import Action, Category
from sharing import granting, mandates
from tests.world import START, World, pressure, weight
from vault import erasure
from vault import mandates as hints
from vault.record import Code, Record

BP, WEIGHT = Category.BLOOD_PRESSURE, Category.BODY_WEIGHT


def person(world: World, persona: str) -> Person:
    """Return a citizen as a person."""
    match world.who(persona):
        case Citizen(found):
            return found
        case other:
            raise TypeError(other)


def acting_as(world: World, relation: Relation = Relation.REPRESENTATIVE) -> Principal:
    """Return Bo as he acts for Anna."""
    return Proxy(person(world, "bo"), person(world, "anna"), relation)


async def give(world: World, *actions: str, by: str = "anna", to: str = "bo", **terms: Any) -> str:
    """Let somebody act for a citizen; return the rule's id."""
    told = {"actions": list(actions) or ["read"], "relation": "representative", **terms}
    return await world.allow(by, "proxy", world.alias(to).hex(), BP, **told)


async def offered(world: World, persona: str = "bo") -> list[tuple[str, Relation]]:
    """Return whom somebody is offered to act for by mandate, by name, and as what."""
    found = await mandates.wards_of(world.house, person(world, persona))
    return [(ward.person.name, ward.relation) for ward in found]


AS_OMBUD = [("Anna Exempelsson", Relation.REPRESENTATIVE)]


def document(at: Any = START) -> Record:
    """Return a mandate as a record of the vault."""
    told = '{"description":"Fullmakt","resourceType":"DocumentReference"}'
    made = replace(weight("1", at), category=Category.DOCUMENT, kind="DocumentReference", resource=told)
    return replace(made, code=Code("", "", "Fullmakt"), quantity=None, canonical=None)


class TestOffers:
    """What somebody who logs in is offered."""

    async def test_one_whom_a_rule_in_force_names_is_offered_it(self, world: World) -> None:
        """So that nobody has to tell the product whom they help, or search for it."""
        await world.enter("anna", "bo", "karin")
        assert await offered(world) == []
        await give(world)
        assert await offered(world) == AS_OMBUD
        assert await offered(world, "karin") == await offered(world, "anna") == []

    async def test_what_has_not_begun_or_is_over_or_revoked_is_not_offered(self, world: World) -> None:
        """The gate's own decision is asked; no job has to run."""
        await world.enter("anna", "bo")
        begins, ends = START + timedelta(days=2), START + timedelta(days=4)
        await give(world, valid_from=begins.isoformat(), valid_to=ends.isoformat())
        assert await offered(world) == []
        world.clock.now = begins
        assert await offered(world) == AS_OMBUD
        world.clock.now = ends
        assert await offered(world) == []
        rule_id = await give(world)
        assert await offered(world) == AS_OMBUD
        await world.revoke("anna", rule_id)
        assert await offered(world) == []

    async def test_nothing_is_offered_while_all_sharing_is_paused(self, world: World) -> None:
        """A pause lets nobody else see anything."""
        await world.enter("anna", "bo")
        await give(world)
        pause = granting.to_pause(world.clock())
        await granting.carry_out(world.house, world.who("anna"), world.alias("anna"), pause)
        assert await offered(world) == []

    async def test_each_relation_is_an_offer_of_its_own(self, world: World) -> None:
        """One acts as one of them at a time, and the log says as which."""
        await world.enter("anna", "bo")
        await give(world)
        await give(world, relation="relative")
        assert {relation for _, relation in await offered(world)} == {
            Relation.REPRESENTATIVE,
            Relation.RELATIVE,
        }

    async def test_a_forged_hint_offers_nothing(self, world: World) -> None:
        """It leads to a vault that does not know the person."""
        await world.enter("anna", "bo")
        tag = hints.tag_of(world.house.keystore, world.alias("bo"))
        with world.attacker() as attacker:
            for vault in (world.vault("anna"), world.vault("bo"), bytes(16), world.house.decoy):
                attacker.execute(
                    "INSERT INTO mandates (vault_id, tag, sealed) VALUES (?, ?, ?)", (vault, tag, b"x")
                )
        assert await offered(world) == []

    async def test_a_hint_that_was_put_back_offers_nothing(self, world: World) -> None:
        """What was revoked stays so, whatever stands in the table of hints."""
        await world.enter("anna", "bo")
        rule_id = await give(world)
        kept = world.copy_database()["mandates"]
        await world.revoke("anna", rule_id)
        assert world.copy_database()["mandates"] == []
        with world.attacker() as attacker:
            for row in kept:
                values = row["vault_id"], row["tag"], row["sealed"]
                attacker.execute("INSERT INTO mandates (vault_id, tag, sealed) VALUES (?, ?, ?)", values)
        assert await offered(world) == []
        with pytest.raises(Refused):
            await world.read(acting_as(world), "anna", BP)

    async def test_a_deleted_hint_takes_the_offer_and_nothing_else(self, world: World) -> None:
        """Who is let in is let in; and the next change of the rules makes the hint anew."""
        await world.enter("anna", "bo")
        await world.add("anna", "anna", pressure("120", "80"))
        await give(world)
        with world.attacker() as attacker:
            attacker.execute("DELETE FROM mandates")
        assert await offered(world) == []
        assert len((await world.read(acting_as(world), "anna", BP)).records) == 1
        await world.allow("anna", "unit", "SE2321009905-TESTVE1", WEIGHT)
        assert await offered(world) == AS_OMBUD

    async def test_one_vault_that_was_tampered_with_hides_its_own_offer_alone(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Another's vault must not keep somebody from logging in, and the operator is told."""
        await world.enter("anna", "vidar", "bo")
        await give(world)
        await give(world, by="vidar")
        with world.attacker() as attacker:
            attacker.execute("UPDATE vaults SET rules = profile WHERE vault_id = ?", (world.vault("vidar"),))
        with caplog.at_level(logging.WARNING):
            assert await offered(world) == AS_OMBUD
        assert "a mandate is not offered: TamperedError" in caplog.text

    async def test_no_more_vaults_are_loaded_at_a_login_than_a_hundred(self, world: World) -> None:
        """Whoever writes the database could else make one login take for ever."""
        await world.enter("bo")
        tag = hints.tag_of(world.house.keystore, world.alias("bo"))
        with world.attacker() as attacker:
            for number in range(hints.MOST + 5):
                vault = number.to_bytes(16, "big")
                attacker.execute(
                    "INSERT INTO mandates (vault_id, tag, sealed) VALUES (?, ?, ?)", (vault, tag, b"x")
                )
        found = world.house.database.read_now(
            lambda reader: hints.vaults_of(reader, world.house.keystore, world.alias("bo"))
        )
        assert len(found) == hints.MOST

    async def test_a_hint_goes_with_its_vault(self, world: World) -> None:
        """An erased vault names nobody."""
        await world.enter("anna", "bo")
        await give(world)
        erasure.erase(world.house.database, world.house.keystore, world.load("anna"))
        assert world.copy_database()["mandates"] == []

    async def test_a_hint_holds_no_alias_and_no_name(self, world: World) -> None:
        """A thief of the database finds tags that lead to no person, and sealed bytes."""
        await world.enter("anna", "bo")
        await _carry(world, await _rule(world))
        (row,) = world.copy_database()["mandates"]
        assert row["tag"] not in {world.alias("bo"), world.vault("bo")}
        for told in (world.alias("bo"), b"Brorsan", b"brorsan"):
            assert told not in row["sealed"]

    async def test_a_guardian_is_offered_a_child_as_long_as_the_law_lets_them(self, world: World) -> None:
        """Until the 13th birthday begins, Swedish time, and never where the child's identity is protected."""
        await world.enter("karin")
        child = person(world, "elsa")
        ward, karin = Ward(child, Relation.GUARDIAN), person(world, "karin")
        assert await acting.wards_of(world.valv, karin, (ward,)) == (ward,)
        hidden = Ward(replace(child, protected=True), Relation.GUARDIAN)
        assert await acting.wards_of(world.valv, karin, (hidden,)) == ()
        birthday = START.replace(year=2030, month=5, day=12, hour=22)  # midnight on the 13th, in Sweden
        world.clock.now = birthday - timedelta(seconds=1)
        assert await acting.wards_of(world.valv, karin, (ward,)) == (ward,)
        world.clock.now = birthday
        assert await acting.wards_of(world.valv, karin, (ward,)) == ()


async def _rule(world: World, **terms: Any) -> Any:
    """Return a mandate for Bo, on a document in Anna's vault."""
    (shown,) = await world.add("anna", "anna", document())
    told = {
        "effect": "allow",
        "grantee": {"kind": "proxy", "id": world.alias("bo").hex()},
        "actions": ["read", "manage"],
        "categories": [BP],
        "relation": "representative",
        "document": shown.id,
    }
    author, id_ = world.alias("anna").hex(), granting.new_rule_id()
    return replace(parse_rule(told, id=id_, author=author, created=world.clock()), **terms)


async def _carry(world: World, rule: Any, called: str = "Brorsan Bo") -> None:
    wish = mandates.to_give(rule, called)
    await granting.carry_out(world.house, world.who("anna"), world.alias("anna"), wish)


class TestDocument:
    """What a mandate rests on."""

    async def test_a_proxy_sees_the_mandate_that_they_act_under_and_no_other_document(
        self, world: World
    ) -> None:
        """One should be able to show what one acts by; the citizen's other papers are not part of that."""
        await world.enter("anna", "bo")
        await world.add("anna", "anna", replace(document(START - timedelta(days=1)), text="annat"))
        rule = await _rule(world)
        await _carry(world, rule)
        assert await offered(world) == AS_OMBUD
        bo, alias = acting_as(world), world.alias("anna")
        own = await mandates.find(world.house, bo, alias, rule.id)
        read = await mandates.document_of(world.house, bo, alias, own)
        assert read is not None
        assert read.id == rule.document
        seen = (await world.read(bo, "anna", Category.DOCUMENT)).records
        assert [one.id for one in seen] == [rule.document]

    async def test_the_document_is_closed_with_the_mandate(self, world: World) -> None:
        """Key and rule both: its companion ends in the same change."""
        await world.enter("anna", "bo")
        rule = await _rule(world)
        await _carry(world, rule)
        assert companion_id(rule) in {one.id for one in world.load("anna").rules.rules}
        await world.revoke("anna", rule.id)
        assert world.load("anna").rules.rules == ()
        node = f"proxy:{world.vault('anna').hex()}:{world.alias('bo').hex()}"
        assert world.recipients("anna", Category.DOCUMENT, (node,)) == set()
        with pytest.raises(Refused):
            await world.read(acting_as(world), "anna", Category.DOCUMENT)

    async def test_an_ombud_needs_a_document_and_a_relative_does_not(self, world: World) -> None:
        """EHDS art. 4 and föräldrabalken: others act by a paper, a relative by the citizen's word."""
        await world.enter("anna", "bo")
        rule = await _rule(world)
        for relation in (Relation.REPRESENTATIVE, Relation.LEGAL_GUARDIAN):
            with pytest.raises(RuleError, match="document"):
                mandates.to_give(replace(rule, relation=relation, document=""), "Bo")
        read = frozenset({Action.READ})
        mandates.to_give(replace(rule, relation=Relation.RELATIVE, document="", actions=read), "Bo")

    @pytest.mark.parametrize("called", ["", "   ", "x" * 81, "a\x07b"])
    async def test_a_proxy_has_a_name_that_the_owner_gave(self, world: World, called: str) -> None:
        """The register is not asked: it would tell anybody the name that goes with a number."""
        await world.enter("anna", "bo")
        with pytest.raises(RuleError, match="called"):
            mandates.to_give(await _rule(world), called)


class TestList:
    """The owner's list of those who act for them, and a proxy's own."""

    async def test_the_owner_sees_all_and_a_proxy_their_own(self, world: World) -> None:
        """Who else helps is the owner's matter."""
        await world.enter("anna", "bo", "karin")
        rule = await _rule(world)
        await _carry(world, rule)
        other = await give(world, to="karin")
        alias = world.alias("anna")
        found = (await mandates.mandates_of(world.house, world.who("anna"), alias)).given
        assert {(one.rule.id, one.called) for one in found} == {(rule.id, "Brorsan Bo"), (other, "")}
        own = (await mandates.mandates_of(world.house, acting_as(world), alias)).given
        assert [(one.rule.id, one.called) for one in own] == [(rule.id, "")]
        with pytest.raises(granting.NoSuchRuleError):
            await mandates.find(world.house, acting_as(world), alias, other)
        with pytest.raises(Refused):
            await mandates.mandates_of(world.house, acting_as(world, Relation.RELATIVE), alias)

    async def test_what_the_owner_calls_somebody_stays_when_the_rules_change(self, world: World) -> None:
        """Hints are made anew of the rules; what was sealed beside them is kept."""
        await world.enter("anna", "bo")
        rule = await _rule(world)
        await _carry(world, rule)
        await world.allow("anna", "unit", "SE2321009905-TESTVE1", WEIGHT)
        found = await mandates.find(world.house, world.who("anna"), world.alias("anna"), rule.id)
        assert found.called == "Brorsan Bo"
        await _carry(world, replace(rule, id=granting.new_rule_id()), "Bo Provberg")
        found = await mandates.find(world.house, world.who("anna"), world.alias("anna"), rule.id)
        assert found.called == "Bo Provberg"

    async def test_a_name_moved_from_another_hint_is_not_shown(self, world: World) -> None:
        """It is bound to the vault and the person."""
        await world.enter("anna", "bo", "karin")
        await _carry(world, await _rule(world))
        other = await give(world, to="karin")
        with world.attacker() as attacker:
            tag = hints.tag_of(world.house.keystore, world.alias("bo"))
            attacker.execute(
                "UPDATE mandates SET sealed = (SELECT sealed FROM mandates WHERE tag = ?) WHERE tag <> ?",
                (tag, tag),
            )
        found = await mandates.find(world.house, world.who("anna"), world.alias("anna"), other)
        assert found.called == ""


class TestRefusals:
    """What one who acts by mandate may not, whatever the mandate says."""

    async def test_no_proxy_gives_a_mandate(self, world: World) -> None:
        """Who acts for a citizen is the citizen's own matter."""
        await world.enter("anna", "bo", "karin")
        await give(world, "read", "add", "manage")
        (rule,) = world.load("anna").rules.rules
        for_karin = replace(
            rule, id=granting.new_rule_id(), grantee=replace(rule.grantee, id=world.alias("karin").hex())
        )
        wider = replace(rule, categories=frozenset(Category))
        for one in (for_karin, wider):
            with pytest.raises(Refused):
                await granting.grant(world.house, acting_as(world), world.alias("anna"), one)

    async def test_a_mandate_that_is_narrowed_lets_go_at_the_next_request(self, world: World) -> None:
        """The session's principal is nobody's permission."""
        await world.enter("anna", "bo")
        await world.add("anna", "anna", pressure("120", "80"), weight("70"))
        rule_id = await world.allow(
            "anna", "proxy", world.alias("bo").hex(), BP, WEIGHT, relation="representative"
        )
        bo = acting_as(world)
        assert len((await world.read(bo, "anna", WEIGHT)).records) == 1
        (rule,) = world.load("anna").rules.rules
        narrowed = granting.to_grant(replace(rule, categories=frozenset({BP})), instead_of=rule)
        await granting.carry_out(world.house, world.who("anna"), world.alias("anna"), narrowed)
        with pytest.raises(Refused):
            await world.read(bo, "anna", WEIGHT)
        assert len((await world.read(bo, "anna", BP)).records) == 1
        assert rule_id == rule.id
