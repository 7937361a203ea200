"""The population register, as far as we ask it: a person's name, birth date, protection, and guardians.

In demo mode the made-up country's register stands in app/demo.py. A production installation fills the same
from its own source; the register is asked at login, and its answer lives in the session only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from identity.errors import IdentityError
from identity.numbers import PersonalNumber
from identity.principal import Person, Relation
from identity.sessions import Ward
from keys.keystore import KeyStore


class PopulationError(IdentityError):
    """The register contradicts itself; the text names no one."""


@dataclass(frozen=True, slots=True, repr=False)
class Registered:
    """One person in the register; ``guardians`` are the numbers of their vårdnadshavare."""

    number: PersonalNumber
    name: str
    birth_date: date
    protected: bool = False
    guardians: tuple[PersonalNumber, ...] = ()

    def person(self, keystore: KeyStore) -> Person:
        """Return the person as the rest of the product knows them, without the number."""
        return Person(keystore.alias(self.number.digits), self.name, self.birth_date, self.protected)


class Population:
    """People by number."""

    def __init__(self, people: Iterable[Registered]) -> None:
        """Take in people.

        Raises:
            PopulationError: a number stands twice, or a guardian is not in the register or their own ward.
        """
        found: dict[str, Registered] = {}
        for one in people:
            if one.number.digits in found:
                raise PopulationError("a number stands twice")
            found[one.number.digits] = one
        for one in found.values():
            for guardian in one.guardians:
                if guardian.digits not in found or guardian.digits == one.number.digits:
                    raise PopulationError("a guardian is not in the register, or their own ward")
        self._people: Mapping[str, Registered] = MappingProxyType(found)

    def find(self, number: PersonalNumber) -> Registered | None:
        """Return who has a number, if anyone."""
        return self._people.get(number.digits)

    def wards(self, number: PersonalNumber, keystore: KeyStore) -> tuple[Ward, ...]:
        """Return whom a person is guardian of; what they may do for them is the policies' matter."""
        return tuple(
            Ward(one.person(keystore), Relation.GUARDIAN)
            for one in self._people.values()
            if number.digits in {guardian.digits for guardian in one.guardians}
        )

    def by_alias(self, alias: bytes, keystore: KeyStore) -> Registered | None:
        """Return a person by the alias of their number."""
        found = (one for one in self._people.values() if keystore.alias(one.number.digits) == alias)
        return next(found, None)
