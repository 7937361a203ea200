"""The versions of a vault's rules, each as it was: the one in force vouches for all before it.

The head states the digest of the rules in force; each version has the digest of the one before inside its seal. So
whoever writes the database can neither change, leave out nor reorder one without its being found here.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from consent.codec import HEADER, open_rules
from consent.rules import RuleSet
from vault import head as heads
from vault.database import rows
from vault.errors import Finding, TamperedError
from vault.state import VaultState

_BEFORE = """
SELECT version, sealed FROM rule_versions WHERE vault_id = ? AND version < ? ORDER BY version DESC LIMIT 64
"""


def versions(connection: Connection, state: VaultState) -> Iterator[RuleSet]:
    """Yield the versions of the rules, the newest, which is in force, first; each is verified before it is yielded.

    Raises:
        TamperedError: one is missing, changed, or in another's place.
    """
    found = state.rules
    yield found
    kept: list[tuple[int, bytes]] = []
    while found.version > 1:
        kept = kept or rows(connection, _BEFORE, (state.vault, found.version))
        found = _before(state, found, kept.pop(0) if kept else (0, b""))
        yield found
    if found.previous:
        raise TamperedError(Finding.MISSING_RULE_VERSION)


def _before(state: VaultState, later: RuleSet, row: tuple[int, bytes]) -> RuleSet:
    """Open the version that another took over from.

    1. it has its number, 2. its bytes say the same, 3. they are those that the later one vouches for. They were sealed
    by us, then, and open.
    """
    number, sealed = row
    if number != later.version - 1:
        raise TamperedError(Finding.MISSING_RULE_VERSION)
    if int.from_bytes(sealed[1:HEADER], "big") != number:
        raise TamperedError(Finding.REORDERED_RULE_VERSIONS)
    if heads.digest_of(sealed).hex() != later.previous:
        raise TamperedError(Finding.CHANGED_RULE_VERSION)
    return open_rules(state.keys, sealed)
