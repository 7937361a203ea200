"""Every row of the table, in the order of issue and page: what is measured, beside what, and how much it must be.

A goal stands where the issue sets it, at a million measurements and more; smaller sizes show how cost grows.
"""

import asyncio
import statistics
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import postgres
from tests.bench import (
    appends,
    apple_file,
    deciding,
    exports,
    http,
    importing,
    looking,
    one_read,
    reads,
    vaults,
    verifying,
)
from tests.bench.life import A_MILLION, TEN_YEARS, Measurement, measurements
from tests.bench.rows import Row, at_least, at_most
from tests.bench.sites import Engine, look_through, open_site

SIZES = (10_000, 100_000, 1_000_000, 3_000_000)
_TWO_GB = 6_200_000  # records of an export of Apple Health
_OTHERS, _EACH = 999, 1_000  # vaults beside, and measurements in each
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

    @property
    def seconds(self) -> float:
        """How long two short things are run in turn."""
        return 0 if self.brief else 2


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
                await look_through(site.house, site.owner)
                for work, measure, goals in _READS:
                    ours, baseline = (seconds * 1e3 for seconds in await measure(site, options.seconds))
                    yield row(work, "ms", ours, baseline, goals[engine])


async def many_vaults(options: Options) -> AsyncIterator[Row]:
    """A month of one vault among many, beside the same month when it was the only one."""
    others, each = (3, 100) if options.brief else (_OTHERS, _EACH)
    for engine in options.engines:
        with open_site(engine) as site:
            rows = measurements(each, datetime.now(UTC))
            await vaults.fill(site, rows)
            await site.allow(data_from="1900-01-01")
            await look_through(site.house, site.owner)
            alone, _ = await reads.month(site, options.seconds)
            await vaults.crowd(site, rows, others)
            among, plain = await reads.month(site, options.seconds)
            work = f"last 30 days of one category, one of {others + 1:,} vaults of {each:,}"
            yield Row(work, "ms", among * 1e3, plain * 1e3, engine=engine)
            yield Row(f"{work}, beside the only vault", "ms", among * 1e3, alone * 1e3, engine=engine)


async def consent(options: Options) -> AsyncIterator[Row]:
    """Decisions, the index, and masks."""
    with open_site(options.engines[0]) as site:
        for count in deciding.RULES:
            ours, baseline = (
                seconds * 1e6 for seconds in await deciding.decision(site, count, options.seconds)
            )
            yield Row(f"decision at {count} rules, beside their bare matcher", "µs", ours, baseline)
        many, few = (seconds * 1e6 for seconds in await deciding.grown(site, options.seconds))
        work = f"decision at {max(deciding.RULES)} rules, beside {min(deciding.RULES)}"
        yield Row(work, "µs", many, few, at_most(1.3))
        ours, baseline = (seconds * 1e3 for seconds in await deciding.rebuilt(site, options.seconds))
        yield Row("index rebuilt after a revocation", "ms", ours, baseline, at_most(1), differs=True)
    for engine in options.engines:
        with open_site(engine) as site:
            ours, baseline = (seconds * 1e3 for seconds in await deciding.masked(site, options.seconds))
            work = f"{deciding.MASKED:,} records masked, beside the plain query"
            yield Row(work, "ms", ours, baseline, at_most(3), engine=engine, differs=True)


async def over_http(options: Options) -> AsyncIterator[Row]:
    """One read over HTTP at some connections, and where the time of one goes."""
    with TemporaryDirectory(prefix="valv-bench-") as folder:
        for connections in (1, 8, 32):
            seconds = 0.3 if options.brief else 9
            ours, baseline = await asyncio.to_thread(http.measure, Path(folder), connections, seconds)
            goal = at_least(0.25) if connections == 32 else None
            yield Row(f"one read over HTTP at {connections} connections", "requests/s", ours, baseline, goal)
        stages = await asyncio.to_thread(one_read.split, Path(folder), 10 if options.brief else 500)
        for stage, seconds in stages.items():
            if stage != "whole":
                yield Row(f"of one read: {stage}", "µs, of all", seconds * 1e6, stages["whole"] * 1e6)


