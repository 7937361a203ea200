"""A rule's receipt: what ISO/IEC TS 27560 asks of a consent record, and the rule itself, with all that became of it.

It names people by their aliases alone. The versions of the rules tell when a rule was made, changed and ended, so that
a revoked one has its receipt too. It is signed by whoever gives it out (docs/spec/consent-v1.md, section 7).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from consent.codec import rule_to_json
from consent.nodes import node_of
from consent.rules import Rule
from identity.principal import Principal
from policies.vocabulary import Effect
from sharing.granting import NoSuchRuleError
from sharing.history import State, life_of, newest, take
from sharing.house import House

SCHEMA = "ISO/IEC TS 27560:2023; urn:halsovalvet:consent-receipt:1"
_CONTROLLER = "controller"
_GIVEN = {Effect.ALLOW: "given", Effect.BLOCK: "refused"}


async def of_rule(house: House, principal: Principal, alias: bytes, rule_id: str) -> dict[str, Any]:
    """Return the receipt of a rule that is or was among a vault's, to one who may manage them.

    Raises:
        sharing.granting.NoSuchRuleError: there never was one of that id.
        consent.gate.Refused: the principal may not.
        vault.errors.TamperedError: a version of the rules is not as it was.
    """
    loaded, found, managed = await take(house, principal, alias)
    states = life_of(found, rule_id)
    rule = newest(states)
    if not rule.categories <= managed:
        raise NoSuchRuleError
    node, now = node_of(rule.grantee), house.clock()
    return {
        "receipt": {
            "schema_version": SCHEMA,
            "receipt_id": f"{rule.id}-{loaded.rules.version}",
            "issued_at": now.isoformat(),
        },
        "record": {"schema_version": SCHEMA, "record_id": rule.id, "pii_principal_id": loaded.owner.hex()},
        "pii_processing": {
            "policy": house.gate.policies.sha256,
            "purposes": [_purpose(rule, purpose, node) for purpose in sorted(rule.purposes) or ("any",)],
        },
        "party_identification": [
            {
                "party_id": _CONTROLLER,
                "party_name": loaded.profile.controller,
                "party_role": "PII controller",
            },
            {
                "party_id": node,
                "party_name": house.directory().node_name(node),
                "party_role": "recipient",
                "party_type": rule.grantee.kind,
            },
        ],
        "event": list(_events(states, now)),
        "rule": rule_to_json(rule),
    }


def _purpose(rule: Rule, purpose: str, node: str) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "purpose_type": "v3-ActReason",
        "lawful_basis": "consent" if rule.effect is Effect.ALLOW else "none: the person has refused it",
        "pii_information": [
            {"pii_type": category, "sensitive_pii_category": True, "special_pii_category": True}
            for category in sorted(rule.categories)
        ],
        "pii_controllers": [_CONTROLLER],
        "collection_method": "on paper, entered by a helper" if rule.helper else "entered by the person",
        "processing_method": sorted(rule.actions),
        "retention_period": "until withdrawn"
        if rule.valid_to is None
        else f"until {rule.valid_to.isoformat()}",
        "jurisdiction": "SE",
        "recipient_third_parties": [node],
        "withdrawal_method": f"DELETE /api/consents/{rule.id}",
        "privacy_rights_reference": ["/api/accesses", "/api/consents", "/api/export"],
    }


def _events(states: Sequence[State], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield what became of a rule, the oldest first; who changed or ended it stands in the log."""
    before: Rule | None = None
    for state in states:
        match before, state.rule:
            case None, Rule() as rule:
                yield {**_event(state, _GIVEN[rule.effect]), "entity_id": rule.helper or rule.author}
            case _, None:
                yield _event(state, "withdrawn")
            case Rule() as old, Rule() as rule if old.is_pending and not rule.is_pending:
                yield _event(state, "confirmed")
            case _:
                yield _event(state, "changed")
        before = state.rule
    if before is not None and before.valid_to is not None and before.valid_to <= now:
        yield {"event_time": before.valid_to.isoformat(), "event_type": "by time", "event_state": "expired"}


def _event(state: State, name: str) -> dict[str, Any]:
    at = {} if state.since is None else {"event_time": state.since.isoformat()}
    return {**at, "event_type": "explicit", "event_state": name, "rules_version": state.version}
