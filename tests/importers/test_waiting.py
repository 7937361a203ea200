"""What waits to be sealed: few and large segments, within bounded memory."""

import numpy as np
import pytest

from importers import waiting
from importers.waiting import Waiting
from policies.vocabulary import Category
from tests.importers.import_inputs import PROVENANCE
from vault.columns import NOTHING, Builder, Columns, Shape, Units
from vault.measures import BLOOD_PRESSURE_PANEL
from vault.segment import FULL

DAY = 86_400_000_000
MONTH = 31 * DAY


def rows(
    count: int, *, start: int = 0, step: int = 1, category: Category = Category.SLEEP, text: str = ""
) -> Columns:
    """Make rows, each its own number as fingerprint."""
    units = Units("", None, same=False)
    shape = Shape(category, "Observation", BLOOD_PRESSURE_PANEL, "final", units, (), PROVENANCE)
    builder = Builder()
    for number in range(count):
        builder.row(
            builder.shape(shape), start + number * step, (NOTHING, NOTHING), text=text and f"{text}{number}"
        )
    return builder.columns().marked(np.arange(count, dtype=np.uint64))


def test_rows_go_to_the_shelf_of_their_category_and_month() -> None:
    """A segment is of one drawer and month."""
    waits = Waiting()
    waits.sort_in(rows(4, step=20 * DAY))
    waits.sort_in(rows(1, category=Category.SYMPTOM))
    found = {key: waits.take(key).fingerprint.tolist() for key in waits.all()}
    assert found == {
        (Category.SLEEP, "1970-01"): [0, 1],
        (Category.SLEEP, "1970-02"): [2],
        (Category.SLEEP, "1970-03"): [3],
        (Category.SYMPTOM, "1970-01"): [0],
    }
    assert not waits.all()


def test_shelf_waits_until_it_fills_a_segment() -> None:
    """Types come one after the other in a file, and share the months of a drawer."""
    waits = Waiting()
    waits.sort_in(rows(FULL - 1))
    assert waits.ripe() == []
    waits.sort_in(rows(1))
    assert waits.ripe() == [(Category.SLEEP, "1970-01")]
    assert len(waits.take((Category.SLEEP, "1970-01"))) == FULL


def test_shelf_of_much_text_does_not_wait() -> None:
    """Whole documents weigh more than measurements."""
    waits = Waiting()
    waits.put((Category.DOCUMENT, "a"), rows(3, text="x" * (waiting.HEAVY // 2)))
    assert waits.ripe() == [(Category.DOCUMENT, "a")]


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heaviest shelves go first, until half is left."""
    monkeypatch.setattr(waiting, "MOST", 100_000)
    waits = Waiting()
    for number in range(1, 60):
        waits.put((Category.SLEEP, str(number)), rows(number))
        ripe = waits.ripe()
        if ripe:
            break
    assert ripe[0] == (Category.SLEEP, str(number))
    for key in ripe:
        waits.take(key)
    left = sum(80 * len(waits.take(key)) for key in waits.all())
    assert 25_000 < left <= 50_000


def test_shelf_keeps_no_text_of_its_neighbours() -> None:
    """A small part of a large batch must not hold all of its strings in memory."""
    waits = Waiting()
    waits.sort_in(rows(4, step=MONTH, text="x"))
    assert all(len(waits.take(key).strings) == 1 for key in waits.all())
