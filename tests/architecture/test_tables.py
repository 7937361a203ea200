"""What stands in the databases: shape, leading columns, and the two histories that lead to them, on both engines."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, LargeBinary, inspect, text
from sqlmodel import SQLModel

from app.migrate import HISTORIES, LOG, VAULT, History, configuration, move, revision_of, revisions
from app.models import METADATA, MODELS
from audit.tables import LogTable
from tests import postgres
from vault.database import Database

#: Tables that are not led by a vault's id, and why. The log's are led by their place in the one log.
_NOT_LED = {
    "aliases": "leads to the vault, and is asked before the vault is known",
    "installation": "one row about the installation",
    "directory_branches": "the organisations' matter, the same for every vault",
    "sessions": "of people, staff among them, before any vault is named",
    "case_words": "an organisation's matter; one case is about one access, and its words lie with it",
    "controls": "an organisation's documents, each found by its digest",
    "lookups": "counts what a commission or an address does, over all vaults",
}


def test_every_table_is_among_the_models() -> None:
    """Else no migration would know it."""
    defined = {table.name for table in SQLModel.metadata.tables.values()}
    assert defined == set(METADATA.tables) == {str(model.__tablename__) for model in MODELS}


def test_tables_of_the_log_are_named_so() -> None:
    """In one PostgreSQL database their name is what tells the two histories apart."""
    assert all(name.startswith("log_") for name in (*LogTable.metadata.tables, LOG.version_table))
    assert not any(name.startswith("log_") for name in (*METADATA.tables, VAULT.version_table))


@pytest.mark.parametrize("name", sorted(METADATA.tables))
def test_table_of_a_vault_is_led_by_it(name: str) -> None:
    """So that it shards, and so that a vault's rows lie together."""
    columns = list(METADATA.tables[name].columns)
    if name in _NOT_LED:
        assert columns[0].name != "vault_id"
        assert name == "aliases" or "vault_id" not in METADATA.tables[name].columns
        return
    assert columns[0].name == "vault_id"
    assert columns[0].primary_key
    assert isinstance(columns[0].type, LargeBinary)


@pytest.mark.parametrize("name", sorted({**METADATA.tables, **LogTable.metadata.tables}))
def test_every_table_has_a_primary_key(name: str) -> None:
    """And its first column is part of it."""
    table = {**METADATA.tables, **LogTable.metadata.tables}[name]
    keys = list(table.primary_key.columns)
    assert keys
    assert keys[0].name == next(iter(table.columns)).name


@pytest.fixture
def database(engine: str, tmp_path: Path) -> Iterator[Database]:
    """Return an empty database."""
    made = Database(postgres.shared().create() if engine == "postgresql" else tmp_path / "empty.db")
    yield made
    made.close()


def shape(engine: Engine, history: History) -> dict[str, Any]:
    """Return each of a history's tables with its columns and indexes; not the one that says where it is at."""
    with engine.connect() as connection:
        seen = inspect(connection)
        return {
            name: (
                [(one["name"], str(one["type"]), one["nullable"]) for one in seen.get_columns(name)],
                seen.get_pk_constraint(name)["constrained_columns"],
                sorted((one["name"], one["column_names"], one["unique"]) for one in seen.get_indexes(name)),
                sorted(one["column_names"] for one in seen.get_unique_constraints(name)),
            )
            for name in seen.get_table_names()
            if name.startswith("log_") == (history is LOG) and name != history.version_table
        }


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
def test_there_is_one_line_of_revisions(history: History) -> None:
    """No branches: two heads could not both be the newest."""
    script = ScriptDirectory.from_config(configuration(history))
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def test_head_of_both_histories_is_the_models(database: Database) -> None:
    """Nothing to generate: a new column without a migration would fail in every installation."""
    for history in HISTORIES:
        move(history, database.engine)
    for history in HISTORIES:  # side by side in one database, as on PostgreSQL
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts=history.options())
            assert compare_metadata(context, history.metadata) == []


