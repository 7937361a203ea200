"""What the tests of identity/ stand on: a KeyStore, an empty database, a moment."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine
from sqlmodel import SQLModel

from identity import tables
from keys.keystore import KeyStore

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


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """Return a connection to an empty database on disk."""
    assert tables.SessionRow.__tablename__ in _TABLES
    engine = create_engine(f"sqlite:///{tmp_path / 'identity.db'}")
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables[name] for name in _TABLES])
    with engine.connect() as opened:
        yield opened
    engine.dispose()


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
