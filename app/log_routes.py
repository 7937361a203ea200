"""The log's tree for anybody: C2SP tlog-tiles under ``/log``. Hashes only; no entry, and no name of anyone.

What is asked for is read from the log's own tables, two at a time, so that whoever fetches much waits for others
who fetch, and nobody else waits for them.
"""

import asyncio
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from app.errors import NotFoundError, TooManyRequestsError
from app.security import Access, valv_of
from audit.tiles import NoSuchTileError, Tile
from audit.witnessed import Witnessed

_AT_ONCE = 2
_MOST_WAITING = 64

_Asked = Request[Any, Any, State]


class Turns:
    """Lets so many in at once, so many wait, and no more."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def __aenter__(self) -> None:
        """Wait for a turn.

        Raises:
            TooManyRequestsError: too many wait.
        """
        if self._waiting >= _MOST_WAITING:
            raise TooManyRequestsError(1, "requests")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        """Give the turn back."""
        self._free.release()


@get("/log/checkpoint", opt={"access": Access.PUBLIC}, include_in_schema=False)
async def checkpoint(request: _Asked) -> Response[bytes]:
    """Return the newest checkpoint outside the database, with the cosignatures that it has by now."""
    async with request.app.state.turns:
        note = await asyncio.to_thread(_newest, request)
    return Response(note, media_type=MediaType.TEXT)


@get("/log/tile/{path:path}", opt={"access": Access.PUBLIC}, include_in_schema=False)
async def tile(request: _Asked, path: FromPath[str]) -> Response[bytes]:
    """Return a tile's hashes; another form of its address is no address."""
    try:
        wanted = Tile.parse(path.removeprefix("/"))
        async with request.app.state.turns:
            hashes = await asyncio.to_thread(valv_of(request).house.log.tile, wanted)
    except NoSuchTileError:
        raise NotFoundError from None
    return Response(hashes, media_type="application/octet-stream")


LOG: list[HTTPRouteHandler] = [checkpoint, tile]


def _newest(request: _Asked) -> bytes:
    """Add the lines of those witnesses that cosigned this very checkpoint."""
    valv = valv_of(request)
    head, note = valv.house.log.newest_checkpoint()
    origin, public = valv.house.log.identity
    kept = Witnessed(valv.settings.checkpoints, origin=origin, public=public)
    found = (kept.newest(witness.key) for witness in valv.settings.witnesses)
    lines = (one.line for one in found if one is not None and one.checkpoint == head)
    return "".join((note, *lines)).encode()