async def log_appends(options: Options) -> AsyncIterator[Row]:
    """Durable appends by some clients."""
    rounds, seconds = (1, 0.05) if options.brief else (3, 2.0)
    for engine in options.engines:
        with _store(engine) as store:
            for clients in appends.CLIENTS:
                turns = [
                    (await appends.ours(store, clients, seconds), await appends.bare(store, clients, seconds))
                    for _ in range(rounds)
                ]
                ours, baseline = map(statistics.median, zip(*turns, strict=True))
                goal = at_least(0.6) if clients in {32, 64} else None
                yield Row(f"durable appends at {clients}", "a second", ours, baseline, goal, engine=engine)


@contextmanager
def _store(engine: Engine) -> Iterator[Path | str]:
    """Make a folder, or an empty database whose commits are forced to disk."""
    with TemporaryDirectory(prefix="valv-bench-") as folder, ExitStack() as stack:
        if engine is Engine.SQLITE:
            yield Path(folder)
        else:
            yield stack.enter_context(closing(postgres.Server(durable=True))).create()


async def verification(options: Options) -> AsyncIterator[Row]:
    """Verify logs of as many entries as there are sizes, beside as many SHA-256 calls."""
    for entries in options.sizes:
        for engine in options.engines:
            with _store(engine) as store, TemporaryDirectory(prefix="valv-bench-") as name:
                folder, url = (store, "") if isinstance(store, Path) else (Path(name), store)
                await asyncio.to_thread(verifying.make_log, folder, entries, url=url)
                turns = [
                    (
                        await asyncio.to_thread(verifying.ours, folder, url=url),
                        await asyncio.to_thread(verifying.baseline, entries),
                    )
                    for _ in range(1 if options.brief else 3)
                ]
                ours, baseline = map(statistics.median, zip(*turns, strict=True))
                goal = at_most(10) if entries >= A_MILLION else None
                yield Row("verify log entries", "s", ours, baseline, goal, entries, engine)


async def who_has_looked(options: Options) -> AsyncIterator[Row]:
    """The citizen's page over a log of many entries of one vault, beside what it may take."""
    entries, times = (400, 1) if options.brief else (looking.ENTRIES, 20)
    for engine in options.engines:
        with open_site(engine) as site:
            for name, seconds in (await looking.pages(site, entries, times)).items():
                work = (
                    f"page of who has looked, {name}, of {entries:,} entries, beside {looking.LIMIT_MS:g} ms"
                )
                yield Row(work, "ms", seconds * 1e3, looking.LIMIT_MS, at_most(1), engine=engine)


async def apple_health(options: Options) -> AsyncIterator[Row]:
    """An export of Apple Health, imported; at the end one of two GB, whose size must not be felt in memory."""
    for records in (*options.sizes, *(() if options.brief else (_TWO_GB,))):
        with TemporaryDirectory(prefix="valv-bench-") as name:
            folder = Path(name)
            file = folder / "export.zip"
            await asyncio.to_thread(apple_file.write, file, records)
            with zipfile.ZipFile(file) as archive:
                size = archive.getinfo(apple_file.MEMBER).file_size / 1e6
            took, memory = await asyncio.to_thread(importing.ours, folder / "data", file)
            limit = await asyncio.to_thread(importing.baseline, file)
            work = f"Apple Health, {size:,.0f} MB of XML"
            large = records >= A_MILLION
            goals = (at_least(0.3), at_most(1)) if large else (None, None)
            yield Row(f"{work}, to sealed and searchable", "MB/s", size / took, size / limit, goals[0])
            yield Row(f"{work}, memory of the import child beside 200 MB", "MB", memory, 200, goals[1])


PARTS: dict[str, Part] = {
    "vault": one_vault,
    "vaults": many_vaults,
    "consent": consent,
    "http": over_http,
    "appends": log_appends,
    "verify": verification,
    "looked": who_has_looked,
    "apple": apple_health,
}
