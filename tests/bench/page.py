"""Writes the figures of a run into docs/performance.md, between two marks, so that none is copied by hand."""

import os
import platform
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

from tests import postgres
from tests.bench.rows import Row, shown

BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"
_LIBRARIES = ("cryptography", "numpy", "zstandard", "cedarpy", "sqlalchemy", "psycopg", "litestar", "uvicorn")


def put(rows: Sequence[Row], page: Path) -> None:
    """Replace what stands between the marks."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([f"{before}{BEGIN}", "", *_tables(rows), "", f"{END}{after}"]))


def _tables(rows: Sequence[Row]) -> Iterator[str]:
    yield from ("| Measured on | |", "|---|---|")
    for what, told in _machine():
        yield f"| {what} | {told} |"
    yield from ("", *_grown([row for row in rows if row.size is not None]))
    yield from ("", *_plain([row for row in rows if row.size is None]))


def _grown(rows: Sequence[Row]) -> Iterator[str]:
    """Write the works that have sizes: a line a work and engine, a column a size."""
    sizes = sorted({row.size or 0 for row in rows})
    yield f"| Work | Engine | {' | '.join(f'{size:,}' for size in sizes)} | Goal |"
    yield f"|---|---|{'---:|' * len(sizes)}---|"
    for work, unit, engine in dict.fromkeys((row.work, row.unit, row.engine) for row in rows):
        mine = {row.size: row for row in rows if (row.work, row.engine) == (work, engine)}
        cells = [_cell(mine[size]) if size in mine else "" for size in sizes]
        goal = next((str(row.goal) for row in mine.values() if row.goal), "")
        yield f"| {work}, {unit} | {engine} | {' | '.join(cells)} | {goal} |"


def _plain(rows: Iterable[Row]) -> Iterator[str]:
    yield from ("| Work | Ours | Limit | Ratio | Goal |", "|---|---:|---:|---:|---|")
    for row in rows:
        yield (
            f"| {row.name} | {shown(row.ours)} | {shown(row.baseline)} | {_ratio(row)} | {row.goal or ''} |"
        )


def _cell(row: Row) -> str:
    return f"{shown(row.ours)} : {shown(row.baseline)} = {_ratio(row)}"


def _ratio(row: Row) -> str:
    return f"**{shown(row.ratio)}**" + (" (missed)" if row.holds is False else "")


def _machine() -> Iterator[tuple[str, str]]:
    yield "processor", f"{_processor()}, {os.cpu_count()} cores, {_memory():.0f} GB"
    yield "disk", f"a write of 4 KiB and fdatasync takes {_sync_ms():.2f} ms (median)"
    yield "system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    yield "engines", f"SQLite {sqlite3.sqlite_version}, PostgreSQL {_postgresql()}"
    yield "libraries", ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)


def _postgresql() -> str:
    if postgres.MISSING:
        return "not here"
    told = subprocess.run(
        [str(postgres.BIN / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return told.stdout.split()[2]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, told = line.partition(":")
        if name.strip() == "model name":
            return told.strip()
    return platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)


def _sync_ms() -> float:
    times = []
    with NamedTemporaryFile() as file:
        for _ in range(100):
            begun = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e3
