"""Putting small segments together: a home meter's three values a day would else cost an opening each for ever.

It happens when the *owner* opens a drawer, within the keys that the owner's own request released, and never
when others read. What stands on a shelf stays what it is, in fewer and fuller segments; those of different
imports are kept apart, since undoing an import removes its own. It is a change of the vault like any other: one
write transaction, a new head, and the head in the outcome entry (docs/adr/0017-reading-at-size.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from audit.events import HeadRef
from consent.gate import Authorization
from identity.principal import Citizen
from policies.vocabulary import Category
from sharing.aside import aside
from sharing.house import House
from vault import naming, segment, state
from vault.change import StaleGenerationError
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


async def compact(
    house: House, authorization: Authorization, opening: Opening, loaded: VaultState, shelves: Shelves
) -> tuple[HeadRef | None, int]:
    """Put small segments together where the owner reads; return the new head if there is one, and how many went.

    The reading that it comes with does not fail by it: where another was first, or the database takes no
    changes now, all stays as it is until the next time.
    """
    crowds = list(_crowds(shelves))
    if not crowds or not _is_owner(house, authorization, loaded):
        return None, 0
    try:
        piles = await aside(lambda: list(_piles(house, opening, loaded, crowds)))
        if not piles:
            return None, 0
        head = await house.database.write(lambda connection: _store(house, connection, loaded.vault, piles))
    except (StaleGenerationError, MovedOnError, NoVaultError, DatabaseUnavailableError):
        return None, 0
    return head, sum(len(pile.rows) for pile in piles)


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
            crowds.setdefault((row.tag, row.import_id), []).append(row)
        yield from (_Crowd(category, drawer, crowd) for crowd in crowds.values() if len(crowd) > MANY)


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


def _store(house: House, connection: Connection, vault: bytes, piles: Iterable[_Pile]) -> HeadRef:
    change = house.change(connection, vault, house.clock())
    for pile in piles:
        wanted = house.wanted(change.state, pile.category, change.at)
        generation, public = change.generation_for(pile.category, wanted)
        drawer, first = naming.drawer_id(change.state.keys, pile.category), pile.rows[0]
        lock = Lock.to(public, vault=vault, drawer=drawer, generation=generation)
        shelf = (Place(lock, first.tag), len(pile.columns))
        full = segment.seal_all(pile.columns, [shelf], import_id=first.import_id, written=change.at)
        change.remove(pile.category, pile.rows)
        change.add(pile.category, full)
    return change.finish()
