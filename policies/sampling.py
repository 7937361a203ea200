"""How many accesses a random draw takes: read from ``policies/sampling.toml``, strictly."""

import tomllib
from importlib.resources.abc import Traversable

import msgspec

from policies.engine import INSTALLED, PoliciesError

_FILE = "sampling.toml"
_ALL = 100.0
_LARGEST = 10_000


class Criteria(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``percent`` of each stratum, at least ``least`` of it, and at most ``most`` in all."""

    percent: float
    least: int
    most: int

    @classmethod
    def load(cls, folder: Traversable = INSTALLED) -> "Criteria":
        """Read the file.

        Raises:
            PoliciesError: it cannot be read, lacks a number, holds another, or one is out of range.
        """
        try:
            told = tomllib.loads(folder.joinpath(_FILE).read_text("utf-8"))
            found = msgspec.convert(told, cls)
        except (OSError, ValueError) as error:
            raise PoliciesError(f"{_FILE}: {error}") from error
        if not (0 < found.percent <= _ALL and 1 <= found.least <= found.most <= _LARGEST):
            raise PoliciesError(f"{_FILE}: percent above 0 to 100, least from 1 to most, most to {_LARGEST}")
        return found
