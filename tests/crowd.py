"""Many owners of vaults, for benches and soak.

They are made up and have no personal number: what stands in its place is no number that anybody can have.
"""

from datetime import date

from app.wiring import Valv
from identity.principal import Citizen, Person
from sharing import vaults


async def settle(valv: Valv, number: int) -> Citizen:
    """Make somebody with an empty vault; the same number is the same person."""
    in_place_of_a_number = f"{number:012d}"
    alias = valv.house.keystore.alias(in_place_of_a_number)
    owner = Citizen(Person(alias, f"Påhittad {number}", date(1970, 1, 1), protected=False))
    await vaults.ensure(valv.house, owner.person, number=in_place_of_a_number, controller=valv.controller)
    return owner
