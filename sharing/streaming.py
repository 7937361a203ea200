"""Writing all that may be seen, piece by piece, so that no more than a few segments are in memory at a time.

All that can be refused has been, and the log has the reading, before the first byte: a caller awaits
:func:`stream` and gets the bytes afterwards. They are made aside, in turn with others'. What came out is told to
the log at the end, also where the one who asked went away halfway. Whatever goes wrong on the way ends the
stream by an exception, so that what was sent never looks complete.
"""

from collections.abc import AsyncIterator, Callable, Iterator

from identity.principal import Principal
from sharing.aside import aside
from sharing.house import House
from sharing.reading import Opened, Query, open_segments
from vault.columns import Columns, join
from vault.segment import Parts

_AT_ONCE = 2048  # records of small segments that are written together
#: Writes records as bytes; what it returns for none is left out.
Write = Callable[[Columns], bytes]


async def stream(
    house: House, principal: Principal, alias: bytes, query: Query, write: Write
) -> AsyncIterator[bytes]:
    """Ask for and open all that fits a query, and return the stream of what ``write`` makes of it.

    It raises what :func:`sharing.reading.read` does, before anything is streamed.
    """
    opened = await open_segments(house, principal, alias, query, Parts.KEYS)
    return _stream(opened, write)


async def _stream(opened: Opened, write: Write) -> AsyncIterator[bytes]:
    pieces, records = opened.pieces(), 0
    try:
        while (made := await aside(lambda: _next(pieces, write))) is not None:
            records += made[0]
            if made[1]:
                yield made[1]
    except BaseException:  # gone away, cancelled, or a fault: what came out is told, and nothing is tidied up
        opened.end_now({"records": records})
        raise
    await opened.end({"records": records})


def _next(pieces: Iterator[Columns], write: Write) -> tuple[int, bytes] | None:
    some: list[Columns] = []
    while sum(map(len, some)) < _AT_ONCE and (piece := next(pieces, None)) is not None:
        some.append(piece)
    if not some:
        return None
    columns = join(some)
    return len(columns), write(columns)
