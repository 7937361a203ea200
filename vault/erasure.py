"""Erasure: the shred keys go first, so that nothing opens again whatever backup of the database returns."""

from typing import Any

from sqlalchemy import Connection, delete

from keys.keystore import KeyStore
from vault.database import Database
from vault.state import VaultState
from vault.tables import (
    AliasRow,
    DrawerRow,
    GenerationRow,
    MandateRow,
    RuleVersionRow,
    SegmentRow,
    VaultRow,
    WrapRow,
)

_MODELS: list[Any] = [
    SegmentRow,
    WrapRow,
    GenerationRow,
    DrawerRow,
    RuleVersionRow,
    MandateRow,
    AliasRow,
    VaultRow,
]


def erase(database: Database, keystore: KeyStore, state: VaultState) -> None:
    """Destroy a vault's keys, then its rows. The log keeps its minimal entries (GDPR art. 17.3 b).

    The keys go before the transaction begins: it may be run again, and what is destroyed is destroyed once.
    """
    keystore.shred(state.vault, state.head.drawers)
    keystore.shred_vault_keys(state.vault)
    database.write_now(lambda connection: _delete(connection, state.vault))


def _delete(connection: Connection, vault: bytes) -> None:
    for model in _MODELS:
        table = model.__table__
        connection.execute(delete(table).where(table.c.vault_id == vault))
