"""A stratified random draw that anybody can make again from its seed, the population and the criteria; pure.

Within each stratum the accesses are ranked by HMAC-SHA256 of their ids under the seed, and the first are taken
(docs/spec/audit-v1.md, section 16). Neither the order in which the log was read, nor one access more or less in another
stratum, changes what is drawn of a stratum, as long as no stratum is cut to the most that is taken in all.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from audit.events import ActorKind, Decision, EventKind
from audit.review import Access
from keys.primitives import mac
from policies.sampling import Criteria

#: What staff do with a citizen's data, and so what is drawn from; an emergency opening is always reviewed.
DRAWN = frozenset({EventKind.READ, EventKind.ADD, EventKind.VIEW, EventKind.EXPORT})


class Stratum(NamedTuple):
    """What is drawn from by itself: a unit and what was done there."""

    unit: str
    kind: EventKind


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stratum of a draw: how many accesses it has, and which of them (ids in hex) were drawn."""

    unit: str
    kind: EventKind
    population: int
    drawn: tuple[str, ...]


def of_population(accesses: Iterable[Access]) -> dict[bytes, Stratum]:
    """Return what is drawn from, by id: what staff were permitted to do with a citizen's data."""
    return {
        one.id: Stratum(one.actor.unit_id, one.kind)
        for one in accesses
        if one.actor.kind is ActorKind.STAFF and one.kind in DRAWN and one.decision is Decision.PERMIT
    }


def digest(population: Iterable[bytes]) -> str:
    """Return the SHA-256 (hex) of the ids of a population, sorted, one after the other."""
    return hashlib.sha256(b"".join(sorted(population))).hexdigest()


def draw(seed: bytes, population: Mapping[bytes, Stratum], criteria: Criteria) -> tuple[Taken, ...]:
    """Return what is drawn of each stratum, in the strata's order."""
    strata: dict[Stratum, list[bytes]] = defaultdict(list)
    for id_, stratum in population.items():
        strata[stratum].append(id_)
    sizes = _sizes({stratum: len(ids) for stratum, ids in strata.items()}, criteria)
    return tuple(
        Taken(stratum.unit, stratum.kind, len(ids), _first(seed, ids, sizes[stratum]))
        for stratum, ids in sorted(strata.items())
    )


def _first(seed: bytes, ids: Sequence[bytes], size: int) -> tuple[str, ...]:
    return tuple(id_.hex() for id_ in sorted(ids, key=lambda one: mac(seed, one))[:size])


def _sizes(populations: Mapping[Stratum, int], criteria: Criteria) -> dict[Stratum, int]:
    """Return how many to take of each; while it is too many in all, one less of whichever gives most."""
    sizes = {
        stratum: min(count, max(criteria.least, math.ceil(count * criteria.percent / 100)))
        for stratum, count in populations.items()
    }
    over = sum(sizes.values()) - criteria.most
    for _ in range(max(0, over)):
        largest = max(sorted(sizes), key=lambda one: sizes[one])
        sizes[largest] -= 1
    return sizes
