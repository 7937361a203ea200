"""A supervisor's queue by signals: hits in order of score, one for each person and leading rule.

Pure, over accesses that the caller was allowed to read. Several signals on one access count as independent reasons:
1 - (1 - a)(1 - b)…, so that none is lost and none passes 100. What one person did again and again by the same rule
stands once, by its weightiest access, or the top of the queue would be one person's; only what a citizen asked about
and emergency openings stand one by one, since each is owed an answer.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from audit.habits import Habits
from audit.review import Access
from audit.signal_rules import OF_A_DAY, OF_A_LOOK, Found, denied
from audit.signals import Facts, Hit
from policies.signals import Signal, Tuning, Tunings

_ONE_BY_ONE = frozenset({Signal.QUESTION, Signal.EMERGENCY})
#: They say under what an access was made more than what it was.
_CONTEXT = frozenset({Signal.NO_RELATION, Signal.OTHER_UNIT})
_LEAST = 1.0  # a score below this is no reason to look

#: What the second, the fourth part of what the third ... adds to the first.
_AGAIN = 0.5
_SITTING = timedelta(hours=3)
#: Of a group, so many are weighed with their sitting.
_WEIGHED = 50

_Placed = tuple[Hit, Access]
Scored = tuple[Access, Signal, float, Mapping[str, str | int]]


def ranked(accesses: Iterable[Access], facts: Facts, tunings: Tunings) -> tuple[Hit, ...]:
    """Return the hits among an organisation's accesses over a period, in any order, the weightiest first."""
    habits = Habits(accesses, facts, tunings)
    by_access: dict[bytes, list[Scored]] = defaultdict(list)
    for signal, found in _found(habits, tunings):
        score = tunings[signal].weight * found.strength
        if score >= _LEAST:
            by_access[found.access.id].append((found.access, signal, score, found.because))
    groups: dict[tuple[str, str, bytes], list[_Placed]] = defaultdict(list)
    for scored in by_access.values():
        hit, access = _together(scored), scored[0][0]
        alone = hit.entry if hit.rule in _ONE_BY_ONE else b""
        groups[access.actor.id, hit.rule, alone].append((hit, access))
    hits = [_standing_for(group) for group in groups.values()]
    return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.entry)))


def _found(habits: Habits, tunings: Tunings) -> Iterable[tuple[Signal, Found]]:
    of_a_look = [
        (signal, rule, tunings[signal]) for signal, rule in OF_A_LOOK.items() if _is_on(tunings[signal])
    ]
    of_a_day = [
        (signal, rule, tunings[signal]) for signal, rule in OF_A_DAY.items() if _is_on(tunings[signal])
    ]
    for look in habits.looks:
        for signal, rule, tuning in of_a_look:
            if found := rule(look, habits, tuning):
                yield signal, found
    for looks in habits.days.values():
        for signal, of_day, tuning in of_a_day:
            yield from ((signal, found) for found in of_day(looks, habits, tuning))
    for refused in habits.refused.values():
        if found := denied(refused, tunings[Signal.DENIED]):
            yield Signal.DENIED, found


def _is_on(tuning: Tuning) -> bool:
    return tuning.weight > 0


def _together(scored: Iterable[Scored]) -> Hit:
    """Return one hit of all the signals on an access, named by the weightiest.

    A question or an emergency always leads; that there is no relation leads only where nothing else is said.
    """
    ordered = sorted(scored, key=lambda one: (one[1] not in _ONE_BY_ONE, one[1] in _CONTEXT, -one[2], one[1]))
    access, signal, _, because = ordered[0]
    rest = 1.0
    for _, _, score, _ in ordered:
        rest *= 1 - score / 100
    also = " ".join(dict.fromkeys(one[1] for one in ordered[1:] if one[1] != signal))
    return Hit(access.id, signal, 100 * (1 - rest), {**because, "also": also} if also else because)


def _standing_for(group: list[_Placed]) -> Hit:
    """Return the weightiest of a group, with what was done again in that sitting or to that citizen."""
    ordered = sorted(group, key=lambda one: (-one[0].score, one[0].entry))
    hits = [(_again(one, ordered), one[0]) for one in ordered[:_WEIGHED]]
    score, first = max(hits, key=lambda one: (one[0], one[1].entry))
    others = len(group) - 1
    return replace(first, score=score, because={**first.because, "more": others}) if others else first


def _again(one: _Placed, group: Iterable[_Placed]) -> float:
    """Return the score of an access with the rest of its sitting, or of what was done to the citizen, by halves."""
    hit, access = one
    rest, share = 1 - hit.score / 100, _AGAIN
    for other, also in group:
        if other is not hit and (also.vault == access.vault or abs(also.at - access.at) <= _SITTING):
            rest *= 1 - share * other.score / 100
            share *= _AGAIN
    return 100 * (1 - rest)
