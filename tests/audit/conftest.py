from pathlib import Path

import pytest

from keys.keystore import KeyStore
from tests import postgres
from tests.audit.audit_world import START, Clock, House


@pytest.fixture(scope="session")
def keystore_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One KeyStore for all tests of the log: making one costs a quarter of a second."""
    path = tmp_path_factory.mktemp("keys") / "keys.db"
    KeyStore.create(path, "a passphrase", clock=lambda: START)
    return path


@pytest.fixture(scope="session")
def session_keystore(keystore_file: Path) -> KeyStore:
    """The KeyStore, opened once."""
    return KeyStore.load(keystore_file, "a passphrase", clock=lambda: START)


@pytest.fixture
def in_file(tmp_path: Path, session_keystore: KeyStore) -> House:
    """A log not yet made, in a file of a folder of its own."""
    return House(tmp_path, session_keystore, Clock())


@pytest.fixture
def on_server(tmp_path: Path, session_keystore: KeyStore, postgresql: postgres.Server) -> House:
    """A log not yet made, in a PostgreSQL database of its own."""
    return House(tmp_path, session_keystore, Clock(), postgresql.create())


@pytest.fixture
def house(engine: str, request: pytest.FixtureRequest) -> House:
    """A log not yet made, on each engine."""
    made: House = request.getfixturevalue("in_file" if engine == "sqlite" else "on_server")
    return made
