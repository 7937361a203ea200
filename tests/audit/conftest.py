from pathlib import Path

import pytest

from keys.keystore import KeyStore
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
def house(tmp_path: Path, session_keystore: KeyStore) -> House:
    """A log not yet made, in a folder of its own."""
    return House(tmp_path, session_keystore, Clock())
