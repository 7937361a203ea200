"""Streams of everything: what may be refused is refused first, then the document follows piece by piece."""

from collections.abc import AsyncIterator

from litestar.response import Stream

from app.errors import StreamBrokenError, reported
from app.fhir.bundle import Bundle, Ndjson
from identity.principal import Principal
from sharing import streaming
from sharing.house import House
from sharing.reading import Query


async def answer(
    house: House, principal: Principal, alias: bytes, query: Query, form: Ndjson | Bundle
) -> Stream:
    """Return the stream of all that fits a query; it raises what :func:`sharing.reading.read` does."""
    pieces = await streaming.stream(house, principal, alias, query, form.piece)
    return Stream(_document(pieces, form), media_type=form.media_type)


async def _document(pieces: AsyncIterator[bytes], form: Ndjson | Bundle) -> AsyncIterator[bytes]:
    """Write pieces and end. A fault on the way ends the connection: what was sent must not look complete."""
    try:
        async for piece in pieces:
            yield piece
    except Exception as error:  # noqa: BLE001 whatever it is; the answer has begun, so it can only break off
        raise StreamBrokenError(reported(error).reference) from None
    yield form.end()
