"""The harness of ``make bench``, run briefly: that every row of the table comes out, never how fast."""

import json
from pathlib import Path

import pytest

from tests import postgres
from tests.bench import __main__ as bench
from tests.bench import page
from tests.bench.rows import Row, at_least, at_most
from tests.bench.sites import Engine

ENGINES = ("SQLite",) if postgres.MISSING else ("SQLite", "PostgreSQL")
FIELDS = {"name", "ours", "baseline", "ratio", "goal", "holds"}
ON_EACH = (
    "ingest, of 1,000",
    "size, of 1,000",
    "last 30 days of one category, of 1,000",
    "daily aggregate of a year, of 1,000",
    "daily aggregate of all, of 1,000",
    "whole export, of 1,000",
    "10,000 records masked",
    "durable appends at 1,",
    "durable appends at 8,",
    "durable appends at 32,",
    "durable appends at 64,",
    "verify log entries, of 1,000",
)
ONCE = (
    "one read over HTTP at 1 ",
    "one read over HTTP at 8 ",
    "one read over HTTP at 32 ",
    "decision at 5 rules",
    "decision at 50 rules",
    "decision at 200 rules, beside 5",
    "index rebuilt after a revocation",
    "Apple Health, 0 MB of XML, to sealed and searchable",
    "Apple Health, 0 MB of XML, memory of the import child",
    *(f"of one read: {stage}" for stage in ("decision", "durable entry", "key", "open", "mask", "encode")),
)


@pytest.mark.slow
def test_every_row_of_the_table_is_measured(tmp_path: Path) -> None:
    """A row that is missing would pass for one that holds."""
    told, written = tmp_path / "build" / "bench.json", tmp_path / "page.md"
    written.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    bench.main(["--brief", "--sizes", "1000", "--json", str(told), "--page", str(written)])
    rows = json.loads(told.read_text())
    assert all(set(row) == FIELDS for row in rows)
    assert all(row["ours"] > 0 and row["baseline"] > 0 for row in rows)
    names = [row["name"] for row in rows]
    wanted = [*((name, engine) for name in ON_EACH for engine in ENGINES), *((name, "") for name in ONCE)]
    assert [one for one in wanted if not any(n.startswith(one[0]) and one[1] in n for n in names)] == []
    text = written.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| whole export, ms | SQLite |" in text


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
