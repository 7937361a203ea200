"""What Apple Health's export says by several elements: blood pressures and workouts."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from importers import codes
from importers.apple_rows import Row, Rows
from importers.apple_values import MAX_TEXT, Attributes, components, period
from importers.candidates import Reason, RowError
from policies.vocabulary import Category
from vault.measures import BLOOD_PRESSURE_PANEL
from vault.record import Component, Record

MAX_WAITING = 40_000
_MAX_PARTS = 64
_PRESSURES = (codes.SYSTOLIC_TYPE, codes.DIASTOLIC_TYPE)
_TOTALS = (("DistanceWalkingRunning", "totalDistance"), ("ActiveEnergyBurned", "totalEnergyBurned"))


@dataclass(slots=True)
class Group:
    """A Correlation or Workout whose end is awaited, and what stood inside it."""

    attributes: Attributes
    line: int
    metadata: dict[str, str] = field(default_factory=dict)
    parts: list[Attributes] = field(default_factory=list)

    @property
    def is_pressure(self) -> bool:
        """Whether it pairs two values of one blood pressure."""
        return self.attributes.get("type") == codes.BLOOD_PRESSURE

    def add(self, attributes: Attributes) -> None:
        """Take what stands inside it, up to a bound."""
        if len(self.parts) < _MAX_PARTS:
            self.parts.append(attributes)


class Pairs:
    """Pressures held back until their Correlation comes, and Correlations whose values are still to come."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, list[Row]] = {}
        self._count = 0
        self._claimed: dict[bytes, int] = {}

    def hold_back(self, mark: bytes, row: Row) -> bool:
        """Keep a lone pressure until its Correlation comes, or drop it if it came; ``False`` if full."""
        claimed = self._claimed.get(mark, 0)
        if claimed:
            self._claimed[mark] = claimed - 1
            return True
        if self._count >= MAX_WAITING:
            return False
        self._waiting.setdefault(mark, []).append(row)
        self._count += 1
        return True

    def claim(self, mark: bytes) -> None:
        """Drop one pressure that is a Correlation's, now or when it comes."""
        waiting = self._waiting.get(mark)
        if waiting:
            waiting.pop()
            self._count -= 1
            if not waiting:
                del self._waiting[mark]
        elif len(self._claimed) < MAX_WAITING:
            self._claimed[mark] = self._claimed.get(mark, 0) + 1

    def left(self) -> Iterator[Row]:
        """Let out what no Correlation claimed."""
        for rows in self._waiting.values():
            yield from rows
        self._waiting = {}


def mark_of(attributes: Attributes) -> bytes:
    """Return a short mark of one pressure, the same inside a Correlation and outside."""
    names = ("type", "startDate", "endDate", "value", "unit", "sourceName")
    whole = "\0".join([attributes.get(name, "") for name in names])
    return hashlib.blake2b(whole.encode(), digest_size=16).digest()


def blood_pressure(group: Group, rows: Rows) -> Record:
    """Return a Correlation as one record with two components.

    Raises:
        RowError: one of its halves, or the whole, cannot be kept.
    """
    start, end = period(group.attributes)
    parts: dict[str, Component] = {}
    for attributes in group.parts:
        component = _half(attributes, rows)
        if attributes["type"] in _PRESSURES:
            parts[attributes["type"]] = component
    if not parts:
        raise RowError(Reason.BAD_PAIR)
    ordered = [parts[name] for name in _PRESSURES if name in parts]
    return Record(
        category=Category.BLOOD_PRESSURE,
        kind="Observation",
        code=BLOOD_PRESSURE_PANEL,
        start=start,
        provenance=rows.came(group.attributes if "device" in group.attributes else group.parts[0]),
        end=end,
        components=(*ordered, *components(group.metadata)),
    )


def _half(attributes: Attributes, rows: Rows) -> Component:
    """Read one half; what would be wrong about it alone is wrong about the pair."""
    rows.read(attributes)
    value = attributes.get("value")
    kind = rows.kind(attributes["type"], attributes.get("unit", ""))
    return Component(kind.type.code, *(kind.quantity(value) if kind.numeric and value else (None, None)))


def workout(group: Group, rows: Rows) -> Record:
    """Return a Workout: its duration, and its sums as components.

    Raises:
        RowError: it cannot be kept.
    """
    attributes = group.attributes
    start, end = period(attributes)
    duration = attributes.get("duration")
    quantity = None
    if duration is not None:
        quantity, _ = rows.kind(codes.WORKOUT.code, attributes.get("durationUnit", "min")).quantity(duration)
    return Record(
        category=Category.ACTIVITY,
        kind="Observation",
        code=codes.WORKOUT,
        start=start,
        provenance=rows.came(attributes),
        end=end,
        quantity=quantity,
        text=attributes.get("workoutActivityType", "").removeprefix("HKWorkoutActivityType")[:MAX_TEXT],
        components=(*_totals(group, rows), *components(group.metadata)),
    )


def _totals(group: Group, rows: Rows) -> Iterator[Component]:
    """Yield a workout's sums: older exports write them as attributes, newer ones as statistics."""
    old = group.attributes
    sums = [(f"{codes.QUANTITY}{name}", old.get(total), old.get(f"{total}Unit")) for name, total in _TOTALS]
    sums += [(part.get("type", ""), part.get("sum"), part.get("unit")) for part in group.parts]
    for identifier, value, unit in sums:
        if identifier and value and unit:
            kind = rows.kind(identifier, unit)
            yield Component(kind.type.code, *kind.quantity(value))
