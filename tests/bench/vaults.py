"""Ingest and size: so many measurements into one vault, beside the same as plaintext typed rows.

Both sides are given the same lists of the same tuples, in time order, a batch a transaction; what ours needs to
make columns of them counts.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from sharing import adding
from sharing.house import author_of
from tests.bench.life import KINDS, SOURCES, Measurement
from tests.bench.sites import Site, enter
from vault.columns import NO_END, Columns, Floats, Ints, Shape, Units, join
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


def columns_of(rows: Sequence[Measurement], site: Site) -> Columns:
    """Turn typed rows into columns."""
    code, start, duration, value, source, zone = (
        np.array(list(map(itemgetter(place), rows))) for place in (2, 3, 4, 5, 7, 8)
    )
    group, which = np.unique(code * len(SOURCES) + source, return_inverse=True)
    lasting, zones = np.where(duration > 0, duration, NO_END), zone.astype(np.int16)
    at, parts = site.house.clock(), []
    for number, named in enumerate(group.tolist()):
        chosen = np.flatnonzero(which == number)
        shape = _shape(site, named // len(SOURCES), named % len(SOURCES), at)
        made = Columns.uniform(shape, start[chosen], *_decimals(value[chosen]))
        parts.append(replace(made, duration=lasting[chosen], zone=zones[chosen]))
    return join(parts)


def _shape(site: Site, kind: int, source: int, at: datetime) -> Shape:
    one = KINDS[kind]
    provenance = Provenance(author_of(site.owner), Origin.FHIR_API, at, device=SOURCES[source])
    units = Units(one.unit, one.unit, same=True)
    return Shape(one.category, "Observation", one.coding, "final", units, (), provenance)


def _decimals(values: Floats) -> tuple[Ints, npt.NDArray[np.int8]]:
    """Write floats as the shortest decimals that are them."""
    for digits in range(10):
        mantissa = np.rint(values * 10**digits)
        if np.array_equal(mantissa / 10**digits, values):
            return mantissa.astype(np.int64), np.full(len(values), -digits, np.int8)
    raise ValueError("more digits than a measurement has")