@pytest.mark.skipif(bool(postgres.MISSING), reason=postgres.MISSING)
@pytest.mark.parametrize("make", [lambda engine: move(LOG, engine), LogTable.metadata.create_all])
def test_postgresql_compresses_nothing_that_waits_for_its_number(make: Callable[[Engine], object]) -> None:
    """It is sealed: to try costs each request more than to write it."""
    database = Database(postgres.shared().create())
    make(database.engine)
    query = (
        "SELECT attstorage FROM pg_attribute WHERE attrelid = 'log_pending'::regclass AND attname = 'entries'"
    )
    with database.engine.connect() as connection:
        assert connection.execute(text(query)).scalar_one() in {"e", b"e"}
    database.close()


def steps() -> list[tuple[History, int]]:
    """Return each revision of each history by its number."""
    return [(history, number) for history in HISTORIES for number in range(len(revisions(history)))]


@pytest.mark.parametrize(
    ("history", "number"), steps(), ids=[f"{history.name}-{number + 1}" for history, number in steps()]
)
def test_each_revision_goes_up_and_down(database: Database, history: History, number: int) -> None:
    """And up again to the very same."""
    line = revisions(history)
    before = line[number - 1] if number else "base"
    if number:
        move(history, database.engine, before)
    at_start = shape(database.engine, history)
    move(history, database.engine, line[number])
    up = shape(database.engine, history)
    assert up != at_start
    move(history, database.engine, before)
    assert shape(database.engine, history) == at_start
    move(history, database.engine, line[number])
    assert shape(database.engine, history) == up


_STARTING = """
import sys, time; from pathlib import Path; from app.migrate import upgrade; from vault.database import Database
vaults, log, start = sys.argv[1:]
database = Database(vaults if "://" in vaults else Path(vaults))
time.sleep(max(0, float(start) - time.time()))
upgrade(database, log if "://" in log else Path(log))
database.close()
"""


@pytest.mark.slow
def test_processes_that_start_at_once_migrate_once(database: Database, tmp_path: Path) -> None:
    """Each of several starts as if it were alone."""
    url = database.engine.url.render_as_string() if database.engine.dialect.name == "postgresql" else ""
    stores = [url or str(tmp_path / "empty.db"), url or str(tmp_path / "log.db")]
    together = str(time.time() + 2)
    command = [sys.executable, "-W", "error", "-c", _STARTING, *stores, together]
    starting = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[1] for process in starting] == [""] * 2
    assert [process.returncode for process in starting] == [0] * 2
    assert database.read_now(lambda reading: revision_of(VAULT, reading)) == revisions(VAULT)[-1]


def test_a_run_that_fails_changes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a migration would leave a database that neither the old nor the new version can use."""
    real = Engine.connect

    def failing(engine: Engine) -> Any:
        connection = real(engine)
        say = connection.exec_driver_sql

        def said(statement: str, *rest: Any) -> Any:
            if statement == "COMMIT":
                raise KeyboardInterrupt
            return say(statement, *rest)

        monkeypatch.setattr(connection, "exec_driver_sql", said)
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "connect", failing)
        with pytest.raises(KeyboardInterrupt):
            move(VAULT, database.engine)
    assert shape(database.engine, VAULT) == {}
    move(VAULT, database.engine)
    assert shape(database.engine, VAULT)


def test_log_that_was_made_before_its_history_is_taken_over(database: Database) -> None:
    """An installation's log is never made anew."""
    first = revisions(LOG)[0]
    move(LOG, database.engine, first)
    with database.engine.connect() as connection:
        connection.execute(text("INSERT INTO log_checkpoints (size, note) VALUES (1, 'kept')"))
        connection.execute(text(f"DROP TABLE {LOG.version_table}"))
        connection.commit()
    move(LOG, database.engine, first)
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT note FROM log_checkpoints")).scalar() == "kept"
