"""What a snapshot and a transaction promise, alike on both engines, and what comes of a database's faults."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from audit.database import write_ahead
from tests import postgres
from tests.faults import happens
from vault import database as module
from vault.database import Database, DatabaseUnavailableError, Fault, rows

FAULTS = (Fault.GONE, Fault.READ_ONLY, Fault.FULL)


@pytest.fixture(scope="module")
def empty(engine: str) -> str:
    """Return the URL of a PostgreSQL database with two counters, to be copied; none on SQLite."""
    if engine == "sqlite":
        return ""
    url = postgres.shared().create()
    database = Database(url)
    database.write_now(fill)
    database.close()
    return url


@pytest.fixture
def store(empty: str, tmp_path: Path) -> Iterator[Path | str]:
    """Return where a database with two counters stands."""
    if empty:
        url = postgres.shared().copy(empty)
        yield url
        postgres.shared().give_back(url)
        return
    database = Database(tmp_path / "counters.db")
    database.write_now(fill)
    database.close()
    yield tmp_path / "counters.db"


@pytest.fixture
def database(store: Path | str) -> Iterator[Database]:
    """Return it open."""
    made = Database(store)
    yield made
    made.close()


def fill(connection: Connection) -> None:
    """Make two counters; those tables are here that the faults know of."""
    connection.execute(
        text("CREATE TABLE segments (name TEXT PRIMARY KEY, number BIGINT NOT NULL, body TEXT)")
    )
    connection.execute(text("INSERT INTO segments VALUES ('a', 0, ''), ('b', 0, '')"))
    for table in ("sessions", "imports", "access_requests", "lookups"):
        connection.execute(text(f"CREATE TABLE {table} (name TEXT PRIMARY KEY)"))


def get(connection: Connection, name: str = "a") -> int:
    """Return a counter."""
    return int(
        connection.execute(text("SELECT number FROM segments WHERE name = :n"), {"n": name}).scalar_one()
    )


def put(connection: Connection, number: int, name: str = "a") -> None:
    """Set a counter."""
    connection.execute(text("UPDATE segments SET number = :x WHERE name = :n"), {"x": number, "n": name})


def grow(connection: Connection) -> None:
    """Write more than what is left free somewhere."""
    connection.execute(text("UPDATE segments SET body = :body"), {"body": "x" * 100_000})


def in_threads(*works: Callable[[], object]) -> list[BaseException]:
    """Run each in a thread of its own; return what they raised."""
    raised: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_changes_at_once_lose_none(database: Database) -> None:
    """Read, reckon and write in each of many: what crosses is run again."""

    def work(connection: Connection) -> None:
        put(connection, get(connection) + 1)

    assert in_threads(*[lambda: database.write_now(work)] * 12) == []
    assert database.read_now(get) == 12


def test_a_change_never_rests_on_what_another_changes_beside_it(database: Database) -> None:
    """Both read both counters and each writes one: as one after the other, the second sees the first's."""
    both = threading.Barrier(2)

    def work(connection: Connection, name: str) -> None:
        total = get(connection, "a") + get(connection, "b")
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.5)  # on SQLite the second waits for the first to end
        put(connection, total + 1, name)

    names = ("a", "b")
    assert (
        in_threads(*[lambda name=name: database.write_now(lambda it: work(it, name)) for name in names]) == []
    )
    assert sorted(database.read_now(lambda it: (get(it, "a"), get(it, "b")))) == [1, 2]


def test_a_snapshot_stays_what_it_was(database: Database) -> None:
    """Head, rules and records are read one after the other, and must be of one moment."""

    def work(connection: Connection) -> tuple[int, int]:
        before = get(connection)
        assert in_threads(lambda: database.write_now(lambda it: put(it, 7, "b"))) == []
        return before, get(connection, "b")

    assert database.read_now(work) == (0, 0)
    assert database.read_now(lambda it: get(it, "b")) == 7


def test_what_is_read_keeps_nothing_that_it_wrote(database: Database) -> None:
    """A reading that changed something would change it unlogged."""
    with suppress(DatabaseUnavailableError):  # PostgreSQL refuses the statement
        database.read_now(lambda it: put(it, 9))
    assert database.read_now(get) == 0


