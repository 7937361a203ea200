"""A mask over whole columns opens exactly what the question put for each record does."""

from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.scope import Probe, Scope, Terms

CODES = ("a", "b", "c")
FIRST = date(2026, 1, 1)
DAYS = st.integers(-5, 15).map(lambda number: FIRST + timedelta(days=number))
TERMS = st.builds(
    Terms, st.just("rule"), st.frozensets(st.sampled_from(CODES)), st.none() | DAYS, st.none() | DAYS
)
PROBES = st.frozensets(st.builds(Probe, st.booleans(), st.booleans()))
SCOPES = st.builds(
    Scope, st.lists(TERMS, max_size=3).map(tuple), st.lists(TERMS, max_size=3).map(tuple), PROBES
)
ROWS = st.lists(st.tuples(st.integers(0, len(CODES) - 1), DAYS))


@settings(deadline=None)
@given(SCOPES, ROWS)
def test_mask_is_the_question_put_for_each_row(scope: Scope, rows: list[tuple[int, date]]) -> None:
    """No row more, no row less, whatever allows, blocks and permitted classes there are."""
    code = np.array([one for one, _ in rows], dtype=np.int64)
    day = np.array([(one - date(1970, 1, 1)).days for _, one in rows], dtype=np.int64)
    assert scope.mask(CODES, code, day).tolist() == [scope.permits(CODES[one], when) for one, when in rows]
