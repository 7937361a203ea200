"""Putting in order what others, who may add and not read, have brought: for whoever reads it afterwards.

It happens when the *owner* opens a drawer, within the keys that the owner's own request released, and never
when others read:

- small segments are put together: a home meter's three values a day would else cost an opening each for ever. Those of
  different imports are kept apart, since undoing an import removes its own (docs/adr/0017-reading-at-size.md);
- locks are settled: a post-quantum opening each would else be paid at every reading (docs/adr/0022-settled-locks.md);
- what a revocation had to leave under older generations is sealed to the newest (:meth:`vault.change.Change.reseal`).

It is a change of the vault like any other: one write transaction, a new head, and the head in the outcome entry.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from audit.events import HeadRef
from consent.gate import Authorization
from identity.principal import Citizen
from keys.primitives import PrivateKey
from policies.vocabulary import Category
from sharing.aside import aside
from sharing.house import House
from vault import naming, segment, state
from vault.change import StaleGenerationError, opens_more
from vault.columns import Columns, join
from vault.database import DatabaseUnavailableError
from vault.errors import MovedOnError, NoVaultError
from vault.opening import Opening
from vault.segment import FULL, Lock, Place, Segment
from vault.state import Drawer, VaultState

#: More small segments than this of one shelf and import are put together.
MANY = 32
#: A segment of at most so many records is small.
SMALL = FULL // 16
#: What one request puts together at most: segments, and records.
_MOST, _MOST_RECORDS = 1024, 4 * FULL
#: So many locks are settled by one request at most.
_MOST_LOCKS = 256

Shelves = Mapping[Category, tuple[Drawer, Sequence[Segment]]]


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Many segments of one shelf and import."""

    category: Category
    drawer: Drawer
    rows: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class _Pile:
    """The small ones of a crowd, and what they hold."""

    category: Category
    rows: Sequence[Segment]
    columns: Columns


@dataclass(frozen=True, slots=True)
class _Tidied:
    """What is ready to be stored: piles to be sealed anew, by category the segments whose locks are settled, and the
    private halves of drawers that have more than one generation.
    """  # noqa: D205

    piles: Sequence[_Pile]
    locks: Mapping[Category, Sequence[Segment]]
    late: Mapping[Category, Mapping[int, PrivateKey]]


async def compact(
    house: House, authorization: Authorization, opening: Opening, loaded: VaultState, shelves: Shelves
) -> tuple[HeadRef | None, Mapping[str, int]]:
    """Put in order what the owner reads; return the new head if there is one, and what the log is told of it.

    The reading that it comes with does not fail by it: where another was first, or the database takes no
    changes now, all stays as it is until the next time.
    """
    crowds, rough = list(_crowds(shelves)), any(_rough(rows) for _, rows in shelves.values())
    late = any(_is_late(loaded, drawer) for drawer, _ in shelves.values())
    if not (crowds or rough or late) or not _is_owner(house, authorization, loaded):
        return None, {}
    try:
        tidied = await aside(lambda: _tidy(house, opening, loaded, shelves, crowds))
        if not (tidied.piles or tidied.locks or tidied.late):
            return None, {}
        head, resealed = await house.database.write(
            lambda connection: _store(house, connection, loaded.vault, tidied, opening)
        )
    except (StaleGenerationError, MovedOnError, NoVaultError, DatabaseUnavailableError):
        return None, {}
    counts = {
        "compacted": sum(len(pile.rows) for pile in tidied.piles),
        "settled": sum(map(len, tidied.locks.values())),
        "resealed": resealed,
    }
    return head, {name: count for name, count in counts.items() if count}


async def waiting(house: House, alias: bytes) -> int:
    """Tell how many locks of a vault wait to be re-sealed; those that only a change of rules moves do not.

    Whether it may be told is the caller's matter.
    """

    def work(connection: Connection) -> int:
        loaded = house.load(connection, alias)
        behind = state.lagging(connection, loaded)
        counts = {name: behind.get(naming.drawer_id(loaded.keys, name), 0) for name in Category}
        drawers = {name: state.drawer(connection, loaded, name) for name, count in counts.items() if count}
        return sum(counts[name] for name, one in drawers.items() if one is not None and _is_late(loaded, one))

    return await house.database.read(work)


