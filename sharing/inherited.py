"""What a guardian decided for a child who is now 13: the young person keeps or ends each, and until then it goes on.

What a guardian consented to while they represented the child was rightly consented to, and does not lapse with a
birthday: care would stop in its midst without anybody having decided it, for one who may not log in for years. The
guardian's own access ends with the day. The young person is shown these rules first of all when they log in, and says
of each.
"""

from dataclasses import replace
from datetime import datetime

from audit.events import EventKind
from consent.ages import birthday, start_of
from consent.recipients import GUARDIAN_ENDS
from consent.rules import Rule, RuleSet
from identity.principal import Citizen, Principal
from policies.vocabulary import Deed
from sharing import granting, reach
from sharing.granting import NoSuchRuleError, Wish
from sharing.house import House
from vault.state import VaultState


async def waiting(house: House, principal: Principal, alias: bytes) -> bool:
    """Tell whether the one who logs in has such rules to answer for; nothing of them is told, and nothing is logged."""
    if not isinstance(principal, Citizen):
        return False
    loaded = await house.database.read(lambda reader: house.load(reader, alias))
    return bool(_unanswered(loaded)) and reach.permits(house, principal, loaded, Deed.MANAGE)


async def rules_of(house: House, principal: Principal, alias: bytes) -> tuple[Rule, ...]:
    """Return the rules to answer for, to the young person alone; to others there are none.

    Raises:
        consent.gate.Refused: the principal may not manage sharing here.
    """
    loaded = await house.database.read(lambda reader: house.load(reader, alias))
    await granting.ask_to_look(house, principal, loaded)
    return _unanswered(loaded) if isinstance(principal, Citizen) else ()


def _unanswered(loaded: VaultState) -> tuple[Rule, ...]:
    """Return what was decided before the owner could: the author was another, whoever it was."""
    ended = start_of(birthday(loaded.profile.birth_date, GUARDIAN_ENDS))
    return tuple(rule for rule in loaded.rules.rules if rule.created < ended and rule.confirmed is None)


async def keep(house: House, principal: Principal, alias: bytes, rule_id: str) -> None:
    """Keep a rule as the young person's own decision.

    Raises:
        NoSuchRuleError: there is none of that id to answer for.
        consent.gate.Refused: the principal may not.
    """
    found = next((one for one in await rules_of(house, principal, alias) if one.id == rule_id), None)
    if found is None:
        raise NoSuchRuleError
    await granting.carry_out(house, principal, alias, _to_keep(found, house.clock()))


def _to_keep(rule: Rule, at: datetime) -> Wish:
    def make(rules: RuleSet) -> RuleSet:
        if rule.id not in {one.id for one in rules.rules}:
            raise NoSuchRuleError
        kept = (replace(one, confirmed=at) if one.id == rule.id else one for one in rules.rules)
        return replace(rules, rules=tuple(kept))

    return Wish(make, EventKind.GRANT, rule.id, rule.categories, Deed.MANAGE)
