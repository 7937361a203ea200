"""How those whom a rule can name are written: one string a node, ``<kind>:<id>``, in NFC.

The same strings name recipients of keys (docs/spec/vault-v1.md), so that a grant, the wrap it causes and the
receipt that opens it agree byte for byte.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from consent.rules import Grantee, Rule
from identity.principal import Citizen, Client, Principal, Provider, Proxy, Relation, Staff, System
from policies.vocabulary import Effect, GranteeKind

#: Under it stand all staff and systems, so that a block on it stops them all; an allow to it reaches only those
#: whom the citizen lists as contacts (:mod:`consent.index`).
NETWORK = "network:"

#: Under it stands whoever reads by emergency access (nödöppning).
EMERGENCY = "emergency:"


@dataclass(frozen=True, slots=True)
class Standing:
    """Under which nodes a principal meets a citizen's rules.

    Allows and blocks fit ``named``; ``under`` are nodes by which only blocks reach it. So a client system is
    stopped by a block on its provider, but a grant to the provider's staff does not let it in.
    """

    named: tuple[str, ...] = ()
    under: tuple[str, ...] = ()


def node_of(grantee: Grantee) -> str:
    """Return the node that a rule names."""
    return unicodedata.normalize("NFC", f"{grantee.kind}:{grantee.id}")


def rule_node(rule: Rule) -> str:
    """Return the node under which a rule is found: its grantee's, and of a mandate that of the proxy as what they are.

    Somebody may be let in as a relative and have been an ombud once. They act as one of the two at a time, in the log
    and before the policies, and an allow to the one is not the other's. A block stops the person, whatever they are.
    """
    node = node_of(rule.grantee)
    is_mandate = rule.effect is Effect.ALLOW and rule.relation is not None
    return f"{node}/{rule.relation}" if is_mandate else node


@lru_cache(2048)
def standing(principal: Principal, *, emergency: bool = False) -> Standing:
    """Return the nodes of a principal; the owner, a guardian and the product itself stand under none."""
    match principal:
        case Staff(commission=commission):
            role = Grantee(GranteeKind.ROLE, f"{commission.unit.id}/{principal.title}")
            person = Grantee(GranteeKind.PERSON, principal.id)
            under = (NETWORK, EMERGENCY) if emergency else (NETWORK,)
            return Standing((*commission.unit.nodes(), node_of(person), node_of(role)), under)
        case Client(id=identifier, provider=provider):
            client = Grantee(GranteeKind.CLIENT, identifier)
            return Standing((node_of(client),), (*_above(provider), NETWORK))
        case Proxy(person=person, relation=relation) if relation is not Relation.GUARDIAN:
            node = node_of(Grantee(GranteeKind.PROXY, person.alias.hex()))
            return Standing((node, f"{node}/{relation}"))
        case Citizen() | Proxy() | System():
            return Standing()
        case _:
            assert_never(principal)


def owner_node(vault: bytes) -> str:
    """Return the recipient id of a vault's owner."""
    return f"owner:{vault.hex()}"


def emergency_node(vault: bytes) -> str:
    """Return the recipient id by which a vault is opened in an emergency."""
    return f"emergency:{vault.hex()}"


def proxy_node(vault: bytes, alias: bytes) -> str:
    """Return the recipient id of one who acts for a vault's owner."""
    return f"proxy:{vault.hex()}:{alias.hex()}"


def recipients_of(
    principal: Principal, vault: bytes, *, owner: bytes, emergency: bool = False
) -> tuple[str, ...]:
    """Return whose keys a principal may open with at the vault of ``owner`` (an alias), narrowest first.

    A citizen holds a key to their own vault and to no other, whatever the policies say.

    A client system and the product itself hold none: they add, which needs public halves only.
    """
    match principal:
        case Citizen(person):
            return (owner_node(vault),) if person.alias == owner else ()
        case Proxy(person=person):
            return (proxy_node(vault, person.alias),)
        case Staff(commission=commission):
            return (*commission.unit.nodes(), *((emergency_node(vault),) if emergency else ()))
        case Client() | System():
            return ()
        case _:
            assert_never(principal)


def _above(provider: Provider) -> tuple[str, str]:
    return f"provider:{provider.id}", f"{provider.authority.kind}:{provider.authority.id}"
