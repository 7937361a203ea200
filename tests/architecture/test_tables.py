"""What stands in the database: shape, leading columns, migrations."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import LargeBinary, create_engine
from sqlmodel import SQLModel

from app.migrate import configuration, upgrade
from app.models import METADATA, MODELS

#: Tables that belong to no vault: the installation, its directory, sessions and look-ups; aliases lead to vaults.
_NO_VAULTS = {"installation", "directory_branches", "sessions", "lookups", "aliases"}


def test_every_table_is_among_the_models() -> None:
    """Else no migration would know it."""
    defined = {table.name for table in SQLModel.metadata.tables.values() if not table.name.startswith("log_")}
    assert defined == set(METADATA.tables) == {str(model.__tablename__) for model in MODELS}


@pytest.mark.parametrize("name", sorted(METADATA.tables))
def test_table_of_a_vault_is_led_by_it(name: str) -> None:
    """So that it shards, and so that a vault's rows lie together."""
    columns = list(METADATA.tables[name].columns)
    if name in _NO_VAULTS:
        assert name == "aliases" or "vault_id" not in METADATA.tables[name].columns
        return
    assert columns[0].name == "vault_id"
    assert columns[0].primary_key
    assert isinstance(columns[0].type, LargeBinary)


@pytest.mark.parametrize("name", sorted(METADATA.tables))
def test_every_table_has_a_primary_key(name: str) -> None:
    """And its first column is part of it."""
    keys = list(METADATA.tables[name].primary_key.columns)
    assert keys
    assert keys[0].name == next(iter(METADATA.tables[name].columns)).name


def test_head_of_the_migrations_is_the_models(tmp_path: Path) -> None:
    """Nothing to generate: a new column without a migration would fail in every installation."""
    upgrade(tmp_path / "valv.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'valv.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def tables(file: Path) -> dict[str, str]:
    """Return each table and index with its definition."""
    with closing(sqlite3.connect(file)) as db:
        return dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"))


def revisions() -> list[str]:
    """Return the revisions, oldest first."""
    script = ScriptDirectory.from_config(configuration(Path("unused.db")))
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


def test_there_is_one_line_of_revisions() -> None:
    """No branches: two heads could not both be the newest."""
    script = ScriptDirectory.from_config(configuration(Path("unused.db")))
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


@pytest.mark.parametrize("number", range(len(revisions())), ids=revisions())
def test_each_revision_goes_up_and_down(tmp_path: Path, number: int) -> None:
    """And up again to the very same."""
    file, all_of_them = tmp_path / "valv.db", revisions()
    before = all_of_them[number - 1] if number else "base"
    if number:
        upgrade(file, before)
    at_start = tables(file) if number else {}
    upgrade(file, all_of_them[number])
    up = tables(file)
    command.downgrade(configuration(file), before)
    down = {name: sql for name, sql in tables(file).items() if name != "alembic_version" or number}
    assert down == at_start
    upgrade(file, all_of_them[number])
    assert tables(file) == up
    assert len(up) > len(at_start)
