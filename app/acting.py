"""Whom somebody may act for: a child by law, as the register says, and others by mandate, as their own rules say."""

from app.wiring import Valv
from consent.judge import Denied, Granted, Matter, Need, judge
from consent.questions import Subject
from consent.rules import RuleSet
from identity.principal import Person, Proxy, Relation
from identity.sessions import Ward
from policies.vocabulary import Deed
from sharing import mandates

_NO_VAULT = bytes(16)


async def wards_of(valv: Valv, person: Person, registered: tuple[Ward, ...]) -> tuple[Ward, ...]:
    """Return whom somebody may act for at this moment.

    ``registered`` are those whom the register names them guardian of; of these stay whom the law still lets them act
    for. Mandates are looked for anew. What is offered is asked of the gate again at each request.
    """
    by_law = tuple(one for one in registered if _is_guardian(valv, person, one))
    return (*by_law, *await mandates.wards_of(valv.house, person))


def _is_guardian(valv: Valv, person: Person, ward: Ward) -> bool:
    """Tell whether the policies let a guardian manage a child's matters: age and protection, no rule of anybody's."""
    if ward.relation is not Relation.GUARDIAN:
        return False
    child, gate = ward.person, valv.house.gate
    about = Subject(_NO_VAULT, child.alias, child.birth_date, child.protected)
    matter = Matter(Proxy(person, child, Relation.GUARDIAN), about, Deed.MANAGE, valv.house.clock())
    match judge(matter, Need.SOME, rules=RuleSet(0), policies=gate.policies, indexes=gate.indexes):
        case Granted():
            return True
        case Denied():
            return False
