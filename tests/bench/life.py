"""One person's measurements, made up, a million in ten years: the typed rows that both sides are given."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from keys.envelope import microseconds
from policies.vocabulary import Category
from vault.columns import Ints
from vault.days import SWEDEN
from vault.measures import LOINC, MEASURES
from vault.record import Code

#: How long a person has measured who has so many: what a watch and a glucose sensor come to.
TEN_YEARS, A_MILLION = timedelta(days=3650), 1_000_000
SECOND = 1_000_000
_HOUR = 3600 * SECOND

#: vault, category, code, start (µs, UTC), duration (µs, 0: a moment), value, unit, source, zone (minutes): a typed
#: row. What is a name is a number, as in any well-made table; see :class:`Kind`.
Measurement = tuple[int, int, int, int, int, float, int, int, int]
VAULT = 1


class Kind(NamedTuple):
    """One kind of measurement: how often, around what, how exact, how long (s; 0: a moment), by what."""

    code: str
    share: float
    mean: float
    spread: float
    digits: int
    seconds: int
    source: str

    @property
    def category(self) -> Category:
        """The drawer."""
        return MEASURES[self.code].category

    @property
    def unit(self) -> str:
        """The unit, UCUM."""
        return MEASURES[self.code].unit

    @property
    def coding(self) -> Code:
        """The code as a record has it."""
        return Code(LOINC, self.code, MEASURES[self.code].en)


#: What a watch, a glucose sensor, scales and a thermometer write, in about the parts that they do. A kind's
#: place is the number of its code, and of its unit.
KINDS = (
    Kind("8867-4", 0.46, 74, 14, 0, 0, "Watch"),
    Kind("55423-8", 0.20, 90, 60, 0, 600, "Watch"),
    Kind("41981-2", 0.10, 12, 6, 2, 600, "Watch"),
    Kind("59408-5", 0.07, 97, 1, 0, 0, "Watch"),
    Kind("105272-9", 0.07, 6.4, 1.6, 1, 0, "Sensor"),
    Kind("9279-1", 0.05, 15, 2, 1, 0, "Watch"),
    Kind("93832-4", 0.03, 7.2, 1.1, 2, 26_000, "Watch"),
    Kind("29463-7", 0.01, 78, 1.5, 1, 0, "Scales"),
    Kind("8310-5", 0.01, 36.8, 0.4, 1, 0, "Thermometer"),
)
SOURCES = ("Watch", "Sensor", "Scales", "Thermometer")
HEART_RATE = KINDS[0]


def measurements(count: int, until: datetime, *, within: timedelta | None = None) -> list[Measurement]:
    """Return so many measurements in time order, up to a moment; the same for the same arguments."""
    chance = np.random.default_rng(count)
    end = microseconds(until.astimezone(UTC)) // SECOND
    span = within or TEN_YEARS * (count / A_MILLION)
    back = chance.choice(
        int(span.total_seconds()), count, replace=False, shuffle=False
    )  # none twice at one moment
    start = np.sort(end - back.astype(np.int64)) * SECOND
    shares = np.array([kind.share for kind in KINDS])
    kind = chance.choice(len(KINDS), count, p=shares / shares.sum())
    value = np.zeros(count)
    for number, one in enumerate(KINDS):
        rows = kind == number
        value[rows] = np.round(np.abs(chance.normal(one.mean, one.spread, rows.sum())), one.digits)
    named = [(number_of(one.category), SOURCES.index(one.source), one.seconds * SECOND) for one in KINDS]
    columns = zip(kind.tolist(), start.tolist(), value.tolist(), _zones(start).tolist(), strict=True)
    return [(VAULT, named[k][0], k, s, named[k][2], v, k, named[k][1], zone) for k, s, v, zone in columns]


def number_of(category: Category) -> int:
    """Return a category's number."""
    return tuple(Category).index(category)


def _zones(start: Ints) -> Ints:
    """Return the Swedish offset of each moment in minutes; it changes at whole hours."""
    hours, which = np.unique(start // _HOUR, return_inverse=True)
    moments = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in hours.tolist())
    offsets = [(at.astimezone(SWEDEN).utcoffset() or timedelta()) // timedelta(minutes=1) for at in moments]
    return np.array(offsets, dtype=np.int64)[which]
