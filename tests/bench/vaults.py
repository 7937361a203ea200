"""Ingest and size: so many measurements into one vault, beside the same as plaintext typed rows.

Both sides are given the same lists of the same tuples, in time order, a batch a transaction; what ours needs to
make columns of them counts.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import numpy as np

from sharing import adding
from sharing.house import author_of
from tests.bench.life import KINDS, SOURCES, VAULT, Measurement
from tests.bench.sites import Site, enter
from tests.columns import measured
from tests.crowd import settle
from vault.columns import NO_END, Columns, Shape, Units
from vault.record import Origin, Provenance

BATCH = 100_000


async def fill(site: Site, rows: Sequence[Measurement]) -> tuple[float, float]:
    """Fill the vault and the table, batch by batch in turn; return the seconds that each took."""
    await enter(site)
    ours = baseline = 0.0
    for at in range(0, len(rows), BATCH):
        batch = rows[at : at + BATCH]
        begun = time.perf_counter()
        await adding.add(site.house, site.owner, site.alias, columns_of(batch, site))
        between = time.perf_counter()
        site.plain.fill(batch)
        ours, baseline = ours + between - begun, baseline + time.perf_counter() - between
    return ours, baseline


async def crowd(site: Site, rows: Sequence[Measurement], count: int) -> None:
    """Give so many others a vault with the same measurements, and rows of their own in the same table."""
    for number in range(1, count + 1):
        owner = await settle(site.valv, number)
        await adding.add(site.house, owner, owner.person.alias, columns_of(rows, site))
        site.plain.fill([(VAULT + number, *row[1:]) for row in rows])


def columns_of(rows: Sequence[Measurement], site: Site) -> Columns:
    """Turn typed rows into columns."""
    code, start, duration, source, zone = (
        np.fromiter(map(itemgetter(place), rows), np.int64, len(rows)) for place in (2, 3, 4, 7, 8)
    )
    values = np.fromiter(map(itemgetter(5), rows), np.float64, len(rows))
    named = code * len(SOURCES) + source
    there = np.bincount(named).nonzero()[0]
    number = np.zeros(len(KINDS) * len(SOURCES), np.uint16)
    number[there] = np.arange(len(there))
    at = site.house.clock()
    shapes = [_shape(site, one // len(SOURCES), one % len(SOURCES), at) for one in there.tolist()]
    lasting = np.where(duration > 0, duration, NO_END)
    digits = np.array([kind.digits for kind in KINDS])[code]
    return measured(
        shapes, number[named], start, values, digits, duration=lasting, zone=zone.astype(np.int16)
    )


def _shape(site: Site, kind: int, source: int, at: datetime) -> Shape:
    one = KINDS[kind]
    provenance = Provenance(author_of(site.owner), Origin.FHIR_API, at, device=SOURCES[source])
    units = Units(one.unit, one.unit, same=True)
    return Shape(one.category, "Observation", one.coding, "final", units, (), provenance)
