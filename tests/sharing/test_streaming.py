"""A stream of everything: in the log before its first byte, a few segments at a time, never seemingly complete."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from audit.errors import LogUnavailableError
from audit.events import Event, EventKind
from audit.log import AuditLog
from consent.gate import Refused
from policies.vocabulary import Category
from sharing import compacting, reading, streaming
from sharing.reading import Query
from tests.world import World, weight
from vault import segment, state
from vault.columns import Columns
from vault.errors import MovedOnError, TamperedError

WEIGHT = Category.BODY_WEIGHT
WHOLE = Query((WEIGHT,), kind=EventKind.EXPORT)


@pytest.fixture
async def full(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a country where Anna has 200 values in 40 segments."""
    monkeypatch.setattr(segment, "FULL", 5)
    monkeypatch.setattr(compacting, "MANY", 1000)
    monkeypatch.setattr(streaming, "_AT_ONCE", 10)
    monkeypatch.setattr(reading, "_AT_ONCE", 4)
    await world.enter("anna")
    at = world.clock()
    await world.add("anna", "anna", *(weight("70.0", at - timedelta(hours=n)) for n in range(200)))
    return world


def told(columns: Columns) -> bytes:
    """Write each record's id."""
    return b"".join(f"{record.id}\n".encode() for record in columns.records())


async def begin(world: World, by: str = "anna") -> AsyncIterator[bytes]:
    """Begin a stream of all weights."""
    return await streaming.stream(world.house, world.who(by), world.alias("anna"), WHOLE, told)


def newest(world: World) -> list[Event]:
    """Return the newest entries about Anna, newest first."""
    entries = world.house.log.entries_of_vault(world.vault("anna"), limit=5)
    return [entry.event for entry in entries if entry.event is not None]


async def outcome(world: World) -> dict[str, int]:
    """Return what the log's newest outcome says came out; it follows without holding anybody up."""
    for _ in range(100):
        if newest(world)[0].kind is EventKind.OUTCOME:
            return newest(world)[0].counts
        await asyncio.sleep(0.05)
    raise AssertionError("no outcome")


async def test_stream_holds_everything_once(full: World) -> None:
    """In pieces, and the log has the number at the end."""
    pieces = [piece async for piece in await begin(full)]
    expected = {record.id for record in (await full.read("anna", "anna", WEIGHT)).records}
    ids = b"".join(pieces).decode().split()
    assert (set(ids), len(ids)) == (expected, 200)
    assert len(pieces) > 15


async def test_entry_stands_in_the_log_before_the_first_byte(full: World) -> None:
    """Durable before release, however long the release takes."""
    pieces = await begin(full)
    assert newest(full)[0].kind is EventKind.EXPORT
    assert "records" not in newest(full)[0].counts
    async for _ in pieces:
        pass
    _, _, segments = full.drawer("anna", WEIGHT)
    assert await outcome(full) == {"records": 200, "settled": len(segments)}


async def test_nothing_is_streamed_that_is_not_in_the_log(
    full: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is down: no plaintext."""

    async def down(*_: object, **__: object) -> None:
        raise LogUnavailableError

    monkeypatch.setattr(AuditLog, "append", down)
    with pytest.raises(LogUnavailableError):
        await begin(full)


async def test_refusal_comes_before_the_stream(full: World) -> None:
    """Who may not read gets an answer, not an empty document."""
    with pytest.raises(Refused):
        await begin(full, by="nurse-vc")


async def test_no_more_bodies_are_in_memory_than_are_written_at_once(
    full: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A life's data is never all in memory, sealed or open."""
    fetched: list[int] = []
    real = state.bodies

    def bodies(*arguments: object) -> list[segment.Segment]:
        found = real(*arguments)  # type: ignore[arg-type]
        fetched.append(len(found))
        return found

    monkeypatch.setattr(state, "bodies", bodies)
    pieces = await begin(full)
    assert fetched == []
    await anext(pieces)
    assert fetched == [4]
    async for _ in pieces:
        pass
    assert max(fetched) == 4
    assert sum(fetched) >= 40


async def test_who_goes_away_halfway_is_told_of_by_what_came_out(full: World) -> None:
    """The log says how much was released, not how much was asked for."""
    pieces = await begin(full)
    seen = (await anext(pieces) + await anext(pieces)).decode().split()
    await pieces.aclose()  # type: ignore[attr-defined]
    assert await outcome(full) == {"records": len(seen)}
    assert 0 < len(seen) < 200


async def test_body_that_was_changed_meanwhile_ends_the_stream(full: World) -> None:
    """What the head counted when the stream began is all that may come out."""
    pieces = await begin(full)
    await anext(pieces)
    full.house.database.write_now(
        lambda connection: connection.exec_driver_sql("UPDATE segments SET body = fingerprints")
    )
    with pytest.raises(TamperedError):
        async for _ in pieces:
            pass


async def test_segment_that_is_gone_ends_the_stream(full: World) -> None:
    """An export that lacks a part must not look whole."""
    pieces = await begin(full)
    await anext(pieces)
    full.house.database.write_now(lambda connection: connection.exec_driver_sql("DELETE FROM segments"))
    with pytest.raises(MovedOnError):
        async for _ in pieces:
            pass


async def test_event_loop_goes_on_while_a_piece_is_made(full: World) -> None:
    """Another's request is not to wait for somebody's export."""
    loop = asyncio.get_running_loop()
    pieces = await streaming.stream(
        full.house, full.who("anna"), full.alias("anna"), WHOLE, lambda _: _wait_for(loop)
    )
    async with asyncio.timeout(20):
        async for _ in pieces:
            pass


def _wait_for(loop: asyncio.AbstractEventLoop) -> bytes:
    """Wait for the loop to do something: were it this thread that the loop runs in, for ever."""

    async def nothing() -> bytes:
        return b"x"

    return asyncio.run_coroutine_threadsafe(nothing(), loop).result(timeout=10)
