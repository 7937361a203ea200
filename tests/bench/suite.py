"""Every row of the table, in the order of issue and page: what is measured, beside what, and how much it must be.

A goal stands where the issue sets it, at a million measurements and more; smaller sizes show how cost grows.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import deciding, exports, http, reads, vaults
from tests.bench.life import A_MILLION, TEN_YEARS, Measurement, measurements
from tests.bench.rows import Row, at_least, at_most
from tests.bench.sites import Engine, open_site

SIZES = (10_000, 100_000, 1_000_000, 3_000_000)
_SPARSE = 10_000  # measurements of one who measures thrice a day
_INGEST = {Engine.SQLITE: at_least(3), Engine.POSTGRESQL: at_least(2)}
_SIZE = {Engine.SQLITE: at_most(0.4), Engine.POSTGRESQL: at_most(0.15)}
_MONTH = dict.fromkeys(Engine, at_most(1.0))
_DAILY = {Engine.SQLITE: at_most(0.3), Engine.POSTGRESQL: at_most(0.7)}
_EXPORT = {Engine.SQLITE: at_most(0.7), Engine.POSTGRESQL: at_most(1.0)}
_READS = (
    ("last 30 days of one category", reads.month, _MONTH),
    ("daily aggregate of a year", reads.year, _DAILY),
    ("daily aggregate of all", reads.every_year, _DAILY),
    ("whole export", exports.export, _EXPORT),
)


@dataclass(frozen=True, slots=True)
class Options:
    """What is run. ``brief`` runs each only long enough to see that it works."""

    engines: tuple[Engine, ...] = tuple(Engine)
    sizes: tuple[int, ...] = SIZES
    brief: bool = False


Part = Callable[[Options], AsyncIterator[Row]]


async def one_vault(options: Options) -> AsyncIterator[Row]:
    """Ingest, size and reads of one vault, at each size on each engine; then the same of sparse measurements."""
    now = datetime.now(UTC)
    for size in options.sizes:
        rows = measurements(size, now)
        for engine in options.engines:
            async for row in _vault(rows, engine, options):
                yield replace(row, goal=row.goal if size >= A_MILLION else None)
    sparse = measurements(min(_SPARSE, *options.sizes), now, within=TEN_YEARS)
    for engine in options.engines:
        async for row in _vault(sparse, engine, options):
            yield replace(row, work=f"{row.work}, sparse in ten years", goal=None)


async def _vault(rows: list[Measurement], engine: Engine, options: Options) -> AsyncIterator[Row]:
    row, times = partial(Row, size=len(rows), engine=engine), []
    for last in (True,) if options.brief else (False, False, True):
        with open_site(engine) as site:
            times.append(await vaults.fill(site, rows))
            if last:
                ours, baseline = (len(rows) / statistics.median(one) for one in zip(*times, strict=True))
                yield row("ingest", "rows/s", ours, baseline, _INGEST[engine])
                yield row("size", "MB", site.size() / 1e6, site.plain.size() / 1e6, _SIZE[engine])
                await site.allow(data_from="1900-01-01")
                for work, measure, goals in _READS:
                    ours, baseline = (seconds * 1e3 for seconds in await measure(site))
                    yield row(work, "ms", ours, baseline, goals[engine])


async def consent(options: Options) -> AsyncIterator[Row]:
    """Decisions, the index, and masks."""
    with open_site(options.engines[0]) as site:
        for count in deciding.RULES:
            ours, baseline = (seconds * 1e6 for seconds in await deciding.decision(site, count))
            yield Row(f"decision at {count} rules, beside their bare matcher", "µs", ours, baseline)
        many, few = (seconds * 1e6 for seconds in await deciding.grown(site))
        work = f"decision at {max(deciding.RULES)} rules, beside {min(deciding.RULES)}"
        yield Row(work, "µs", many, few, at_most(1.3))
        ours, baseline = (seconds * 1e3 for seconds in await deciding.rebuilt(site))
        yield Row("index rebuilt after a revocation", "ms", ours, baseline, at_most(1), differs=True)
    for engine in options.engines:
        with open_site(engine) as site:
            ours, baseline = (seconds * 1e3 for seconds in await deciding.masked(site))
            work = f"{deciding.MASKED:,} records masked, beside the plain query"
            yield Row(work, "ms", ours, baseline, at_most(3), engine=engine, differs=True)


async def over_http(options: Options) -> AsyncIterator[Row]:
    """One read over HTTP at some connections."""
    seconds = 0.3 if options.brief else 9
    with TemporaryDirectory(prefix="valv-bench-") as folder:
        for connections in (1, 8, 32):
            ours, baseline = await asyncio.to_thread(http.measure, Path(folder), connections, seconds)
            goal = at_least(0.25) if connections == 32 else None
            yield Row(f"one read over HTTP at {connections} connections", "requests/s", ours, baseline, goal)


PARTS: dict[str, Part] = {"vault": one_vault, "consent": consent, "http": over_http}
