"""The rules themselves: how strongly each fits, from 0 to 1, and what its sentence names.

Of one look at a time (:data:`OF_A_LOOK`), or of a day of one of the staff (:data:`OF_A_DAY`), where the strength is
put on the access that shows it best. None reads anything but behaviour and the facts given.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from audit.events import EventKind
from audit.habits import Habits, Look, surname
from audit.review import Access
from policies.signals import Signal, Tuning

_WITH_RELATION = 0.3  # what is left of a name or a protected identity, where there is a relation
_ON_ONES_OWN = 0.25  # what is left of a new grant, where the unit has to do with the citizen anyhow

Words = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Found:
    """How strongly a signal fits an access."""

    access: Access
    strength: float
    because: Words = field(default_factory=dict)


# --- of one look


def own_record(look: Look, habits: Habits, _tuning: Tuning) -> Found | None:
    """The very name of the one who looks; shared with fewer, the stronger."""
    known, actor = look.known, look.access.actor
    if known is None or known.name.casefold() != actor.name.casefold():
        return None
    return Found(look.access, _eased(look, habits) / _chance(look, habits, habits.namesakes(known.name)))


def same_surname(look: Look, habits: Habits, tuning: Tuning) -> Found | None:
    """A surname that many bear says little. Somebody's own name is another signal."""
    known, actor = look.known, look.access.actor
    if known is None or known.name.casefold() == actor.name.casefold():
        return None
    if (shared := surname(known.name)) != surname(actor.name):
        return None
    common = habits.bearers_per_myriad(shared) / tuning["common_per_myriad"]
    return Found(look.access, _eased(look, habits) / _chance(look, habits, max(1.0, common)))


def colleague(look: Look, habits: Habits, _tuning: Tuning) -> Found | None:
    """The very name of one at the same unit."""
    known = look.known
    if known is None or not habits.is_colleagues(look, known.name):
        return None
    return Found(look.access, _eased(look, habits) / _chance(look, habits, habits.namesakes(known.name)))


def protected_identity(look: Look, habits: Habits, _tuning: Tuning) -> Found | None:
    """Every look at a protected person, those without a relation first."""
    if look.known is None or not look.known.protected:
        return None
    return Found(look.access, _eased(look, habits))


def no_relation(look: Look, habits: Habits, tuning: Tuning) -> Found | None:
    """Nobody has a relation on record, and nobody else of the unit was there."""
    if habits.is_related(look) or look.known is None or look.known.ties:
        return None
    return _unless_usual(look, habits, tuning)


def other_unit(look: Look, habits: Habits, tuning: Tuning) -> Found | None:
    """Others have a relation on record, this unit has not, and nobody else of it was there."""
    if habits.is_related(look) or look.known is None or not look.known.ties:
        return None
    return _unless_usual(look, habits, tuning)


def emergency(look: Look, _habits: Habits, _tuning: Tuning) -> Found | None:
    """Every opening of a vault."""
    return Found(look.access, 1.0) if look.access.kind is EventKind.EMERGENCY else None


