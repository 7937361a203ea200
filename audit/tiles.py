"""The tree's hashes as tiles that anybody may fetch: C2SP tlog-tiles, hash tiles only (docs/adr/0033-witnesses.md).

A tile (level, index) holds the hashes of 256 complete subtrees of 256^level leaves each, in order; a partial one the
first ``width`` of them. Every eighth level of the tree is stored, so that a tile is a run of stored hashes.
"""

import re
from dataclasses import dataclass

from audit.database import Connection
from audit.store import STRIDE, kept

WIDTH = 1 << STRIDE
_PATH = re.compile(r"(0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", flags=re.ASCII)
_MOST_LEVEL = 63
_LONGEST = 40  # characters; an index of 18 digits is longer than any log


class NoSuchTileError(Exception):
    """There is no such tile, or not yet, or the path has not the one form."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile, and how much of it."""

    level: int
    index: int
    width: int = WIDTH

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """Read ``<L>/<N>[.p/<W>]``, N in groups of three digits, all but the last led by ``x``.

        Raises:
            NoSuchTileError: any other form, so that a tile has one address.
        """
        found = _PATH.fullmatch(path) if len(path) <= _LONGEST else None
        if found is None:
            raise NoSuchTileError
        level, number, width = found.groups()
        tile = cls(int(level), int(re.sub("[x/]", "", number)), WIDTH if width is None else int(width))
        is_partial = width is not None
        if tile.level > _MOST_LEVEL or is_partial == (tile.width >= WIDTH) or tile.path != path:
            raise NoSuchTileError
        return tile

    @property
    def path(self) -> str:
        """The one address."""
        groups = re.findall("...", (digits := str(self.index)).zfill((len(digits) + 2) // 3 * 3))
        number = "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
        return f"{self.level}/{number}" + ("" if self.width == WIDTH else f".p/{self.width}")


def read(connection: Connection, tile: Tile, size: int) -> bytes:
    """Return a tile's hashes, as far as a tree of ``size`` has them.

    Raises:
        NoSuchTileError: it has not that many.
        LookupError: a hash that should be there is not.
    """
    first = tile.index * WIDTH
    if first + tile.width > size >> (STRIDE * tile.level):
        raise NoSuchTileError
    return b"".join(kept(connection, STRIDE * tile.level, first, tile.width))
