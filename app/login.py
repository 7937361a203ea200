"""What happens when somebody comes in, whichever way: their vault is there, and the log knows."""

from app.wiring import Valv
from audit.events import Activity, Actor, Event, EventKind
from identity.branch import PendingStaff
from identity.numbers import PersonalNumber
from identity.principal import Citizen, Person, Principal, Proxy
from sharing import vaults


async def enter(valv: Valv, principal: Principal | PendingStaff) -> None:
    """Make the vault of a citizen who comes for the first time, and log the login before anything is given."""
    match principal:
        case Citizen(person) | Proxy(_, person, _):
            await _vault_of(valv, person)
        case _:
            pass
    if not isinstance(principal, PendingStaff):
        await log(valv, principal, EventKind.LOGIN)


async def log(valv: Valv, principal: Principal, kind: EventKind) -> None:
    """Log a login or logout."""
    house = valv.house
    alias = {Citizen: "person", Proxy: "citizen"}.get(type(principal))
    vault = None
    if alias is not None:
        person: Person = getattr(principal, alias)
        vault = await house.database.read(lambda connection: house.locate(connection, person.alias))
    await house.log.append(
        Event(kind=kind, activity=Activity.READ, at=house.clock(), actor=Actor.of(principal), vault=vault)
    )


async def _vault_of(valv: Valv, person: Person) -> None:
    registered = valv.population.by_alias(person.alias, valv.house.keystore)
    if registered is None:
        return
    guardians = tuple(valv.house.keystore.alias(one.digits) for one in registered.guardians)
    number: PersonalNumber = registered.number
    await vaults.ensure(
        valv.house, person, number=number.digits, controller=valv.controller, guardians=guardians
    )
