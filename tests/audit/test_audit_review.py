import asyncio
from collections.abc import Iterator

import pytest

from audit.entry import EntryState
from audit.events import Decision, EventKind
from audit.log import AuditLog
from audit.review import Access, Unreadable, mine, of_staff
from policies.vocabulary import Category, Purpose
from tests.audit.audit_world import ANNA, CITIZEN, NURSE, START, SYSTEM, House, event


@pytest.fixture
def log(house: House) -> Iterator[AuditLog]:
    """An open log."""
    log = house.open()
    yield log
    log.close()


def seen(log: AuditLog) -> list[Access | Unreadable]:
    """Return what Anna sees."""
    return mine(log.entries_of_vault(ANNA))


def test_access_and_its_outcome_are_one_line(log: AuditLog) -> None:
    """People ask who looked and how much was shown; two lines an access would drown the answer."""
    receipt = log.append_now(event(START))
    log.append_now(event(START, kind=EventKind.OUTCOME, outcome_of=receipt.entry, counts={"records": 12}))
    (access,) = seen(log)
    assert isinstance(access, Access)
    assert (access.id, access.actor, access.at) == (receipt.entry, NURSE, START)
    assert (access.categories, access.purpose) == ((Category.BLOOD_PRESSURE,), Purpose.CARE)
    assert (access.rules, access.counts, access.is_finished) == (("rule-1",), {"records": 12}, True)


def test_access_without_outcome_says_so(log: AuditLog) -> None:
    """A crash after the key was released: what was read is unknown, and must not look like nothing."""
    log.append_now(event(START))
    (access,) = seen(log)
    assert isinstance(access, Access)
    assert (access.is_finished, access.counts) == (False, {})


def test_outcome_on_the_newer_page_is_joined(log: AuditLog) -> None:
    """A page's edge may fall between an access and its outcome."""
    receipt = log.append_now(event(START))
    log.append_now(event(START, kind=EventKind.OUTCOME, outcome_of=receipt.entry, counts={"records": 1}))
    newer, older = log.entries_of_vault(ANNA)
    assert mine([newer]) == []
    (access,) = mine([older], later=[newer])
    assert isinstance(access, Access)
    assert access.counts == {"records": 1}


def test_refused_attempt_is_shown_with_its_reason(log: AuditLog) -> None:
    """The citizen sees who tried."""
    log.append_now(event(START, decision=Decision.REFUSE, reason="blocked", rules=("block-1",)))
    (access,) = seen(log)
    assert isinstance(access, Access)
    assert (access.decision, access.reason, access.rules) == (Decision.REFUSE, "blocked", ("block-1",))


def test_systems_are_told_apart_from_people_and_from_the_citizen(log: AuditLog) -> None:
    """Automatic reads that drown the human ones are what people complain of."""
    for actor in (NURSE, SYSTEM, CITIZEN):
        log.append_now(event(START, actor=actor))
    marks = [(a.is_automatic, a.is_own) for a in seen(log) if isinstance(a, Access)]
    assert marks == [(False, True), (True, False), (False, False)]


def test_destroyed_entry_is_shown_as_one(house: House, log: AuditLog) -> None:
    """That there was an access stays visible when what it was is erased."""
    house.clock.at = START.replace(year=2032)
    log.append_now(event(START))
    house.keystore.destroy_month_keys(f"vault:{ANNA.hex()}", ["2032-05"])
    (access,) = seen(log)
    assert isinstance(access, Unreadable)
    assert (access.state, access.at) == (EntryState.DESTROYED, house.clock.at)


async def test_supervisor_sees_the_own_staff_and_nobody_elses(log: AuditLog) -> None:
    """What citizens do with their own data is not for their care provider to review."""
    await asyncio.gather(*(log.append(event(START, actor=actor)) for actor in (NURSE, CITIZEN, SYSTEM)))
    (access,) = of_staff(log.entries_of_organisation(NURSE.authority_id))
    assert (access.actor, access.vault) == (NURSE, ANNA)
