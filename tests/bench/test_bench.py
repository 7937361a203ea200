"""The harness of ``make bench``, run briefly: that every row of the table comes out, never how fast."""

import json
from pathlib import Path

import pytest

from tests import postgres
from tests.bench import __main__ as bench
from tests.bench import looking, page
from tests.bench.rows import Row, at_least, at_most
from tests.bench.sites import Engine
from tests.bench.suite import PARTS

ENGINES = ("SQLite",) if postgres.MISSING else ("SQLite", "PostgreSQL")
FIELDS = {"name", "ours", "baseline", "ratio", "goal", "holds"}
#: The rows of each part, as their names begin: those that are measured on each engine, and those on none.
ROWS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "vault": (
        (
            "ingest, of 1,000",
            "size, of 1,000",
            "last 30 days of one category, of 1,000",
            "daily aggregate of a year, of 1,000",
            "daily aggregate of all, of 1,000",
            "whole export, of 1,000",
        ),
        (),
    ),
    "vaults": (
        (
            "last 30 days of one category, one of 4 vaults of 100",
            "last 30 days of one category, one of 4 vaults of 100, beside the only vault",
        ),
        (),
    ),
    "consent": (
        ("10,000 records masked",),
        (
            "decision at 5 rules, beside their bare matcher",
            "decision at 50 rules, beside their bare matcher",
            "decision at 200 rules, beside their bare matcher",
            "decision at 200 rules, beside 5",
            "index rebuilt after a revocation",
        ),
    ),
    "http": (
        (),
        (
            *(f"one read over HTTP at {connections} connections" for connections in (1, 8, 32)),
            *(
                f"of one read: {one}"
                for one in ("decision", "durable entry", "key", "open", "mask", "encode")
            ),
        ),
    ),
    "appends": (tuple(f"durable appends at {clients}," for clients in (1, 8, 32, 64)), ()),
    "verify": (("verify log entries, of 1,000",), ()),
    "looked": (tuple(f"page of who has looked, {one}" for one in looking.PAGES), ()),
    "apple": (
        (),
        (
            "Apple Health, 0 MB of XML, to sealed and searchable",
            "Apple Health, 0 MB of XML, memory of the import child",
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_row_of_the_table_is_measured(part: str, tmp_path: Path) -> None:
    """A row that is missing would pass for one that holds."""
    told, written = tmp_path / "build" / "bench.json", tmp_path / "page.md"
    written.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    options = ["--only", part, "--brief", "--sizes", "1000"]
    bench.main([*options, "--json", str(told), "--page", str(written)])
    rows = json.loads(told.read_text())
    assert all(set(row) == FIELDS for row in rows)
    assert all(row["ours"] > 0 and row["baseline"] > 0 for row in rows)
    on_each, on_none = ROWS[part]
    wanted = [
        *((name, f", {engine} (") for name in on_each for engine in ENGINES),
        *((n, " (") for n in on_none),
    ]
    names = [row["name"] for row in rows]
    assert [one for one in wanted if not any(n.startswith(one[0]) and one[1] in n for n in names)] == []
    text = written.read_text()
    assert (text[:7], text[-6:], "old" in text) == ("before\n", "after\n", False)
    assert text.count("\n| ") > len(set(names)) // 2


def test_a_goal_is_held_by_the_ratio() -> None:
    """A goal that could not be missed would say nothing."""
    fast, small = Row("w", "rows/s", 6, 2, at_least(3)), Row("w", "MB", 4, 10, at_most(0.4))
    assert (fast.holds, small.holds) == (True, True)
    assert Row("w", "rows/s", 5.9, 2, at_least(3)).holds is False
    assert Row("w", "MB", 4.1, 10, at_most(0.4)).holds is False
    assert Row("w", "MB", 4.1, 10).holds is None


def test_a_difference_says_so_in_its_name() -> None:
    """A reader of the file must know what the ratio is."""
    row = Row("masks", "ms", 5, 3, at_most(3), engine=Engine.SQLITE, differs=True)
    assert row.told() == {
        "name": "masks, SQLite (ms; difference)",
        "ours": 5,
        "baseline": 3,
        "ratio": 2,
        "goal": "≤ 3",
        "holds": True,
    }
