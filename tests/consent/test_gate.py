import asyncio
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from audit.events import Activity, Decision, Event, EventKind
from consent.gate import Ask, Authorization, Drawers, Gate, NextStep, NotAuthorizedError, Refused
from consent.judge import Need, Reason
from consent.questions import NOBODY, Organisation, Subject
from consent.recipients import recipients
from consent.rules import RuleSet
from identity.principal import CommissionRight, Principal
from keys.envelope import WrapContext
from keys.keystore import KeyStore, RefusedReceiptError, Wrap
from keys.primitives import CannotOpenError, PrivateKey
from keys.receipt import Opens
from policies.engine import INSTALLED, LAW_IN_FORCE, Policies
from policies.vocabulary import Action, Category, Deed, Effect, Purpose
from tests.consent import cast
from tests.consent.notebook import DiskFullError, Notebook
from tests.consent.plainly import permits

BP, GLUCOSE = Category.BLOOD_PRESSURE, Category.GLUCOSE
DRAWERS: Drawers = {BP: ((b"d" * 16, 1), (b"d" * 16, 2)), GLUCOSE: ((b"g" * 16, 1),)}
GRANTED = RuleSet(1, (cast.rule(),))
BLOCKED = RuleSet(2, (cast.rule(), cast.rule("b1", Effect.BLOCK)))
POLICIES = Policies.load(INSTALLED, LAW_IN_FORCE)
PERMIT_ALL = Policies(
    {"all.cedar": '@id("all") permit (principal, action, resource);'},
    INSTALLED.joinpath("vault.cedarschema").read_text("utf-8"),
)


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    """Make a real KeyStore, its clock stopped."""
    folder: Path = tmp_path_factory.mktemp("keys")
    return KeyStore.create(folder / "keys", "a passphrase", clock=lambda: cast.AT)


@pytest.fixture
def log(keystore: KeyStore) -> Notebook:
    """Open an empty log."""
    return Notebook(keystore, lambda: cast.AT)


@pytest.fixture
def gate(log: Notebook) -> Gate:
    """Build the gate by the law in force."""
    return Gate(POLICIES, log)


def ask(principal: Principal | None = None, deed: Deed = Deed.READ, **changed: Any) -> Ask:
    """Ask, without words as the nurse for blood pressure."""
    standard: dict[str, Any] = {
        "subject": cast.subject(),
        "kind": EventKind.READ,
        "activity": Activity.READ,
        "at": cast.AT,
        "purpose": Purpose.CARE,
        "categories": (BP,),
    }
    return Ask(principal=principal or cast.staff(), deed=deed, **{**standard, **changed})


async def refusal(gate: Gate, asked: Ask, rules: RuleSet, **options: Any) -> Refused:
    """Return the refusal that the question meets."""
    with pytest.raises(Refused) as caught:
        await gate.authorize(asked, rules=rules, drawers=DRAWERS, **options)
    return caught.value


async def test_a_permit_is_written_down_with_all_that_the_law_asks_for(gate: Gate, log: Notebook) -> None:
    """HSLF-FS 2016:40 ch. 4, and the rule and the law by which it was permitted."""
    authorization = await gate.authorize(ask(subject_id="x"), rules=GRANTED, drawers=DRAWERS)
    [(event, opens)] = log.entries
    assert (event.decision, event.kind, event.activity) == (Decision.PERMIT, EventKind.READ, Activity.READ)
    assert (event.vault, event.at, event.purpose, event.categories) == (
        cast.VAULT,
        cast.AT,
        Purpose.CARE,
        (BP,),
    )
    assert (event.rules, event.policy_hash, event.reason, event.subject) == (
        ("r1",),
        POLICIES.sha256,
        "",
        "x",
    )
    assert (event.actor.unit_id, event.actor.provider_id) == (cast.CENTRE.id, cast.OWN_CARE.id)
    assert authorization.receipt.opens == opens
    assert (authorization.categories, authorization.rules) == ((BP,), ("r1",))
    assert authorization.scope(BP).whole


