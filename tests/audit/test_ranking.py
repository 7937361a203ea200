"""Signals: each rule fits what it names, several on one access add up, and one person is not the whole queue."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from audit.events import Activity, Actor, ActorKind, Decision, EventKind
from audit.ranking import ranked
from audit.review import Access
from audit.signals import Colleague, Facts, Grant, Hit, Known, Tie
from policies import signals
from policies.signals import Signal
from tests.soak.misuse import tried

TUNINGS = signals.load()
MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)
NURSE = Actor(
    id="SE1-EVA",
    kind=ActorKind.STAFF,
    name="Eva Ekblad",
    title="Sjuksköterska",
    unit_id="U1",
    unit_name="Björken",
)
CITIZEN = bytes(15) + b"\1"
STRANGER = Known("Bo Stenvik")


class Log:
    """Accesses with numbers and ids of their own."""

    def __init__(self) -> None:
        self.all: list[Access] = []

    def add(
        self, at: datetime = MONDAY, *, vault: bytes = CITIZEN, actor: Actor = NURSE, **more: Any
    ) -> Access:
        """Add one."""
        seq = len(self.all)
        made = Access(
            seq.to_bytes(16, "big"),
            seq,
            at,
            actor,
            EventKind.READ,
            Activity.READ,
            None,
            (),
            Decision.PERMIT,
            "",
            (),
            vault,
            "",
        )
        made = replace(made, **more)
        self.all.append(made)
        return made


def facts(known: Known = STRANGER, **more: Any) -> Facts:
    """Return what is known of one citizen."""
    return Facts({CITIZEN: known}, {}, ZoneInfo("Europe/Stockholm"), **more)


def rules(hits: Sequence[Hit]) -> set[str]:
    """Return the rules that fit, leading or not."""
    return {rule for hit in hits for rule in (hit.rule, *str(hit.because.get("also", "")).split())}


def found(log: Log, told: Facts) -> set[str]:
    """Return the rules that fit."""
    return rules(ranked(log.all, told, TUNINGS))


def colleagues(log: Log) -> None:
    """Let others be at the unit, so that the role's habits are not this one person's."""
    for number in range(40):
        other = replace_actor(NURSE, f"SE1-{number}")
        for vault in (bytes([7]) + bytes(14) + bytes([number]),):
            log.add(MONDAY - timedelta(days=number % 5), vault=vault, actor=other)


def replace_actor(actor: Actor, id_: str, **more: Any) -> Actor:
    """Return somebody else of the same kind."""
    return Actor(**{**{name: getattr(actor, name) for name in actor.__struct_fields__}, "id": id_, **more})


@pytest.mark.parametrize(
    ("known", "rule"),
    [
        (Known("Eva Ekblad"), Signal.OWN_RECORD),
        (Known("Nils Ekblad"), Signal.SAME_SURNAME),
        (Known("Bo Stenvik", protected=True), Signal.PROTECTED_IDENTITY),
        (Known("Bo Stenvik"), Signal.NO_RELATION),
        (Known("Bo Stenvik", ties=(Tie("unit:U9", MONDAY - timedelta(days=9)),)), Signal.OTHER_UNIT),
    ],
)
def test_what_is_known_of_the_citizen_is_told(known: Known, rule: Signal) -> None:
    """The own name, the surname, a protected identity, no relation, relations elsewhere; and not of another."""
    log = Log()
    log.add()
    for number in range(30):  # others of the unit, with relations of their own: a lack is not what is usual
        other, vault = replace_actor(NURSE, f"SE1-{number}", name="Nina Nord"), bytes([9]) + bytes(15)
        log.add(vault=vault, actor=other)
    other_citizen = Known("Kim Kvist", ties=(Tie("unit:U1", MONDAY - timedelta(days=99)),))
    told = Facts({CITIZEN: known, bytes([9]) + bytes(15): other_citizen}, {}, ZoneInfo("Europe/Stockholm"))
    assert rule in found(log, told)
    plain = Known("Bo Stenvik", ties=(Tie("unit:U1", MONDAY - timedelta(days=9)),))
    assert rule not in found(log, replace(told, citizens={**told.citizens, CITIZEN: plain}))


def test_a_colleagues_record_is_told() -> None:
    """One who works at the same unit; not one who works elsewhere."""
    log = Log()
    log.add()
    told = facts(Known("Nina Nord"))
    here = {"SE1-NINA": Colleague("Nina Nord", frozenset({"U1"}))}
    there = {"SE1-NINA": Colleague("Nina Nord", frozenset({"U2"}))}
    assert Signal.COLLEAGUE in found(log, replace(told, staff=here))
    assert Signal.COLLEAGUE not in found(log, replace(told, staff=there))


def test_a_grant_just_before_is_told_and_an_old_one_is_not() -> None:
    """The stronger where it ended again soon."""
    log = Log()
    log.add(rules=("r1",))

    def score(created: timedelta, ended: timedelta | None = None) -> float:
        grant = Grant(MONDAY - created, None if ended is None else MONDAY + ended)
        hits = ranked(log.all, facts(Known("Bo Stenvik", grants={"r1": grant})), TUNINGS)
        return max((hit.score for hit in hits if Signal.GRANT_BEFORE in rules([hit])), default=0.0)

    new, old = timedelta(minutes=5), timedelta(days=5)
    assert score(new, timedelta(hours=2)) > score(new) > 0
    assert score(old) == 0


def test_emergencies_and_questions_stand_one_by_one() -> None:
    """Each is owed an answer, whoever's they are."""
    log = Log()
    opened = [log.add(MONDAY + timedelta(days=n), kind=EventKind.EMERGENCY) for n in range(3)]
    asked = [log.add(MONDAY + timedelta(days=n)) for n in range(3)]
    hits = ranked(log.all, facts(questioned=frozenset(one.id for one in asked)), TUNINGS)
    by_rule = {
        rule: {hit.entry for hit in hits if hit.rule == rule} for rule in (Signal.EMERGENCY, Signal.QUESTION)
    }
    assert by_rule[Signal.EMERGENCY] == {one.id for one in opened}
    assert by_rule[Signal.QUESTION] == {one.id for one in asked}


