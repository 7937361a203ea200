"""Every table of the vaults' database in one place, for migrations; the log's own file is audit's matter."""

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from app.tables import InstallationRow
from identity.tables import BranchRow, LookupRow, SessionRow
from importers.tables import ImportClaimRow, ImportRow
from sharing.tables import AccessRequestRow, CaseWordsRow, ControlRow, EmergencyOpeningRow, NoticeRow
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

MODELS: tuple[type[SQLModel], ...] = (
    InstallationRow,
    BranchRow,
    LookupRow,
    SessionRow,
    VaultRow,
    RuleVersionRow,
    MandateRow,
    AliasRow,
    DrawerRow,
    GenerationRow,
    WrapRow,
    SegmentRow,
    ImportRow,
    ImportClaimRow,
    AccessRequestRow,
    EmergencyOpeningRow,
    CaseWordsRow,
    ControlRow,
    NoticeRow,
)

METADATA = MetaData()
for _model in MODELS:
    _model.__table__.to_metadata(METADATA)  # type: ignore[attr-defined]
