"""Consent a second time, in keys: who has no wrap opens nothing, whatever the policies say."""

from datetime import UTC, datetime, timedelta

import pytest

from app import demo
from audit.events import Activity, Actor, Event, EventKind
from consent.gate import Refused
from identity.directory import Directory
from identity.principal import Principal
from keys.envelope import WrapContext, wrap_window
from keys.keystore import RefusedReceiptError, Wrap
from keys.primitives import CannotOpenError
from keys.receipt import Opens, Receipt
from policies.engine import Permit, Policies
from policies.vocabulary import Category
from sharing import summing
from sharing.house import House
from sharing.reading import Query
from tests.world import World, pressure, weight
from vault import naming, segment
from vault.errors import NoKeyError
from vault.head import SealedWrap

BP = Category.BLOOD_PRESSURE
VC = demo.HEALTH_CENTRE
UNIT = f"unit:{VC}"
HOME = f"unit:{demo.HOME_CARE}"


@pytest.fixture
def broken_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the policies permit whatever is asked, and everything count as allowed."""
    monkeypatch.setattr(Policies, "decide", lambda _self, _question: Permit(("everything",)))
    monkeypatch.setattr(House, "may_fit", lambda *args, **_: tuple(args[4]))


def genuine_receipt(world: World, by: str, about: str, opens: Opens) -> Receipt:
    """Return a receipt that the log did make, for an event that nobody was asked about."""
    event = Event(
        kind=EventKind.READ,
        activity=Activity.READ,
        at=world.clock(),
        actor=Actor.of(world.who(by)),
        vault=world.vault(about),
    )
    return world.house.log.append_now(event, opens=opens)


def wrap_of(world: World, recipient: str) -> SealedWrap:
    """Return a recipient's wrap of the newest generation of Anna's blood pressures."""
    vault_state, drawer, _ = world.drawer("anna", BP)
    tag = naming.recipient_tag(vault_state.keys, recipient)
    return next(one for one in drawer.wraps if (one.recipient, one.generation) == (tag, drawer.current))


def open_as(world: World, recipient: str, row: SealedWrap, *, claimed: str = "") -> object:
    """Ask the KeyStore to open a wrap by a genuine receipt for a recipient."""
    vault_state, drawer, _ = world.drawer("anna", BP)
    opens = Opens((recipient,), ((drawer.id, row.generation),))
    receipt = genuine_receipt(world, "nurse-vc", "anna", opens)
    bound = WrapContext(vault_state.vault, drawer.id, row.generation, claimed or recipient)
    window = wrap_window(vault_state.keys.windows, row.sealed)
    return world.house.keystore.open(receipt, Wrap(bound, row.sealed, window))


class TestNoConsentNoWrap:
    """A mistake in policy code alone opens nothing."""

    @pytest.mark.usefixtures("broken_policies")
    @pytest.mark.parametrize("reader", ["nurse-vc", "doctor-hospital", "homecare", "bo", "client-meter"])
    async def test_nothing_opens_without_consent_though_policies_permit_everything(
        self, world: World, reader: str
    ) -> None:
        """Not one byte: neither records nor summaries."""
        await world.enter("anna", "bo")
        await world.add("anna", "anna", pressure("121", "81"), weight("70.5"))
        await world.allow("anna", "unit", demo.CARE_HOME, BP)
        who: Principal = world.who(reader)
        assert (await world.read(who, "anna")).records == ()
        assert await summing.latest(world.house, who, world.alias("anna"), Query()) == ()
        assert len((await world.read("anna", "anna")).records) == 2

    @pytest.mark.usefixtures("broken_policies")
    async def test_consent_to_one_category_opens_no_other(self, world: World) -> None:
        """Each category is a drawer with keys of its own."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"), weight("70.5"))
        await world.allow("anna", "unit", VC, BP)
        found = (await world.read("nurse-vc", "anna")).records
        assert [record.category for record in found] == [BP]

    async def test_keystore_refuses_a_genuine_receipt_where_there_is_no_wrap(self, world: World) -> None:
        """Whoever makes the log write what they like still has no wrap to offer but another's."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        vault_state, drawer, _ = world.drawer("anna", BP)
        owner = f"owner:{vault_state.vault.hex()}"
        assert world.recipients("anna", BP, (owner, UNIT)) == {(owner, 1)}
        row = wrap_of(world, owner)
        with pytest.raises(CannotOpenError):
            open_as(world, UNIT, row)
        with pytest.raises(RefusedReceiptError, match="another recipient"):
            open_as(world, UNIT, row, claimed=owner)
        assert drawer.current == 1

    async def test_adding_gives_no_key(self, world: World) -> None:
        """Who may add but not read holds public halves only."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        await world.allow("anna", "unit", demo.HOME_CARE, BP, actions=["add"])
        await world.add("homecare", "anna", pressure("122", "82"))
        assert world.recipients("anna", BP, (HOME,)) == set()
        with pytest.raises(Refused):
            await world.read("homecare", "anna", BP)


