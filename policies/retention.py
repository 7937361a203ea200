"""For how long what the log says is kept: read from ``policies/retention.toml``, strictly."""

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources.abc import Traversable

from policies.engine import INSTALLED, PoliciesError

_FILE = "retention.toml"
_LEAST, _MOST = 5, 100  # years; HSLF-FS 2016:40 ch. 4


@dataclass(frozen=True, slots=True)
class Retention:
    """So many whole years are kept, and the months since."""

    years: int

    @classmethod
    def load(cls, folder: Traversable = INSTALLED) -> "Retention":
        """Read the file.

        Raises:
            PoliciesError: it cannot be read, holds anything else, or fewer years than the law asks for.
        """
        try:
            told = tomllib.loads(folder.joinpath(_FILE).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PoliciesError(f"{_FILE}: {error}") from error
        years = told.get("years")
        if set(told) != {"years"} or type(years) is not int or not _LEAST <= years <= _MOST:
            raise PoliciesError(f"{_FILE}: years, a whole number from {_LEAST} to {_MOST}, and nothing else")
        return cls(years)

    def kept_since(self, at: datetime) -> datetime:
        """Return since when all is kept: the first moment of a month, since keys are of months (UTC)."""
        now = at.astimezone(UTC)
        return datetime(now.year - self.years, now.month, 1, tzinfo=UTC)