def test_failed_change_leaves_nothing(database: Database) -> None:
    """Commit or nothing, whatever it is that ends it."""

    def work(connection: Connection) -> None:
        put(connection, 5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.write_now(work)
    assert database.read_now(get) == 0


async def test_many_readings_inside_readings_do_not_wait_for_each_other(database: Database) -> None:
    """Each holds a connection while it asks for a second: a pool with a limit would stop here for ever."""
    inside = threading.Barrier(module.THREADS) if database.engine.dialect.name == "postgresql" else None

    def work(_: Connection) -> int:
        if inside is not None:
            inside.wait(timeout=10)
        return database.read_now(get)

    many = [database.read(work) for _ in range(3 * module.THREADS)]
    assert await asyncio.wait_for(asyncio.gather(*many), 30) == [0] * 3 * module.THREADS


def test_key_that_is_there_already_is_our_mistake(database: Database) -> None:
    """It is no fault of the database, and goes on as what it is."""
    with pytest.raises(IntegrityError):
        database.write_now(lambda it: it.execute(text("INSERT INTO segments VALUES ('a', 1, '')")))


def test_statement_that_is_wrong_is_our_mistake(database: Database) -> None:
    """Waiting would not mend it."""
    with pytest.raises(DBAPIError):
        database.read_now(lambda it: it.execute(text("SELECT nothing FROM nowhere")))


def test_text_that_no_column_takes_is_our_mistake(database: Database) -> None:
    """PostgreSQL keeps no NUL in text; that is not the database being away."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite keeps it")
    with pytest.raises(DBAPIError):
        database.read_now(lambda it: it.execute(text("SELECT :text"), {"text": "a\0b"}))


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_told_as_what_it_is_and_passes(database: Database, fault: Fault) -> None:
    """No cause in it, and the next call after it simply works, without a restart."""
    database.write_now(lambda it: put(it, 1))
    with happens(fault, database):
        for _ in range(3):
            with pytest.raises(DatabaseUnavailableError) as told:
                database.write_now(grow)
            assert told.value.fault is fault
            assert told.value.__cause__ is None
            assert str(told.value) == f"the database does not serve: {fault.value}"
    database.write_now(grow)
    database.write_now(lambda it: put(it, 2))
    assert database.read_now(get) == 2


@pytest.mark.parametrize("fault", [Fault.READ_ONLY, Fault.FULL])
def test_what_can_be_read_is_read(database: Database, fault: Fault) -> None:
    """A full disk keeps nobody from reading."""
    with happens(fault, database):
        assert database.read_now(get) == 0


def test_server_that_restarted_between_two_calls_is_not_noticed(database: Database) -> None:
    """The connections that we kept are dead; BEGIN finds out before anything was done."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("there is no server")
    calls = (database.read_now, database.look_now, database.write_now)
    for call, ask in ((database.look_now, bare), *((call, get) for call in calls)):
        assert call(ask) == 0
        postgres.shared().stop()
        postgres.shared().start()
        assert call(ask) == 0


def bare(connection: Connection) -> int:
    """Return a counter as what every request asks is asked."""
    ((number, empty),) = rows(connection, "SELECT number, body FROM segments WHERE name = ?", ("a",))
    assert empty == ""
    return int(number)


def test_what_is_asked_bare_is_of_one_moment_where_it_says_so(database: Database) -> None:
    """Else each statement sees what was committed before it."""

    def work(connection: Connection) -> tuple[int, int, int]:
        assert bare(connection) == 0
        with database.snapshot(connection):
            before = bare(connection)
            assert in_threads(lambda: database.write_now(lambda it: put(it, 7))) == []
            within = bare(connection)
        return before, within, bare(connection)

    assert database.look_now(work) == (0, 0, 7)


def test_what_is_asked_bare_leaves_no_snapshot_open_where_it_fails(database: Database) -> None:
    """The next to use the connection would see yesterday's rules."""

    def work(connection: Connection) -> None:
        with database.snapshot(connection):
            bare(connection)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.look_now(work)
    database.write_now(lambda it: put(it, 8))
    assert database.look_now(bare) == 8


def test_fault_of_what_is_asked_bare_is_told_and_passes(database: Database) -> None:
    """The driver's own error is as good as SQLAlchemy's."""
    assert database.look_now(bare) == 0
    with happens(Fault.GONE, database), pytest.raises(DatabaseUnavailableError) as told:
        database.look_now(bare)
    assert told.value.fault is Fault.GONE
    assert database.look_now(bare) == 0


def test_change_that_is_crossed_again_and_again_ends(
    store: Path | str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not try for ever, and what it says is that others keep the database busy."""
    monkeypatch.setattr(module, "WAIT_MS", 50)
    monkeypatch.setattr(module, "TRIES", 3)
    monkeypatch.setitem(module._TRIES, "40001", 3)
    other, runs = Database(store), []

    def crossed(connection: Connection) -> None:
        runs.append(get(connection))
        other.write_now(lambda it: put(it, 100 + len(runs)))
        put(connection, 1)

    with pytest.raises(DatabaseUnavailableError) as told:
        database.write_now(crossed)
    assert told.value.fault is Fault.BUSY
    assert len(runs) == (1 if database.engine.dialect.name == "sqlite" else 3)
    other.close()


def test_statement_is_never_told_with_its_values(database: Database) -> None:
    """What goes wrong goes to a log, and values are what no log may hold."""
    with pytest.raises(DBAPIError) as told:
        database.read_now(
            lambda it: it.execute(text("SELECT :secret FROM nowhere"), {"secret": "197503259280"})
        )
    assert "197503259280" not in str(told.value)


def test_connections_say_what_they_were_told_to(database: Database) -> None:
    """A commit is on disk when it returns, and nobody waits for a lock for ever."""
    said: list[Any] = []

    def work(connection: Connection) -> None:
        if database.engine.dialect.name == "sqlite":
            said.extend(connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in _PRAGMAS)
        else:
            said.extend(connection.exec_driver_sql(f"SHOW {name}").scalar() for name in _SHOWN)

    database.write_now(work)
    told = _PRAGMAS if database.engine.dialect.name == "sqlite" else _SHOWN
    assert said == list(told.values())


_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}
_SHOWN = {"transaction_isolation": "serializable", "lock_timeout": "30s"}


def test_no_two_statements_are_said_for_a_reading_than_begin_and_its_own(database: Database) -> None:
    """Each is a way to the server and back."""
    said: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: said.append(told[2].split()[0]))
    database.read_now(get)
    database.look_now(get)
    assert said == ["BEGIN", "SELECT", "ROLLBACK", "SELECT"]


def test_new_file_that_another_process_has_alone_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    """SQLite itself would not wait at all for the right to begin a write-ahead log."""
    alone, other = connections = [
        sqlite3.connect(tmp_path / "new.db", timeout=0, isolation_level=None, check_same_thread=False)
        for _ in range(2)
    ]
    alone.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write_ahead(other, 50)
    leaving = threading.Timer(0.2, alone.execute, ["ROLLBACK"])
    leaving.start()
    write_ahead(other, 30_000)
    leaving.join()
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for connection in connections:
        connection.close()
