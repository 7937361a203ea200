"""What the tests of identity/ stand on: a KeyStore, an empty database, a moment."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine
from sqlmodel import SQLModel

from identity import tables
from keys.keystore import KeyStore
from tests import postgres

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
_TABLES = ("sessions", "directory_branches", "lookups")


@pytest.fixture
def at() -> datetime:
    """Return the moment at which the tests play."""
    return AT


@pytest.fixture(scope="session")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    """Return one KeyStore for all: making it costs a quarter of a second."""
    path = tmp_path_factory.mktemp("keys") / "keystore"
    return KeyStore.create(path, "a passphrase of the tests", clock=lambda: AT)


@pytest.fixture(scope="module")
def empty(engine: str) -> str:
    """Return the URL of a PostgreSQL database with the tables and no rows, to be copied; none on SQLite."""
    url = postgres.shared().create() if engine == "postgresql" else ""
    if url:
        _made(url).dispose()
    return url


@pytest.fixture
def database(empty: str, tmp_path: Path) -> Iterator[Engine]:
    """Return an empty database."""
    url = postgres.shared().copy(empty) if empty else ""
    made = _made(url or f"sqlite:///{tmp_path / 'identity.db'}")
    yield made
    made.dispose()
    if url:
        postgres.shared().give_back(url)


def _made(url: str) -> Engine:
    assert tables.SessionRow.__tablename__ in _TABLES
    engine = create_engine(url)
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables[name] for name in _TABLES])
    return engine


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    """Return a connection to it."""
    with database.connect() as opened:
        yield opened


@pytest.fixture
def stolen(connection: Connection) -> Callable[[], bytes]:
    """Return what takes everything that the three tables hold, as a thief of the database would see it."""

    def take() -> bytes:
        parts = []
        for name in _TABLES:
            for row in connection.execute(SQLModel.metadata.tables[name].select()):
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
        return b"\n".join(parts)

    return take
