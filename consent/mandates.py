"""Mandates as rules: who acts for the owner is said by an allow to a proxy, and what that rests on is shown to them.

The document that a mandate rests on is a record of the vault. A proxy should see what they act under, whatever else
they may read. So a mandate that has one goes with a rule of its own that opens this one record, its *companion*: key,
masks, log and end are those of any rule, and nothing is opened beside the rules.
"""

import hashlib
from collections.abc import Iterable

from consent.rules import Rule
from policies.vocabulary import Action, Category, Effect, GranteeKind


def is_mandate(rule: Rule) -> bool:
    """Tell whether a rule lets somebody act for the owner."""
    return rule.effect is Effect.ALLOW and rule.grantee.kind is GranteeKind.PROXY


def companion_id(rule: Rule) -> str:
    """Return the id that a mandate's companion has: 32 hex digits, told by the mandate's own."""
    return hashlib.sha256(f"companion of {rule.id}".encode()).hexdigest()[:32]


def companion_of(rule: Rule) -> Rule | None:
    """Return the rule that shows a proxy the record that their mandate rests on; None where there is none to show."""
    if not is_mandate(rule) or not rule.document:
        return None
    return Rule(
        id=companion_id(rule),
        effect=Effect.ALLOW,
        grantee=rule.grantee,
        actions=frozenset({Action.READ}),
        categories=frozenset({Category.DOCUMENT}),
        records=frozenset({rule.document}),
        created=rule.created,
        author=rule.author,
        valid_from=rule.valid_from,
        valid_to=rule.valid_to,
        relation=rule.relation,
    )


def companions(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the ids of those rules that are companions: they have the id that a mandate among the rules tells."""
    told = list(rules)
    return frozenset(companion_id(rule) for rule in told if is_mandate(rule)) & {rule.id for rule in told}
