"""What is usual: who else was with a citizen, what a role does in a day and by night, how common a name is.

Counted from the accesses of the period itself, so that no list of shifts or wards need be kept. Medians and median
absolute deviations, since what is looked for would move a mean.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from audit.events import Activity, ActorKind, Decision, EventKind
from audit.review import Access
from audit.signals import Facts, Known
from policies.signals import Signal, Tuning, Tunings

#: What shows a citizen's matters to who does it.
LOOKS = frozenset({EventKind.READ, EventKind.VIEW, EventKind.EXPORT, EventKind.EMERGENCY})
_TRIED = LOOKS | {EventKind.LOOKUP}

_FEW_DAYS = 30  # by fewer a role's median says little, and the organisation's is taken
_FEW_CITIZENS = 1000
_SATURDAY = 5
_LIKE_STANDARD = (
    1.4826  # makes a median absolute deviation one of a normal distribution's standard deviations
)

Role = tuple[str, str]
Day = tuple[str, date]


@dataclass(frozen=True, slots=True)
class Look:
    """One of the staff saw something of a citizen: the access, its local time, and what the house knows."""

    access: Access
    local: datetime
    vault: bytes
    known: Known | None
    has_tie: bool
    is_off: bool

    @property
    def role(self) -> Role:
        """The unit and title by which it is held to its peers."""
        return self.access.actor.unit_id, self.access.actor.title

    @property
    def day(self) -> Day:
        """Whose day it is in."""
        return self.access.actor.id, self.local.date()


@dataclass(frozen=True, slots=True)
class Taking:
    """What one of the staff printed or took out in a day; ``size`` is in the limits of the tuning."""

    looks: tuple[Look, ...]
    records: int
    citizens: int
    size: float

    @classmethod
    def of(cls, looks: Iterable[Look], limits: Tuning) -> "Taking":
        """Pick it from a day."""
        taken = tuple(look for look in looks if _is_taken(look.access))
        records = sum(look.access.counts.get("records", 0) for look in taken)
        citizens = len({look.vault for look in taken})
        size = max(records / limits["records"], citizens / limits["least"])
        return cls(taken, records, citizens, size)


class Habits:
    """What is usual in a period; made once from its accesses."""

    def __init__(self, accesses: Iterable[Access], facts: Facts, tunings: Tunings) -> None:
        self.facts = facts
        self._hours = tunings[Signal.OFF_HOURS]
        self._bulk = tunings[Signal.BULK]
        self._near = tunings[Signal.NO_RELATION]["days"]
        tried = [one for one in accesses if one.actor.kind is ActorKind.STAFF and one.kind in _TRIED]
        tried.sort(key=lambda one: (one.at, one.seq))
        self.looks = [look for one in tried if (look := self._look(one)) is not None]
        self.days = _grouped(self.looks)
        self.refused = _refusals(tried, facts)
        self._visits: dict[tuple[str, bytes], list[tuple[int, str]]] = defaultdict(list)
        for look in self.looks:
            actor = look.access.actor
            self._visits[actor.unit_id, look.vault].append((look.local.toordinal(), actor.id))
        self._strangers = {look.access.id for look in self.looks if self._is_stranger(look)}

    def _look(self, access: Access) -> Look | None:
        """Return an access that showed something; of a refused one nothing is known of the citizen."""
        if access.decision is Decision.REFUSE or access.kind not in LOOKS or access.vault is None:
            return None
        known, local = self.facts.citizens.get(access.vault), access.at.astimezone(self.facts.zone)
        hours = self._hours
        is_off = local.weekday() >= _SATURDAY or not hours["begin"] <= local.hour < hours["end"]
        return Look(access, local, access.vault, known, known is not None and _has_tie(access, known), is_off)

    def is_related(self, look: Look) -> bool:
        """Tell whether the unit has to do with the citizen: on record, or a colleague was there as well."""
        return look.access.id not in self._strangers

    def days_with(self, look: Look) -> int:
        """Return on how many days this person was with this citizen."""
        actor = look.access.actor
        return len({on for on, id_ in self._visits[actor.unit_id, look.vault] if id_ == actor.id})

    def _is_stranger(self, look: Look) -> bool:
        if look.has_tie or look.known is None:
            return False
        day, actor = look.local.toordinal(), look.access.actor
        visits = self._visits[actor.unit_id, look.vault]
        return not any(id_ != actor.id and abs(on - day) <= self._near for on, id_ in visits)

    @cached_property
    def _roles(self) -> tuple[Counter[Role], Counter[Role], Counter[Role]]:
        """Return how much each role does, how much of it off hours, and how much without a relation."""
        return (
            Counter(look.role for look in self.looks),
            Counter(look.role for look in self.looks if look.is_off),
            Counter(look.role for look in self.looks if not self.is_related(look)),
        )

    def off_percent(self, role: Role) -> float:
        """Return how much of what a role does is done off hours."""
        of_all, off, _ = self._roles
        return 100 * off[role] / of_all[role]

    def stranger_percent(self, role: Role) -> float:
        """Return how much of what a role does is done without a relation."""
        of_all, _, strange = self._roles
        return 100 * strange[role] / of_all[role]

    @cached_property
    def _peers(self) -> Mapping[Role | None, tuple[float, float]]:
        counts: dict[Role | None, list[int]] = defaultdict(list)
        for looks in self.days.values():
            count = len({look.vault for look in looks})
            counts[looks[0].role].append(count)
            counts[None].append(count)
        return {
            role: _spread(days) for role, days in counts.items() if role is None or len(days) >= _FEW_DAYS
        }

    def deviations(self, role: Role, count: int) -> tuple[float, float]:
        """Return how far a day's number of citizens is from the role's median, and that median."""
        median, spread = self._peers.get(role) or self._peers[None]
        return (count - median) / spread, median

    @cached_property
    def _surnames(self) -> Counter[str]:
        return Counter(surname(one.name) for one in self.facts.citizens.values())

    @cached_property
    def _names(self) -> Counter[str]:
        return Counter(one.name.casefold() for one in self.facts.citizens.values())

    def bearers_per_myriad(self, name: str) -> float:
        """Return how common a surname is among the citizens; among few, none is called common."""
        return 10_000 * self._surnames[name] / max(len(self.facts.citizens), _FEW_CITIZENS)

    def namesakes(self, name: str) -> int:
        """Return how many citizens have this very name, at least one."""
        return max(1, self._names[name.casefold()])

    @cached_property
    def _units_by_name(self) -> Mapping[str, list[tuple[str, frozenset[str]]]]:
        found: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        for id_, one in self.facts.staff.items():
            found[one.name.casefold()].append((id_, one.units))
        return found

    def is_colleagues(self, look: Look, name: str) -> bool:
        """Tell whether one who works at the unit, and not who looks, has this very name."""
        actor = look.access.actor
        held = self._units_by_name.get(name.casefold(), ())
        return any(id_ != actor.id and actor.unit_id in units for id_, units in held)

    @cached_property
    def takings(self) -> Mapping[Day, Taking]:
        """Return the days on which somebody printed or took out more than the limits."""
        found = ((day, Taking.of(looks, self._bulk)) for day, looks in self.days.items())
        return {day: taking for day, taking in found if taking.size >= 1}

    @cached_property
    def days_of_taking(self) -> Mapping[str, int]:
        """Return on how many days each of the staff did."""
        return Counter(actor for actor, _ in self.takings)


def surname(name: str) -> str:
    """Return the last word of a name."""
    return name.casefold().rpartition(" ")[2]


def _is_taken(access: Access) -> bool:
    """Tell whether something was printed or taken out."""
    return access.kind is EventKind.EXPORT or access.activity is Activity.PRINT


def _has_tie(access: Access, known: Known) -> bool:
    actor, at = access.actor, access.at
    nodes = (f"unit:{actor.unit_id}", f"provider:{actor.provider_id}", f"person:{actor.id}")
    return any(
        tie.node in nodes and tie.since <= at and (tie.until is None or at < tie.until) for tie in known.ties
    )


def _grouped(looks: Iterable[Look]) -> dict[Day, list[Look]]:
    found: dict[Day, list[Look]] = {}
    for look in looks:
        found.setdefault(look.day, []).append(look)
    return found


def _refusals(tried: Iterable[Access], facts: Facts) -> dict[Day, list[Access]]:
    found: dict[Day, list[Access]] = {}
    for one in tried:
        if one.decision is Decision.REFUSE:
            found.setdefault((one.actor.id, one.at.astimezone(facts.zone).date()), []).append(one)
    return found


def _spread(counts: list[int]) -> tuple[float, float]:
    median = statistics.median(counts)
    deviation = statistics.median(abs(one - median) for one in counts)
    return median, max(1.0, _LIKE_STANDARD * deviation)
