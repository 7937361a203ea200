"""Planted misuse: what of it a supervisor would meet at the top of the queue, beside a random draw of as many."""

import random
from collections import Counter
from dataclasses import dataclass

from audit.ranking import ranked
from policies import signals
from tests.audit import misuse

TOP = 200
#: Of forty planted cases, on seeds that nothing was tuned by.
LEAST = 30
HELD_OUT = (300, 301, 302, 303, 304)


@dataclass(frozen=True)
class Tried:
    """One year: how many cases of each kind stand in the top of the queue, and in a random draw."""

    seed: int
    found: dict[str, int]
    drawn: dict[str, int]


def tried(seed: int, *, normal: int = 200_000, each: int = 5, top: int = TOP) -> Tried:
    """Make a year and look at the top of its queue."""
    made = misuse.year(seed, normal=normal, each=each)
    hits = ranked(made.accesses, made.facts, signals.load())
    drawn = random.Random(seed).sample(made.accesses, top)
    return Tried(
        seed,
        misuse.found(made, [hit.entry for hit in hits[:top]]),
        misuse.found(made, [one.id for one in drawn]),
    )


def holds(years: list[Tried]) -> bool:
    """Tell whether each year has its least in the top, and over them all no kind is missed whole."""
    kinds: Counter[str] = Counter()
    for one in years:
        kinds.update(one.found)
    return all(sum(one.found.values()) >= LEAST for one in years) and min(kinds.values()) > 0