def test_one_after_another_is_told_and_a_round_is_not() -> None:
    """Strangers in a row; the same row of citizens who have a relation is work."""

    def run(known: Known) -> set[str]:
        log, citizens = Log(), {}
        for number in range(14):
            vault = bytes([number + 1]) + bytes(15)
            citizens[vault] = known
            log.add(MONDAY + timedelta(seconds=20 * number), vault=vault)
        return found(log, Facts(citizens, {}, ZoneInfo("Europe/Stockholm")))

    assert Signal.SEQUENTIAL in run(Known("Bo Stenvik"))
    assert Signal.SEQUENTIAL not in run(
        Known("Bo Stenvik", ties=(Tie("unit:U1", MONDAY - timedelta(days=9)),))
    )


def test_many_refusals_in_a_day_are_told() -> None:
    """Of whom is not asked."""
    log = Log()
    for number in range(6):
        log.add(MONDAY + timedelta(minutes=number), decision=Decision.REFUSE)
    assert found(log, facts()) == {Signal.DENIED}


def test_several_reasons_add_up_and_none_passes_a_hundred() -> None:
    """Own record, protected, by night: more than any of them."""
    log = Log()
    log.add()
    one = ranked(log.all, facts(Known("Eva Ekblad")), TUNINGS)[0]
    both = ranked(log.all, facts(Known("Eva Ekblad", protected=True)), TUNINGS)[0]
    assert one.score < both.score <= 100
    assert both.rule == Signal.OWN_RECORD


def test_one_person_is_not_the_whole_queue() -> None:
    """What one does again by the same rule stands once, with how many more there are."""
    log = Log()
    for number in range(60):
        log.add(MONDAY + timedelta(days=number % 5, hours=number % 3))
    (own,) = ranked(log.all, facts(Known("Nils Ekblad")), TUNINGS)
    assert own.rule == Signal.SAME_SURNAME
    assert own.because["more"] == 59


def test_a_signal_that_is_off_finds_nothing() -> None:
    """The file says so, and the rest goes on."""
    log = Log()
    log.add()
    off = {**TUNINGS, Signal.OWN_RECORD: replace(TUNINGS[Signal.OWN_RECORD], weight=0)}
    assert Signal.OWN_RECORD not in rules(ranked(log.all, facts(Known("Eva Ekblad")), off))


def test_the_order_of_the_log_does_not_matter() -> None:
    """Newest first or oldest first, the queue is the same."""
    log = Log()
    for number in range(20):
        log.add(MONDAY + timedelta(hours=number))
    told = facts(Known("Nils Ekblad"))
    assert ranked(log.all[::-1], told, TUNINGS) == ranked(log.all, told, TUNINGS)


def test_planted_misuse_stands_at_the_top_and_a_random_draw_has_none_of_it() -> None:
    """The short form of ``make soak``'s years: a tenth of one, two cases a kind, on a seed nothing was tuned by."""
    year = tried(210, normal=20_000, each=2, top=60)
    assert sum(year.found.values()) >= 10, year
    assert sum(year.drawn.values()) <= 2, year
