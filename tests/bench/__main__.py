"""``make bench``: run every measurement, print the table, write build/bench.json.

    python -m tests.bench [--only vault,http] [--engines SQLite,PostgreSQL] [--sizes 10000,1000000]
                          [--brief] [--page docs/performance.md]

A full run takes most of an hour, and wants a machine that does nothing else. It ends with 1 where a goal is
missed. Where there is no PostgreSQL, it says so and measures SQLite alone.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import postgres
from tests.bench import page
from tests.bench.rows import HEADING, Row, write
from tests.bench.sites import Engine
from tests.bench.suite import PARTS, SIZES, Options, Part

FILE = Path("build/bench.json")
_HERE = (Engine.SQLITE,) if postgres.MISSING else tuple(Engine)


async def run(options: Options, parts: Sequence[Part]) -> list[Row]:
    """Run some parts; print each row as it comes."""
    rows = []
    _say(HEADING)
    for part in parts:
        async for row in part(options):
            _say(row.line())
            rows.append(row)
    return rows


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say."""
    told = _parser().parse_args(arguments)
    if postgres.MISSING:
        _say(f"SQLite alone: {postgres.MISSING}")
    options = Options(told.engines, told.sizes, brief=told.brief)
    rows = asyncio.run(run(options, [PARTS[name] for name in told.only]))
    write(rows, told.json)
    if told.page is not None:
        page.put(rows, told.page)
    missed = [row for row in rows if row.holds is False]
    _say(f"{len(rows)} rows in {told.json}; {len(missed)} goals missed")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure, beside limits.")
    parser.add_argument("--only", type=_names, default=tuple(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--engines", type=_engines, default=_HERE, help=f"of {','.join(Engine)}")
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="measurements in one vault")
    parser.add_argument("--brief", action="store_true", help="only see that it works")
    parser.add_argument("--json", type=Path, default=FILE)
    parser.add_argument("--page", type=Path, help="write the figures into this page too")
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"of {','.join(PARTS)}")
    return names


def _engines(text: str) -> tuple[Engine, ...]:
    return tuple(map(Engine, text.split(",")))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(","))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
