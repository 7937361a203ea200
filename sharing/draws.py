"""Random draws of an organisation's accesses: the seed is in the log before anything is drawn, and all is kept.

Nobody can draw until they like what they get: each seed stands in the log the moment it is made, with who made it. What
was drawn is kept as a document (:mod:`sharing.controls`) whose digest the log has, with seed, period, criteria and
the population's count and digest, so that it can be drawn again (:mod:`audit.sampling`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from audit import review, sampling
from audit.entry import Entry
from audit.events import Activity, EventKind
from audit.review import Access
from audit.sampling import Taken
from audit.signals import Hit
from consent.questions import Organisation
from consent.rules import RuleError
from identity.principal import Staff
from keys.primitives import random_key
from policies.sampling import Criteria
from policies.vocabulary import Deed
from sharing import controls
from sharing.accesses import ask_as_organisation, organisation_of, own_organisation
from sharing.aside import aside
from sharing.controls import Kept, Kind
from sharing.house import House

SAMPLE = "sample"
_SCORE = 1.0
_CHUNK = 500


class Draw(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A draw: everything that it was made from, and what it took. Times are UTC, ``until`` is not in it."""

    seed: str
    organisation: str
    since: datetime
    until: datetime
    criteria: Criteria
    population: int
    digest: str
    strata: tuple[Taken, ...]

    @property
    def drawn(self) -> tuple[bytes, ...]:
        """The ids of the accesses that were drawn."""
        return tuple(bytes.fromhex(id_) for one in self.strata for id_ in one.drawn)


@dataclass(frozen=True, slots=True)
class Again:
    """A draw made again: whether the population is the one it was, and whether the draw is."""

    draw: Draw
    is_same_population: bool
    is_same: bool


async def make(house: House, staff: Staff, since: datetime, until: datetime) -> Draw:
    """Draw from what the supervisor's organisation did in a period.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
        RuleError: the period ends before it begins, or has not ended.
    """
    if not since < until <= house.clock():
        raise RuleError("until: after since, and not in the future")
    node, seed = own_organisation(staff), random_key()
    begun = await ask_as_organisation(
        house,
        staff,
        Organisation(node),
        Deed.REVIEW_LOG,
        EventKind.CONTROL,
        Activity.ATTEST,
        subject=seed.hex(),
        reason=str(Kind.DRAW),
    )
    criteria = house.sampling
    population = await aside(lambda: sampling.of_population(accesses_of(house, node, since, until)))
    made = Draw(
        seed.hex(),
        node,
        since,
        until,
        criteria,
        len(population),
        sampling.digest(population),
        sampling.draw(seed, population, criteria),
    )
    counts = {"population": made.population, "drawn": len(made.drawn)}
    await controls.keep(house, begun, node, msgspec.json.encode(made), counts)
    return made


async def again(house: House, staff: Staff, document: bytes) -> Again:
    """Draw again by what was kept of a draw, from the log as it is now.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
        controls.NoSuchControlError: this organisation made no draw of that digest.
    """
    kept = await controls.find(house, staff, Kind.DRAW, document)
    old = decode(kept)
    node = own_organisation(staff)
    population = await aside(lambda: sampling.of_population(accesses_of(house, node, old.since, old.until)))
    taken = sampling.draw(bytes.fromhex(old.seed), population, old.criteria)
    return Again(old, sampling.digest(population) == old.digest, taken == old.strata)


async def hits(house: House, staff: Staff) -> tuple[Hit, ...]:
    """Return what was drawn, for the queue of :func:`sharing.cases.queue`.

    Raises:
        consent.gate.Refused: the commission is not one of log review.
    """
    found = await controls.all_of(house, staff, Kind.DRAW)
    return tuple(Hit(id_, SAMPLE, _SCORE) for one in found if one.content for id_ in decode(one).drawn)


def decode(kept: Kept) -> Draw:
    """Read a kept draw that is there."""
    return msgspec.json.decode(kept.content or b"", type=Draw)


def accesses_of(house: House, node: str, since: datetime, until: datetime) -> Iterator[Access]:
    """Yield what an organisation answers for that was done in a period, newest first; the caller was let in."""
    organisation, before = node.partition(":")[2], None
    newer: list[Entry] = []
    while True:
        chunk = house.log.entries_of_organisation(organisation, before_seq=before, limit=_CHUNK)
        for one in review.accesses(chunk, later=newer):
            if isinstance(one, Access) and since <= one.at < until and organisation_of(one.actor) == node:
                yield one
        if len(chunk) < _CHUNK or chunk[-1].at < since:
            return
        newer, before = chunk, chunk[-1].seq
