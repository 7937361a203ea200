"""What a measurement comes to: a row of the table, and how two things are measured beside each other.

The machine may be busy, so that a figure alone says little: ours and its limit are run in turn, in one process
where they can be, and their medians are compared. Every goal is about their ratio.
"""

import gc
import inspect
import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a ratio has to hold."""

    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"

    def holds(self, ratio: float) -> bool:
        """Tell whether it does."""
        return ratio >= self.limit if self.sign == "≥" else ratio <= self.limit


def at_least(limit: float) -> Goal:
    """Return the goal of a speed."""
    return Goal("≥", limit)


def at_most(limit: float) -> Goal:
    """Return the goal of a time or a size."""
    return Goal("≤", limit)


@dataclass(frozen=True, slots=True)
class Row:
    """One row. Without a goal it shows how cost grows, and whether it holds is no question.

    ``size`` is how many records the vault has, where that matters. ``differs`` where ``ratio`` is the
    difference of the two, else it is ours by the baseline; the name says so.
    """

    work: str
    unit: str
    ours: float
    baseline: float
    goal: Goal | None = None
    size: int | None = None
    engine: str = ""
    differs: bool = False

    @property
    def name(self) -> str:
        """The work, its size and engine, and the unit of ours and baseline."""
        of = [] if self.size is None else [f"of {self.size:,}"]
        on = [self.engine] if self.engine else []
        return f"{', '.join((self.work, *of, *on))} ({self.unit}{'; difference' if self.differs else ''})"

    @property
    def ratio(self) -> float:
        """What the goal is about."""
        return self.ours - self.baseline if self.differs else self.ours / self.baseline

    @property
    def holds(self) -> bool | None:
        """Tell whether the goal is met."""
        return None if self.goal is None else self.goal.holds(self.ratio)

    def told(self) -> dict[str, Any]:
        """Return the row as it stands in build/bench.json."""
        return {
            "name": self.name,
            "ours": self.ours,
            "baseline": self.baseline,
            "ratio": self.ratio,
            "goal": None if self.goal is None else str(self.goal),
            "holds": self.holds,
        }

    def line(self) -> str:
        """Return the row as it is printed."""
        verdict = {True: "holds", False: "DOES NOT HOLD", None: ""}[self.holds]
        figures = f"{shown(self.ours):>12}{shown(self.baseline):>12}{shown(self.ratio):>9}"
        return f"{self.name:<72}{figures}  {self.goal or ''!s:<8}{verdict}".rstrip()


HEADING = f"{'':<72}{'ours':>12}{'baseline':>12}{'ratio':>9}  goal"


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.told() for row in rows], ensure_ascii=False, indent=1) + "\n")


def shown(figure: float) -> str:
    """Write a figure with the digits that say something."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


Work = Callable[[], Any]


async def side_by_side(ours: Work, baseline: Work, seconds: float) -> tuple[float, float]:
    """Return the median seconds of both, run in turn until time is spent, three times at least (or, for 0, once).

    What returns an awaitable is awaited. Both are run once before, so that both are warm.
    """
    works, rounds = (ours, baseline), _ROUNDS if seconds else 1
    times: tuple[list[float], list[float]] = ([], [])
    for work in works:
        await _timed(work)
    gc.collect()
    while len(times[0]) < rounds or sum(map(sum, times)) < seconds:
        for work, spent in zip(works, times, strict=True):
            spent.append(await _timed(work))
    return statistics.median(times[0]), statistics.median(times[1])


async def _timed(work: Work) -> float:
    begun = time.perf_counter()
    result = work()
    if inspect.isawaitable(result):
        await result
    return time.perf_counter() - begun
