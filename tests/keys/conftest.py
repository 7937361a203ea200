"""A KeyStore of its own for each test that changes one; making the file costs a second, so it is copied."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from keys.keystore import KeyStore
from tests.world import Clock

PASSPHRASE = "a passphrase of the tests"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    """Return a KeyStore made once."""
    return KeyStore.create(tmp_path_factory.mktemp("keys") / "keystore.db", PASSPHRASE, clock=Clock())


@pytest.fixture
def clock() -> Clock:
    """Return the KeyStore's clock."""
    return Clock()


@pytest.fixture
def keystore_file(made: KeyStore, tmp_path: Path) -> Path:
    """Return a copy of its file."""
    return Path(shutil.copy(made._path, tmp_path / "keystore.db"))


@pytest.fixture
def another(made: KeyStore, keystore_file: Path, clock: Clock) -> Callable[[], KeyStore]:
    """Return what opens the file once more, as another process would, without stretching the passphrase."""
    return lambda: KeyStore(keystore_file, made._root, clock=clock)


@pytest.fixture
def keystore(another: Callable[[], KeyStore]) -> KeyStore:
    """Return the KeyStore on the copy."""
    return another()
