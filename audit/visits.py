"""Visits: what one actor did in a row, so that forty entries of one appointment are read as one thing. Pure."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.events import Actor
from audit.review import Access

#: Two acts of one actor that lie no further apart than this belong to one visit.
GAP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Visit:
    """What one actor, on one commission, did without a longer pause, in the order given; never empty."""

    accesses: tuple[Access, ...]

    @property
    def actor(self) -> Actor:
        """Who it was."""
        return self.accesses[0].actor

    @property
    def begins(self) -> datetime:
        """When the first act was made."""
        return min(one.at for one in self.accesses)

    @property
    def ends(self) -> datetime:
        """When the last act was made."""
        return max(one.at for one in self.accesses)


def visits(accesses: Iterable[Access], gap: timedelta = GAP) -> tuple[Visit, ...]:
    """Group accesses that are in the order of time, either way.

    Each access is in one visit; a visit stands where its first access did, and has its own in the order given.
    Visits of two actors may overlap: who comes in between ends nobody else's.
    """
    found: list[list[Access]] = []
    open_: dict[Hashable, list[Access]] = {}
    for access in accesses:
        who = _who(access.actor)
        last = open_.get(who)
        if last is not None and abs(last[-1].at - access.at) <= gap:
            last.append(access)
        else:
            open_[who] = begun = [access]
            found.append(begun)
    return tuple(Visit(tuple(one)) for one in found)


def _who(actor: Actor) -> Hashable:
    return actor.kind, actor.id, actor.commission, actor.for_id
