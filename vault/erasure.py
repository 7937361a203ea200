"""Erasure: the shred keys go first, so that nothing opens again whatever backup of the database returns."""

from typing import Any

from sqlalchemy import Connection, delete

from keys.keystore import KeyStore
from vault.state import VaultState
from vault.tables import AliasRow, DrawerRow, GenerationRow, SegmentRow, VaultRow, WrapRow

_MODELS: list[Any] = [SegmentRow, WrapRow, GenerationRow, DrawerRow, AliasRow, VaultRow]


def erase(connection: Connection, keystore: KeyStore, state: VaultState) -> None:
    """Destroy a vault's keys, then its rows. The log keeps its minimal entries (GDPR art. 17.3 b)."""
    keystore.shred(state.vault, state.head.drawers)
    keystore.shred_vault_keys(state.vault)
    for model in _MODELS:
        table = model.__table__
        connection.execute(delete(table).where(table.c.vault_id == state.vault))