async def test_the_receipt_opens_the_permitted_drawers_by_the_holders_keys(gate: Gate, log: Notebook) -> None:
    """What is announced is what is asked and permitted, and the recipient is the active commission's."""
    both = ask(categories=(BP, GLUCOSE))
    await gate.authorize(both, rules=GRANTED, drawers=DRAWERS, need=Need.SOME)
    assert log.entries[0][1] == Opens(cast.CENTRE.nodes(), DRAWERS[BP])
    await gate.authorize(ask(cast.citizen(), categories=(GLUCOSE,)), rules=GRANTED, drawers=DRAWERS)
    assert log.entries[1][1] == Opens((f"owner:{cast.VAULT.hex()}",), DRAWERS[GLUCOSE])
    born = cast.born_before(5)
    child = ask(cast.proxy(), subject=cast.subject(born=born))
    await gate.authorize(child, rules=RuleSet(0), drawers=DRAWERS)
    assert log.entries[2][1].recipients == (f"proxy:{cast.VAULT.hex()}:{cast.PARENT.hex()}",)


@pytest.mark.parametrize("deed", [Deed.MANAGE, Deed.BLOCK])
async def test_the_owners_own_matters_open_the_drawers_they_touch(
    gate: Gate, log: Notebook, deed: Deed
) -> None:
    """A new rule wraps keys anew, which needs them; staff are refused the deed and get none."""
    await gate.authorize(ask(cast.citizen(), deed), rules=GRANTED, drawers=DRAWERS)
    assert log.entries[0][1] == Opens((f"owner:{cast.VAULT.hex()}",), (*DRAWERS[BP], *DRAWERS[GLUCOSE]))
    await refusal(gate, ask(deed=deed), GRANTED)
    assert log.entries[1][1] == Opens()


@pytest.mark.parametrize("deed", [Deed.ADD, Deed.READ_LOG, Deed.LOOKUP])
async def test_no_other_deed_opens_a_drawer(gate: Gate, log: Notebook, deed: Deed) -> None:
    """Adding needs the public half only; the log's bodies have keys of their own."""
    authorization = await gate.authorize(ask(cast.citizen(), deed), rules=GRANTED, drawers=DRAWERS)
    assert authorization.receipt.opens == log.entries[0][1] == Opens()


async def test_a_refusal_is_written_down_before_it_is_told(gate: Gate, log: Notebook) -> None:
    """Denied attempts are what a supervisor looks for."""
    await refusal(gate, ask(), RuleSet(0))
    [(event, opens)] = log.entries
    assert (event.decision, event.reason, event.rules) == (Decision.REFUSE, Reason.NOT_PERMITTED, ())
    assert event.policy_hash == POLICIES.sha256
    assert opens == Opens()


async def test_a_blocked_attempt_names_the_block_in_the_log_only(gate: Gate, log: Notebook) -> None:
    """The citizen sees which block held; the refused one sees the same as without consent."""
    blocked, absent = await refusal(gate, ask(), BLOCKED), await refusal(gate, ask(), RuleSet(0))
    assert (log.entries[0][0].reason, log.entries[0][0].rules) == (Reason.FORBIDDEN, ("b1",))
    assert (str(blocked), blocked.args, vars(blocked)) == (str(absent), absent.args, vars(absent))


async def test_an_unknown_citizen_is_refused_by_the_same_steps_as_one_who_did_not_consent(
    gate: Gate, log: Notebook
) -> None:
    """Looking a citizen up must tell nothing: same refusal, same entry, but for the vault."""
    known = await refusal(gate, ask(), RuleSet(0))
    unknown = await refusal(gate, ask(subject=None), GRANTED)
    assert vars(unknown) == vars(known)
    first, second = (event for event, _ in log.entries)
    assert second == structs.replace(first, vault=NOBODY.vault)


@pytest.mark.parametrize("deed", [Deed.LOOKUP, Deed.ASK])
async def test_looking_up_and_asking_succeed_alike_for_known_unknown_and_blocked(
    gate: Gate, log: Notebook, deed: Deed
) -> None:
    """Neither tells whether a vault exists."""
    for subject, rules in ((cast.subject(), GRANTED), (cast.subject(), BLOCKED), (None, RuleSet(0))):
        found = await gate.authorize(ask(deed=deed, subject=subject), rules=rules, drawers=DRAWERS)
        assert (found.scopes, found.rules, found.receipt.opens) == ({}, (), Opens())
    assert len({repr(structs.replace(event, vault=None)) for event, _ in log.entries}) == 1


