"""Look-ups are counted per commission or system, across processes, before the number is even looked at."""

import math

from app.errors import TooManyRequestsError
from app.wiring import Valv
from identity import throttle
from identity.principal import Citizen, Client, Principal, Proxy, Staff, System
from identity.throttle import Allowed, TooMany


async def count_lookup(valv: Valv, principal: Principal) -> None:
    """Count one look-up.

    Raises:
        TooManyRequestsError: the commission or system has used up its look-ups for now.
    """
    scope = throttle.scope(valv.house.keystore, "lookup", _who(principal))
    at = valv.house.clock()
    match await valv.house.database.write(lambda writing: throttle.count_lookup(writing, scope, at=at)):
        case TooMany(retry_after=wait):
            raise TooManyRequestsError(math.ceil(wait.total_seconds()))
        case Allowed():
            return


def _who(principal: Principal) -> str:
    match principal:
        case Staff():
            return principal.commission.id
        case Client():
            return principal.id
        case Citizen(person) | Proxy(person, _, _):
            return person.alias.hex()
        case System():
            return principal.name