def _is_owner(house: House, authorization: Authorization, loaded: VaultState) -> bool:
    match authorization.ask.principal:
        case Citizen(person):
            return person.alias == house.keystore.alias(loaded.profile.number)
        case _:
            return False


def _crowds(shelves: Shelves) -> Iterator[_Crowd]:
    for category, (drawer, rows) in shelves.items():
        if len(rows) <= MANY:
            continue
        crowds: dict[tuple[bytes, bytes], list[Segment]] = {}
        for row in rows:
            if row.generation != drawer.current:
                continue  # it is moved first, if it may be
            crowds.setdefault((row.tag, row.import_id), []).append(row)
        yield from (_Crowd(category, drawer, crowd) for crowd in crowds.values() if len(crowd) > MANY)


def _rough(rows: Sequence[Segment]) -> list[Segment]:
    """Return those whose lock is still sealed as whoever may only add seals it."""
    return [row for row in rows if not segment.is_settled(row)]


def _is_late(loaded: VaultState, drawer: Drawer) -> bool:
    """Tell whether older generations are to give way to the newest, by which nobody opens more than by them."""
    return len(drawer.publics) > 1 and not opens_more(loaded.keys, drawer)


def _tidy(
    house: House, opening: Opening, loaded: VaultState, shelves: Shelves, crowds: Iterable[_Crowd]
) -> _Tidied:
    """Open and settle, as much as one request may."""
    piles = list(_piles(house, opening, loaded, crowds))
    gone = {row.segment for pile in piles for row in pile.rows}
    locks, room = dict[Category, Sequence[Segment]](), _MOST_LOCKS
    for category, (drawer, rows) in shelves.items():
        if kept := [row for row in _rough(rows) if row.segment not in gone][:room]:
            locks[category] = opening.settled(drawer, kept)
            room -= len(kept)
    late = {
        name: opening.privates(drawer) for name, (drawer, _) in shelves.items() if _is_late(loaded, drawer)
    }
    return _Tidied(piles, locks, late)


def _piles(house: House, opening: Opening, loaded: VaultState, crowds: Iterable[_Crowd]) -> Iterator[_Pile]:
    """Open the small ones, as many as one request may."""
    room = _MOST
    for crowd in crowds:
        small = _small(house, loaded, crowd)[:room]
        if len(small) > MANY:
            room -= len(small)
            columns = [columns for _, columns in opening.columns(crowd.drawer, small)]
            yield _Pile(crowd.category, small, join(columns).in_time_order())


def _small(house: House, loaded: VaultState, crowd: _Crowd) -> list[Segment]:
    def work(connection: Connection) -> list[Segment]:
        sizes = state.sizes(connection, loaded, crowd.drawer, {crowd.rows[0].tag})
        small, records = [], 0
        for row in crowd.rows:
            size = sizes.get(row.segment, FULL)
            if size <= SMALL and records + size <= _MOST_RECORDS:
                small.append(row)
                records += size
        return state.bodies(connection, loaded, crowd.drawer, small) if len(small) > MANY else []

    return house.database.read_now(work)


def _store(
    house: House, connection: Connection, vault: bytes, tidied: _Tidied, opening: Opening
) -> tuple[HeadRef, int]:
    change = house.change(connection, vault, house.clock())
    for category, settled in tidied.locks.items():
        change.relock(category, settled)
    for pile in tidied.piles:
        wanted = house.wanted(change.state, pile.category, change.at)
        generation, public = change.generation_for(pile.category, wanted)
        drawer, first = naming.drawer_id(change.state.keys, pile.category), pile.rows[0]
        half = opening.opener(drawer, generation) or public
        lock = Lock.to(half, vault=vault, drawer=drawer, generation=generation)
        shelf = (Place(lock, first.tag), len(pile.columns))
        full = segment.seal_all(pile.columns, [shelf], import_id=first.import_id, written=change.at)
        change.remove(pile.category, pile.rows)
        change.add(pile.category, full)
    resealed = [change.reseal(category, privates) for category, privates in tidied.late.items()]
    return change.finish(), sum(one.moved for one in resealed)
