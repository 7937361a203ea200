"""How long each step of log review may take: read from ``policies/review.toml``, strictly."""

import tomllib
from dataclasses import dataclass, fields
from datetime import timedelta
from importlib.resources.abc import Traversable

from policies.engine import INSTALLED, PoliciesError

_FILE = "review.toml"
_LONGEST = 366


@dataclass(frozen=True, slots=True)
class Deadlines:
    """From what is owed to when it is due."""

    emergency: timedelta
    question: timedelta
    case: timedelta
    explanation: timedelta

    @classmethod
    def load(cls, folder: Traversable = INSTALLED) -> "Deadlines":
        """Read the file.

        Raises:
            PoliciesError: it cannot be read, lacks one, holds another, or one is no number of days from 1 to 366.
        """
        try:
            told = tomllib.loads(folder.joinpath(_FILE).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PoliciesError(f"{_FILE}: {error}") from error
        days, names = told.pop("days", None), {one.name for one in fields(cls)}
        if told or not isinstance(days, dict) or set(days) != names:
            raise PoliciesError(f"{_FILE}: [days] with {', '.join(sorted(names))}, and nothing else")
        for name, value in days.items():
            if type(value) is not int or not 1 <= value <= _LONGEST:
                raise PoliciesError(f"{_FILE}: {name}: a whole number from 1 to {_LONGEST}")
        return cls(**{name: timedelta(days=value) for name, value in days.items()})