async def test_a_failing_log_releases_nothing(gate: Gate, log: Notebook) -> None:
    """Durable or an error: audit down means no plaintext, and not even a refusal is told unwritten."""
    log.broken = True
    for asked in (ask(), ask(cast.citizen()), ask(subject=None)):
        with pytest.raises(DiskFullError):
            await gate.authorize(asked, rules=GRANTED, drawers=DRAWERS)


async def test_nothing_is_returned_before_the_entry_is_durable(log: Notebook) -> None:
    """The gate awaits the log."""
    durable = asyncio.Event()

    class Slow(Notebook):
        def __init__(self) -> None:
            pass

        async def append(self, event: Event, *, opens: Opens = Opens()) -> Any:  # noqa: B008
            await durable.wait()
            return await log.append(event, opens=opens)

    task = asyncio.create_task(Gate(POLICIES, Slow()).authorize(ask(), rules=GRANTED))
    await asyncio.sleep(0)
    assert not task.done()
    durable.set()
    assert isinstance(await task, Authorization)


async def test_a_revoked_grant_is_refused_at_the_next_question(gate: Gate) -> None:
    """Read your writes, through the gate and its cache."""
    assert (await gate.authorize(ask(), rules=GRANTED)).scope(BP).whole
    await refusal(gate, ask(), RuleSet(2))


NEXT_STEPS = [
    (cast.staff(), Deed.READ, NextStep.ASK_FOR_ACCESS),
    (cast.staff(), Deed.ADD, NextStep.ASK_FOR_ACCESS),
    (cast.staff(), Deed.MANAGE, NextStep.NOTHING),
    (cast.staff(right=CommissionRight.LOG_REVIEW), Deed.READ, NextStep.NOTHING),
    (cast.citizen(cast.STRANGER), Deed.READ, NextStep.NOTHING),
    (cast.client(), Deed.ADD, NextStep.NOTHING),
]


@pytest.mark.parametrize(("who", "deed", "step"), NEXT_STEPS)
async def test_a_refusal_says_what_may_be_done_next(
    gate: Gate, who: Principal, deed: Deed, step: NextStep
) -> None:
    """By who asks for what alone, whatever is hidden."""
    for rules, subject in ((RuleSet(0), cast.subject()), (BLOCKED, cast.subject()), (RuleSet(0), None)):
        assert (await refusal(gate, ask(who, deed, subject=subject), rules)).next_step is step


async def test_every_category_named_must_be_permitted_unless_some_suffice(gate: Gate, log: Notebook) -> None:
    """A caller says which it needs."""
    both = ask(categories=(BP, GLUCOSE))
    await refusal(gate, both, GRANTED, need=Need.EVERY)
    assert log.entries[0][0].categories == (BP, GLUCOSE)
    found = await gate.authorize(both, rules=GRANTED, need=Need.SOME)
    assert (found.categories, log.entries[1][0].categories) == ((BP,), (BP,))
    with pytest.raises(NotAuthorizedError):
        found.scope(GLUCOSE)


async def test_a_supervisor_reviews_their_own_organisation_and_reads_no_record(
    gate: Gate, log: Notebook
) -> None:
    """PDL 4:3: the controller controls its own staff's accesses."""
    who = cast.staff(right=CommissionRight.LOG_REVIEW)
    own, other = (Organisation(f"provider:{p.id}") for p in (cast.OWN_CARE, cast.TOWN_CARE))
    review: dict[str, Any] = {"deed": Deed.REVIEW_LOG, "kind": EventKind.REVIEW, "categories": ()}
    found = await gate.authorize(ask(who, subject=own, **review), rules=RuleSet(0))
    assert (log.entries[0][0].vault, found.receipt.opens) == (None, Opens())
    await refusal(gate, ask(who, subject=other, **review), RuleSet(0))
    await refusal(gate, ask(who), GRANTED)


