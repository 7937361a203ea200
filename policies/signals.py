"""The signals of a supervisor's log review: which there are, and what each weighs (signals.toml).

They order what a human looks at; no decision of the product rests on them. A file is taken whole or not at all.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from policies.engine import INSTALLED, PoliciesError

FILE = "signals.toml"
_HEAVIEST = 100
_MOST = 1_000_000


class Signal(StrEnum):
    """The rules by which an access is worth a look; published words never change meaning."""

    OWN_RECORD = "own-record"
    SAME_SURNAME = "same-surname"
    COLLEAGUE = "colleague"
    PROTECTED_IDENTITY = "protected-identity"
    NO_RELATION = "no-relation"
    OTHER_UNIT = "other-unit"
    OFF_HOURS = "off-hours"
    VOLUME = "volume"
    SEQUENTIAL = "sequential"
    EMERGENCY = "emergency"
    BULK = "bulk"
    DENIED = "denied"
    GRANT_BEFORE = "grant-before"
    QUESTION = "question"


#: The limits that each signal has beside ``on`` and ``weight``, and the highest that each may be.
_LIMITS: Mapping[Signal, Mapping[str, int]] = {
    Signal.OWN_RECORD: {},
    Signal.SAME_SURNAME: {"common_per_myriad": 10_000},
    Signal.COLLEAGUE: {},
    Signal.PROTECTED_IDENTITY: {},
    Signal.NO_RELATION: {"days": 366, "usual_percent": 100},
    Signal.OTHER_UNIT: {"usual_percent": 100},
    Signal.OFF_HOURS: {"begin": 24, "end": 24, "usual_percent": 100},
    Signal.VOLUME: {"least": _MOST, "deviations": 100},
    Signal.SEQUENTIAL: {"least": _MOST, "seconds": 3600},
    Signal.EMERGENCY: {},
    Signal.BULK: {"records": _MOST, "least": _MOST},
    Signal.DENIED: {"least": _MOST},
    Signal.GRANT_BEFORE: {"minutes": 1440, "kept_hours": 8760},
    Signal.QUESTION: {},
}


@dataclass(frozen=True, slots=True)
class Tuning:
    """What one signal weighs, 0 where it is off, and its limits."""

    weight: int
    limits: Mapping[str, int]

    def __getitem__(self, limit: str) -> int:
        """Return a limit."""
        return self.limits[limit]


Tunings = Mapping[Signal, Tuning]


def load(source: Traversable = INSTALLED) -> Tunings:
    """Read the file in a folder of policies.

    Raises:
        PoliciesError: by the file and what is wrong in it.
    """
    try:
        told = tomllib.loads(source.joinpath(FILE).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PoliciesError(f"{FILE}: cannot be read: {error}") from None
    if unknown := sorted(set(told) - set(Signal)):
        raise PoliciesError(f"{FILE}: {', '.join(unknown)}: no such signal")
    return MappingProxyType({signal: _tuning(signal, told.get(signal)) for signal in Signal})


def _tuning(signal: Signal, told: Any) -> Tuning:
    if not isinstance(told, dict):
        raise PoliciesError(f"{FILE}: {signal}: is missing, or no table")
    highest = {"weight": _HEAVIEST, **_LIMITS[signal]}
    if wrong := sorted(set(told) ^ {"on", *highest}):
        raise PoliciesError(f"{FILE}: {signal}.{wrong[0]}: is missing, or not known")
    if not isinstance(told["on"], bool):
        raise PoliciesError(f"{FILE}: {signal}.on: must be true or false")
    for name, most in highest.items():
        least = 0 if name in {"weight", "begin"} else 1
        if type(told[name]) is not int or not least <= told[name] <= most:
            raise PoliciesError(f"{FILE}: {signal}.{name}: must be a whole number from {least} to {most}")
    if signal is Signal.OFF_HOURS and told["end"] <= told["begin"]:
        raise PoliciesError(f"{FILE}: {signal}.end: must be after begin")
    limits = {name: told[name] for name in _LIMITS[signal]}
    return Tuning(told["weight"] if told["on"] else 0, MappingProxyType(limits))
