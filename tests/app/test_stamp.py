"""What the database says of the installation is held to what the KeyStore was told at its making."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import wiring
from app.settings import Settings
from app.wiring import InstallationError

_REAL = {
    "passphrase": "a passphrase of the operator's",
    "oidc_issuer": "https://id.example.se",
    "controller": "Region Exempel (påhittad)",
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Make a real installation, without a demo's routes."""
    settings = Settings(tmp_path_factory.mktemp("real") / "data", **_REAL)  # type: ignore[arg-type]
    wiring.create(settings, demo=False)
    return settings


def change(settings: Settings, column: str, value: Any) -> None:
    """Write the database behind the product's back."""
    with closing(sqlite3.connect(settings.database)) as connection:
        connection.execute(f"UPDATE installation SET {column} = ?", (value,))  # noqa: S608 the test's own words
        connection.commit()


@pytest.mark.parametrize(
    ("column", "forged"),
    [("demo", 1), ("decoy", b"d" * 16), ("origin", "halsovalvet/another")],
)
def test_changed_stamp_does_not_open(real: Settings, column: str, forged: Any) -> None:
    """Who writes the database could else make a demo of it, where anyone logs in, or a vault the decoy."""
    with closing(sqlite3.connect(real.database)) as connection:
        (kept,) = connection.execute(f"SELECT {column} FROM installation").fetchone()  # noqa: S608
    change(real, column, forged)
    try:
        with pytest.raises(InstallationError):
            wiring.open_installation(real)
    finally:
        change(real, column, kept)
    wiring.open_installation(replace(real)).close()


def test_database_of_another_keystore_does_not_open(real: Settings, template: Path, tmp_path: Path) -> None:
    """A database that was exchanged whole is no better than one that was changed."""
    copy = replace(real, data=shutil.copytree(real.data, tmp_path / "copy"))
    another = sqlite3.connect(template / real.database.name)
    with closing(another), closing(sqlite3.connect(copy.database)) as target:
        another.backup(target)
    with pytest.raises(InstallationError):
        wiring.open_installation(copy)