class TestRevocation:
    """What a revocation does to keys."""

    async def test_revoked_grant_releases_no_key(self, world: World) -> None:
        """The next request is refused, the wrap and the generation it opened are gone."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        rule = await world.allow("anna", "unit", VC, BP)
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 1
        await world.revoke("anna", rule)
        with pytest.raises(Refused):
            await world.read("nurse-vc", "anna", BP)
        _, drawer, segments = world.drawer("anna", BP)
        assert list(drawer.publics) == [2]
        assert {row.generation for row in segments} == {2}
        assert {row.born for row in segments} == {1}
        assert world.recipients("anna", BP, (UNIT,)) == set()
        assert len((await world.read("anna", "anna", BP)).records) == 1

    async def test_saved_wrap_opens_nothing_that_is_there_after_revocation(self, world: World) -> None:
        """Everything was sealed anew: the old private half fits neither the old records nor new ones."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        rule = await world.allow("anna", "unit", VC, BP)
        saved = wrap_of(world, UNIT)
        await world.revoke("anna", rule)
        await world.add("anna", "anna", pressure("122", "82"))
        old = open_as(world, UNIT, saved)
        _, _, segments = world.drawer("anna", BP)
        assert len(segments) == 2
        for row in segments:
            with pytest.raises(CannotOpenError):
                segment.open_key(row, old.opener())  # type: ignore[attr-defined]

    @pytest.mark.usefixtures("broken_policies")
    async def test_revocation_holds_without_policies(self, world: World) -> None:
        """Keys alone stop the revoked unit, and only that unit."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        rule = await world.allow("anna", "unit", VC, BP)
        await world.allow("anna", "unit", demo.HOME_CARE, BP)
        await world.revoke("anna", rule)
        with pytest.raises(NoKeyError):
            await world.read("nurse-vc", "anna", BP)
        assert len((await world.read("homecare", "anna", BP)).records) == 1

    @pytest.mark.usefixtures("broken_policies")
    @pytest.mark.parametrize(
        ("kind", "node"),
        [("provider", demo.REGION_EXEMPEL_CARE), ("region", demo.REGION_EXEMPEL), ("network", "")],
    )
    async def test_block_above_a_unit_takes_its_key(self, world: World, kind: str, node: str) -> None:
        """A spärr of a provider, a region or everyone is held by keys for the units below, and given back."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        await world.allow("anna", "unit", VC, BP)
        rule = await world.block("anna", kind, node, BP)
        with pytest.raises(NoKeyError):
            await world.read("nurse-vc", "anna", BP)
        await world.revoke("anna", rule)
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 1

    async def test_block_of_a_unit_takes_its_key(self, world: World) -> None:
        """A spärr without an end is held by keys too."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        await world.allow("anna", "unit", VC, BP)
        await world.block("anna", "unit", VC, BP)
        assert world.recipients("anna", BP, (UNIT,)) == set()
        with pytest.raises(Refused):
            await world.read("nurse-vc", "anna", BP)

    async def test_granting_anew_gives_a_key_to_all_that_is_there(self, world: World) -> None:
        """After revoking and granting again, old and new records open."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        await world.revoke("anna", await world.allow("anna", "unit", VC, BP))
        await world.add("anna", "anna", pressure("122", "82"))
        await world.allow("anna", "unit", VC, BP)
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 2

    async def test_grant_before_the_first_record_opens_it(self, world: World) -> None:
        """A drawer is made with the wraps that the rules in force want."""
        await world.enter("anna")
        await world.allow("anna", "unit", VC, BP)
        await world.add("anna", "anna", pressure("121", "81"))
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 1


