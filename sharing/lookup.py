"""Looking a citizen up: a personal number becomes a public id, and nothing else is told."""

from audit.events import Activity, EventKind
from identity.principal import Principal
from policies.vocabulary import Deed, Purpose
from sharing.house import House


async def look_up(
    house: House, principal: Principal, alias: bytes, *, purpose: Purpose | None = None
) -> None:
    """Write down that a citizen was looked up; the caller answers with the alias whoever it is.

    Raises:
        consent.gate.Refused: this principal may not look people up.
    """
    vault_state = await house.database.read(lambda connection: house.load(connection, alias))
    await house.ask(principal, vault_state, Deed.LOOKUP, EventKind.LOOKUP, Activity.READ, purpose=purpose)
