"""Making a vault, and finding the one that a person's alias leads to."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import Connection

from audit.events import Activity, Actor, Event, EventKind, HeadRef
from identity.principal import Person, System
from keys.keystore import KeyStore
from sharing.house import House
from vault import change, state
from vault.errors import Finding, TamperedError
from vault.state import Profile

#: The number of the decoy's owner: not a personal number, so nobody can be looked up as it.
_DECOY_NUMBER = "000000000000"


async def ensure(
    house: House, person: Person, *, number: str, controller: str, guardians: Iterable[bytes] = ()
) -> bytes:
    """Return a person's vault, making it at the first login. ``number`` has 12 digits and is kept sealed.

    Raises:
        TamperedError: the log knows this person's vault, but the database has lost it or the way to it.
    """
    found = await house.database.read(lambda connection: state.find(connection, person.alias))
    if found is not None:
        return found
    profile = Profile(
        number, person.name, person.birth_date, person.protected, controller, tuple(sorted(guardians))
    )
    made = vault_id(house.keystore, person.alias)

    def work(connection: Connection) -> tuple[bytes, HeadRef | None]:
        logged = house.log.latest_head(made)  # before the snapshot begins: another process may be making it
        again = state.find(connection, person.alias)
        if again is not None:
            return again, None
        if logged is not None and house.keystore.has_vault(made):
            raise TamperedError(Finding.MISSING_VAULT)
        head = change.create(
            connection,
            house.keystore,
            profile,
            vault=made,
            alias=person.alias,
            at=house.clock(),
            version=logged.version + 1 if logged else 1,  # after an erasure the log's count goes on
        )
        return made, head

    vault, head = await house.database.write(work)
    if head is not None:
        await house.log.append(_created(house, vault, head))
    return vault


def make_decoy(connection: Connection, keystore: KeyStore, *, at: datetime) -> bytes:
    """Make a new installation's decoy: a vault like any other, whose owner nobody can be."""
    nobody = Profile(_DECOY_NUMBER, "", date(1970, 1, 1), protected=False, controller="")
    alias = keystore.alias(_DECOY_NUMBER)
    vault = vault_id(keystore, alias)
    change.create(connection, keystore, nobody, vault=vault, alias=alias, at=at)
    return vault


def vault_id(keystore: KeyStore, alias: bytes) -> bytes:
    """Return the id of the vault that a person gets at their first login, a keyed function of their alias then.

    So a vault whose rows were deleted is missed: the log has its head and the KeyStore its keys, which an
    erasure would have destroyed; no empty one takes its place.
    """
    return keystore.pseudonym(f"vault-of/{alias.hex()}")


def _created(house: House, vault: bytes, head: HeadRef) -> Event:
    return Event(
        kind=EventKind.CREATE_VAULT,
        activity=Activity.WRITE,
        at=house.clock(),
        actor=Actor.of(System("vault", "first login")),
        vault=vault,
        policy_hash=house.gate.policies.sha256,
        head=head,
    )
