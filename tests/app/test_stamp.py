"""What the database says of the installation is held to what the KeyStore was told at its making."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import wiring
from app.settings import Settings
from app.wiring import InstallationError
from tests import postgres
from tests.world import attack

_REAL = {
    "passphrase": "a passphrase of the operator's",
    "oidc_issuer": "https://id.example.se",
    "controller": "Region Exempel (påhittad)",
}


@pytest.fixture(scope="module")
def real(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Make a real installation, without a demo's routes."""
    url = postgres.shared().create() if engine == "postgresql" else ""
    folder = tmp_path_factory.mktemp("real") / "data"
    settings = Settings(folder, database_url=url, **_REAL)  # type: ignore[arg-type]
    wiring.create(settings, demo=False)
    return settings


def change(settings: Settings, column: str, value: Any) -> None:
    """Write the database behind the product's back."""
    with attack(settings) as attacker:
        attacker.execute(f"UPDATE installation SET {column} = ?", (value,))  # noqa: S608 the test's own words


@pytest.mark.parametrize(
    ("column", "forged"),
    [("demo", True), ("decoy", b"d" * 16), ("origin", "halsovalvet/another")],
)
def test_changed_stamp_does_not_open(real: Settings, column: str, forged: Any) -> None:
    """Who writes the database could else make a demo of it, where anyone logs in, or a vault the decoy."""
    with attack(real) as attacker:
        (kept,) = attacker.execute(f"SELECT {column} FROM installation").fetchone()  # noqa: S608
    change(real, column, forged)
    try:
        with pytest.raises(InstallationError):
            wiring.open_installation(real)
    finally:
        change(real, column, kept)
    wiring.open_installation(replace(real)).close()


def test_database_of_another_keystore_does_not_open(real: Settings, template: Settings) -> None:
    """A database that was exchanged whole is no better than one that was changed."""
    folder = real.data if real.database_url else shutil.copytree(real.data, real.data.with_name("copy"))
    exchanged = replace(real, data=folder, database_url=template.database_url)
    if isinstance(template.database, Path):
        shutil.copy(template.database, folder)
        for rest in folder.glob("valv.db-*"):
            rest.unlink()
    with pytest.raises(InstallationError, match="KeyStore"):
        wiring.open_installation(exchanged)