def keys_for(keystore: KeyStore, rules: RuleSet) -> Iterator[tuple[str, Wrap]]:
    """Wrap a generation to whom the rules name."""
    generation = PrivateKey.generate()
    named = recipients(rules, BP, vault=cast.VAULT, at=cast.AT, units_of_person=lambda _: ())
    for recipient, window in named.items():
        context = WrapContext(cast.VAULT, DRAWERS[BP][0][0], DRAWERS[BP][0][1], recipient)
        yield recipient, keystore.wrap(generation, bound_to=context, window=window)


async def test_consent_gate_and_keys_agree(gate: Gate, keystore: KeyStore) -> None:
    """The receipt that the gate obtains opens the wrap that the same grant made."""
    wraps = dict(keys_for(keystore, GRANTED))
    found = await gate.authorize(ask(), rules=GRANTED, drawers=DRAWERS)
    assert isinstance(keystore.open(found.receipt, wraps[f"unit:{cast.CENTRE.id}"]), PrivateKey)


async def test_without_consent_not_even_a_policy_that_permits_all_opens_a_key(
    log: Notebook, keystore: KeyStore
) -> None:
    """No consent, no wrap: a mistake in policy code alone opens nothing."""
    found = await Gate(PERMIT_ALL, log).authorize(ask(), rules=RuleSet(0), drawers=DRAWERS)
    assert found.scope(BP).whole  # the policies did fail
    wraps = dict(keys_for(keystore, RuleSet(0)))
    assert list(wraps) == [f"owner:{cast.VAULT.hex()}", f"emergency:{cast.VAULT.hex()}"]
    for wrap in wraps.values():
        found = await Gate(PERMIT_ALL, log).authorize(ask(), rules=RuleSet(0), drawers=DRAWERS)
        with pytest.raises(RefusedReceiptError):
            keystore.open(found.receipt, wrap)
        forged = replace(wrap, context=replace(wrap.context, recipient=f"unit:{cast.CENTRE.id}"))
        with pytest.raises(CannotOpenError):
            keystore.open(found.receipt, forged)


async def test_a_policy_that_errors_refuses_and_the_log_says_so(log: Notebook) -> None:
    """Cedar would skip an erroring forbid; the gate believes no policy then."""
    text = """@id("all") permit (principal, action, resource);
        @id("broken") forbid (principal, action, resource is Vault)
        when { resource.age + 9223372036854775807 < 0 };"""
    broken = Policies({"a.cedar": text}, INSTALLED.joinpath("vault.cedarschema").read_text("utf-8"))
    await refusal(Gate(broken, log), ask(), GRANTED)
    await refusal(Gate(broken, log), ask(deed=Deed.ASK), GRANTED)
    assert [event.reason for event, _ in log.entries] == [Reason.POLICY_ERROR] * 2


async def test_adding_is_bound_by_the_codes_that_the_citizen_allowed(gate: Gate) -> None:
    """Staff who may add weight may not add anything else under the same category."""
    grant = cast.rule(actions=frozenset({Action.ADD}), codes=frozenset({"85354-9"}))
    found = await gate.authorize(ask(deed=Deed.ADD), rules=RuleSet(1, (grant,)))
    scope = found.scope(BP)
    assert permits(scope, "85354-9", cast.AT.date())
    assert not permits(scope, "8478-0", cast.AT.date())


def test_an_ask_that_cannot_be_is_not_made() -> None:
    """A fault in our own code must not reach the policies as a question."""
    with pytest.raises(ValueError, match="zone"):
        ask(at=cast.AT.replace(tzinfo=None))
    with pytest.raises(ValueError, match="organisation"):
        ask(subject=Organisation("provider:x"))
    with pytest.raises(ValueError, match="organisation"):
        ask(deed=Deed.REVIEW_LOG)
    with pytest.raises(ValueError, match="organisation"):
        Organisation("unit:x")


def test_nobody_is_no_citizen() -> None:
    """An alias is a keyed hash; none is all zeros, so that nobody's vault has no owner."""
    assert (NOBODY.vault, NOBODY.alias) == (bytes(16), bytes(16))
    assert {field.name for field in fields(Subject)} == {"vault", "alias", "birth_date", "protected"}
