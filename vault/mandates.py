"""Hints of who acts for whom: which vaults have a rule that names a person, so that they need not be searched for.

A hint says nothing. The vault's own rules do, which the head authenticates; who follows a hint loads them, and a forged
hint leads to a vault that does not know the person. The hints of a vault are made anew of its rules whenever those
change (:meth:`vault.change.Change.put_rules`), in the same transaction, so that nobody has to think of them.

A hint names the person by a keyed tag, the same in every vault, and keeps, sealed under the vault's rules key, what the
owner calls them. That is for the owner's eyes and decides nothing.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from consent.rules import RuleSet
from keys.envelope import context, open_box, seal_box
from keys.keystore import KeyStore, VaultKeys
from keys.primitives import CannotOpenError, MalformedError
from policies.vocabulary import Effect, GranteeKind
from vault.database import places, rows, run, run_each

#: No more hints than this are followed at once: whoever writes the database could else let a login load every vault.
MOST = 100

_FOLLOW = "SELECT vault_id FROM mandates WHERE tag = ? ORDER BY vault_id LIMIT ?"
_OF_VAULT = "SELECT tag, sealed FROM mandates WHERE vault_id = ?"
_DROP_SOME = "DELETE FROM mandates WHERE vault_id = ? AND tag IN ({})"
_PUT = "INSERT INTO mandates (vault_id, tag, sealed) VALUES (?, ?, ?)"


def tag_of(keystore: KeyStore, alias: bytes) -> bytes:
    """Return the 16-byte tag under which hints name a person."""
    return keystore.pseudonym(f"mandate-of/{alias.hex()}")


def keep(
    connection: Connection,
    keystore: KeyStore,
    keys: VaultKeys,
    rules: RuleSet,
    called: Mapping[bytes, str],
) -> None:
    """Make a vault's hints those of its rules; ``called`` is what its owner now calls some of the people (by alias)."""
    named = {alias: tag_of(keystore, alias) for alias in proxies(rules)}
    there = {bytes(tag) for tag, _ in rows(connection, _OF_VAULT, (keys.vault,))}
    anew = {named[alias] for alias in named.keys() & called.keys()}
    gone = sorted(there - set(named.values()) | there & anew)
    if gone:
        run(connection, _DROP_SOME.format(places(len(gone))), (keys.vault, *gone))
    put = [
        (keys.vault, tag, _seal(keys, tag, called.get(alias, "")))
        for alias, tag in sorted(named.items())
        if tag not in there or tag in anew
    ]
    if put:
        run_each(connection, _PUT, put)


def proxies(rules: RuleSet) -> frozenset[bytes]:
    """Return the aliases of those whom some allow names as proxy, in force or not."""
    return frozenset(
        bytes.fromhex(rule.grantee.id)
        for rule in rules.rules
        if rule.grantee.kind is GranteeKind.PROXY and rule.effect is Effect.ALLOW
    )


def vaults_of(connection: Connection, keystore: KeyStore, alias: bytes) -> tuple[bytes, ...]:
    """Return the vaults that hints lead a person to; whether these know them is theirs to say."""
    found = rows(connection, _FOLLOW, (tag_of(keystore, alias), MOST))
    return tuple(bytes(vault) for (vault,) in found)


def names(connection: Connection, keystore: KeyStore, keys: VaultKeys, rules: RuleSet) -> dict[bytes, str]:
    """Return what the owner calls those whom the rules name, by alias; nothing where the hint is not ours."""
    sealed = {bytes(tag): bytes(box) for tag, box in rows(connection, _OF_VAULT, (keys.vault,))}
    found = {}
    for alias in proxies(rules):
        tag = tag_of(keystore, alias)
        if tag in sealed:
            found[alias] = _open(keys, tag, sealed[tag])
    return found


def _seal(keys: VaultKeys, tag: bytes, name: str) -> bytes:
    return seal_box(keys.rules, name.encode(), bound_to=context("mandate", keys.vault, tag))


def _open(keys: VaultKeys, tag: bytes, sealed: bytes) -> str:
    try:
        return open_box(keys.rules, sealed, bound_to=context("mandate", keys.vault, tag)).decode()
    except (CannotOpenError, MalformedError):
        return ""