class TestTime:
    """The window stands in the wrap, so that no job has to run."""

    async def test_expired_wrap_is_refused_by_the_keystores_own_clock(self, world: World) -> None:
        """Nothing was changed since the grant; the hour alone ends it."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        over = world.clock() + timedelta(days=7)
        await world.allow("anna", "unit", VC, BP, valid_to=over.isoformat())
        world.clock.now = over - timedelta(seconds=1)
        assert open_as(world, UNIT, wrap_of(world, UNIT)) is not None
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 1
        world.clock.now = over
        with pytest.raises(RefusedReceiptError, match="time is over"):
            open_as(world, UNIT, wrap_of(world, UNIT))
        with pytest.raises(Refused):
            await world.read("nurse-vc", "anna", BP)

    async def test_grant_in_time_to_come_opens_nothing_yet(self, world: World) -> None:
        """The wrap is made by the owner's act, and waits."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        begins = world.clock() + timedelta(days=7)
        await world.allow("anna", "unit", VC, BP, valid_from=begins.isoformat())
        with pytest.raises(RefusedReceiptError, match="not yet come"):
            open_as(world, UNIT, wrap_of(world, UNIT))
        world.clock.now = begins
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 1

    @pytest.mark.usefixtures("broken_policies")
    async def test_expiry_holds_without_policies(self, world: World) -> None:
        """Policies that permit everything do not turn the clock back."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        over = world.clock() + timedelta(days=7)
        await world.allow("anna", "unit", VC, BP, valid_to=over.isoformat())
        world.clock.now = over
        with pytest.raises(NoKeyError):
            await world.read("nurse-vc", "anna", BP)

    @pytest.mark.usefixtures("broken_policies")
    async def test_guardians_key_ends_as_the_child_turns_thirteen(self, world: World) -> None:
        """Elsa's thirteenth birthday begins, Swedish time, and no job has run."""
        await world.enter("elsa")
        karin = world.who("karin", for_="elsa")
        await world.add(karin, "elsa", pressure("100", "60"))
        world.clock.now = datetime(2030, 5, 12, 21, 59, 59, tzinfo=UTC)
        assert len((await world.read(karin, "elsa", BP)).records) == 1
        world.clock.now = datetime(2030, 5, 12, 22, 0, tzinfo=UTC)
        with pytest.raises(NoKeyError):
            await world.read(karin, "elsa", BP)
        assert len((await world.read("elsa", "elsa", BP)).records) == 1

    async def test_longer_grant_replaces_the_shorter_wrap(self, world: World) -> None:
        """The wrap's window is the hull of the rules' windows."""
        await world.enter("anna")
        await world.add("anna", "anna", pressure("121", "81"))
        over = world.clock() + timedelta(days=7)
        await world.allow("anna", "unit", VC, BP, valid_to=over.isoformat())
        longer = await world.allow("anna", "unit", VC, BP)
        world.clock.now = over
        assert len((await world.read("nurse-vc", "anna", BP)).records) == 1
        await world.revoke("anna", longer)
        assert world.recipients("anna", BP, (UNIT,)) == set()


class TestWiderWraps:
    """Between two acts of the owner the directory moves on."""

    async def test_adding_starts_a_new_generation_where_wraps_are_wider_than_the_rules_want(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A person left the unit: what is added after that is not sealed to the unit's key, though staff add."""
        await world.enter("anna")
        await world.allow("anna", "person", demo.persona("nurse-vc").identifier, BP)
        await world.allow("anna", "unit", demo.HOME_CARE, BP, actions=["add"])
        await world.add("anna", "anna", pressure("121", "81"))
        assert world.recipients("anna", BP, (UNIT,)) == {(UNIT, 1)}
        monkeypatch.setattr(Directory, "units_of_person", lambda *_: ())
        await world.add("homecare", "anna", pressure("122", "82"))
        _, drawer, segments = world.drawer("anna", BP)
        assert drawer.current == 2
        assert sorted(row.generation for row in segments) == [1, 2]
        assert world.recipients("anna", BP, (UNIT,)) == {(UNIT, 1)}
        assert len((await world.read("anna", "anna", BP)).records) == 2

    async def test_adding_what_is_there_already_leaves_no_generation_that_the_head_does_not_count(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A duplicate is no reason for a change, and half a change would shut the drawer for good."""
        await world.enter("anna")
        await world.allow("anna", "person", demo.persona("nurse-vc").identifier, BP)
        await world.add("anna", "anna", pressure("121", "81"))
        monkeypatch.setattr(Directory, "units_of_person", lambda *_: ())
        await world.add("anna", "anna", pressure("121", "81"))
        assert len((await world.read("anna", "anna", BP)).records) == 1

    async def test_owners_next_act_makes_one_generation_of_all(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where two stand, a grant leaves the newest, with every lock and wrap, and the head counts it."""
        await world.enter("anna")
        await world.allow("anna", "person", demo.persona("nurse-vc").identifier, BP)
        await world.add("anna", "anna", pressure("121", "81"))
        with monkeypatch.context() as away:
            away.setattr(Directory, "units_of_person", lambda *_: ())
            await world.add("anna", "anna", pressure("122", "82"))
        await world.allow("anna", "unit", demo.HOME_CARE, BP)
        expected = {(UNIT, 2), (HOME, 2)}
        assert world.recipients("anna", BP, (UNIT, HOME)) == expected
        for reader in ("nurse-vc", "homecare", "anna"):
            assert len((await world.read(reader, "anna", BP)).records) == 2

    async def test_owners_next_act_ends_what_is_too_wide(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The older generation, which the unit could open, is destroyed with its wraps."""
        await world.enter("anna")
        await world.allow("anna", "person", demo.persona("nurse-vc").identifier, BP)
        await world.add("anna", "anna", pressure("121", "81"))
        monkeypatch.setattr(Directory, "units_of_person", lambda *_: ())
        await world.add("anna", "anna", pressure("122", "82"))
        await world.allow("anna", "unit", demo.HOME_CARE, BP)
        _, drawer, segments = world.drawer("anna", BP)
        assert list(drawer.publics) == [3]
        assert {row.generation for row in segments} == {3}
        assert world.recipients("anna", BP, (UNIT, HOME)) == {(HOME, 3)}
        assert len((await world.read("homecare", "anna", BP)).records) == 2