def grant_before(look: Look, habits: Habits, tuning: Tuning) -> Found | None:
    """What let them in was new; the stronger, where it was soon ended again and the unit has nothing else there."""
    if look.known is None:
        return None
    at, newest = look.access.at, None
    for rule in look.access.rules:
        grant = look.known.grants.get(rule)
        if grant and timedelta() <= at - grant.created <= timedelta(minutes=tuning["minutes"]):
            newest = grant if newest is None or newest.created < grant.created else newest
    if newest is None:
        return None
    kept = None if newest.ended is None else newest.ended - newest.created
    strength = 1.0 if kept is not None and kept <= timedelta(hours=tuning["kept_hours"]) else 0.4
    if habits.is_related(look):
        strength *= _ON_ONES_OWN
    return Found(look.access, strength, {"minutes": (at - newest.created) // timedelta(minutes=1)})


def question(look: Look, habits: Habits, _tuning: Tuning) -> Found | None:
    """A citizen asked why."""
    return Found(look.access, 1.0) if look.access.id in habits.facts.questioned else None


# --- of a day


def off_hours(looks: Sequence[Look], habits: Habits, tuning: Tuning) -> Iterator[Found]:
    """Off hours, where the role seldom works then; the more citizens without a relation, the stronger."""
    late = [look for look in looks if look.is_off]
    strangers = {look.vault for look in late if not habits.is_related(look)}
    unusual = 1 - habits.off_percent(looks[0].role) / tuning["usual_percent"]
    if not late or unusual <= 0:
        return
    strength = unusual * min(1.0, 0.4 + 0.2 * len(strangers)) if strangers else unusual * _WITH_RELATION
    shown = _shown(late, habits)
    because: Words = {"count": len({look.vault for look in late}), "time": f"{shown.local:%H:%M}"}
    yield Found(shown.access, strength, because)


def volume(looks: Sequence[Look], habits: Habits, tuning: Tuning) -> Iterator[Found]:
    """More citizens than peers have in a day."""
    count = len({look.vault for look in looks})
    deviations, median = habits.deviations(looks[0].role, count)
    if count >= tuning["least"] and deviations > tuning["deviations"]:
        excess = deviations / tuning["deviations"] - 1
        yield Found(
            _shown(looks, habits).access, min(1.0, 0.3 + excess), {"count": count, "usual": round(median)}
        )


def sequential(looks: Sequence[Look], habits: Habits, tuning: Tuning) -> Iterator[Found]:
    """One citizen after another, most without a relation: not a round, where there is one with nearly all."""
    for run in _runs(looks, timedelta(seconds=tuning["seconds"])):
        strangers = {look.vault for look in run if not habits.is_related(look)}
        citizens = len({look.vault for look in run})
        if len(strangers) >= tuning["least"]:
            share = len(strangers) / citizens
            minutes = max(1, round((run[-1].access.at - run[0].access.at) / timedelta(minutes=1)))
            strength = min(1.0, len(strangers) / (2 * tuning["least"])) * share
            yield Found(_shown(run, habits).access, strength, {"count": citizens, "minutes": minutes})


def bulk(looks: Sequence[Look], habits: Habits, _tuning: Tuning) -> Iterator[Found]:
    """Much printed or taken out, by one who does not do it often."""
    taken = habits.takings.get(looks[0].day)
    if taken is None:
        return
    often = habits.days_of_taking[looks[0].access.actor.id]
    strength = min(1.0, 0.4 + taken.size / 5) / min(often, 10) ** 0.5
    if all(habits.is_related(look) for look in taken.looks):
        strength *= _WITH_RELATION
    because = {"count": taken.citizens, "records": taken.records}
    yield Found(_shown(taken.looks, habits).access, strength, because)


OF_A_LOOK: Mapping[Signal, Callable[[Look, Habits, Tuning], Found | None]] = {
    Signal.OWN_RECORD: own_record,
    Signal.SAME_SURNAME: same_surname,
    Signal.COLLEAGUE: colleague,
    Signal.PROTECTED_IDENTITY: protected_identity,
    Signal.NO_RELATION: no_relation,
    Signal.OTHER_UNIT: other_unit,
    Signal.EMERGENCY: emergency,
    Signal.GRANT_BEFORE: grant_before,
    Signal.QUESTION: question,
}

OF_A_DAY: Mapping[Signal, Callable[[Sequence[Look], Habits, Tuning], Iterator[Found]]] = {
    Signal.OFF_HOURS: off_hours,
    Signal.VOLUME: volume,
    Signal.SEQUENTIAL: sequential,
    Signal.BULK: bulk,
}


def denied(refused: Sequence[Access], tuning: Tuning) -> Found | None:
    """Many refusals in a day; of whom is not asked, so that nothing is told of a citizen who did not allow it."""
    if len(refused) < tuning["least"]:
        return None
    return Found(refused[0], min(1.0, len(refused) / (3 * tuning["least"])), {"count": len(refused)})


def _unless_usual(look: Look, habits: Habits, tuning: Tuning) -> Found | None:
    """Weigh a lack of relation by how seldom the role lacks one: those whom others consult often do."""
    strength = 1 - habits.stranger_percent(look.role) / tuning["usual_percent"]
    return Found(look.access, strength, {"unit": look.access.actor.unit_name}) if strength > 0 else None


def _chance(look: Look, habits: Habits, bearers: float) -> float:
    """Return by how much a name that others bear too counts less; of one who comes again and again, little less."""
    return float(bearers ** (1 / habits.days_with(look)))


def _eased(look: Look, habits: Habits) -> float:
    return _WITH_RELATION if habits.is_related(look) else 1.0


def _shown(looks: Sequence[Look], habits: Habits) -> Look:
    """Return the look by which many are shown: the first without a relation, if there is one."""
    return next((look for look in looks if not habits.is_related(look)), looks[0])


def _runs(looks: Sequence[Look], pause: timedelta) -> Iterator[list[Look]]:
    run: list[Look] = []
    for look in looks:
        if run and look.access.at - run[-1].access.at > pause:
            yield run
            run = []
        run.append(look)
    if run:
        yield run
