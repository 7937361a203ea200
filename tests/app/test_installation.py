"""Making, finding and refusing an installation, in files and in PostgreSQL."""

from dataclasses import replace
from pathlib import Path

import pytest

from app import cli, wiring
from app.settings import Settings, SettingsError
from app.wiring import InstallationError
from audit.events import Activity, Event, EventKind
from tests import postgres
from tests.audit.audit_world import SYSTEM


@pytest.fixture
def settings(engine: str, tmp_path: Path) -> Settings:
    """Return where nothing has been made yet."""
    url = postgres.shared().create() if engine == "postgresql" else ""
    return Settings(tmp_path / "data", database_url=url)


def test_nothing_is_said_to_be_nothing(settings: Settings) -> None:
    """And the way to make one is named."""
    assert wiring.is_demo(settings) is None
    for asked in (wiring.open_installation, wiring.bring_up_to_date):
        with pytest.raises(InstallationError, match="valv db create"):
            asked(settings)
    assert not settings.data.exists() or not list(settings.data.iterdir())


def test_second_installation_is_not_made_over_the_first(settings: Settings, tmp_path: Path) -> None:
    """Neither in the same folder nor, with another, in the same database: it would take every vault's place."""
    wiring.create(settings, demo=True)
    assert wiring.is_demo(settings) is True
    with pytest.raises(InstallationError, match="already"):
        wiring.create(settings, demo=True)
    if settings.database_url:
        with pytest.raises(InstallationError, match="already"):
            wiring.create(replace(settings, data=tmp_path / "another"), demo=True)
        assert not (tmp_path / "another").exists()
    wiring.bring_up_to_date(settings)
    wiring.open_installation(settings).close()


def test_database_without_its_keystore_does_not_open(settings: Settings) -> None:
    """A new KeyStore beside old rows could open none of them, and would hide that the keys are lost."""
    wiring.create(settings, demo=True)
    settings.keystore.unlink()
    with pytest.raises(FileNotFoundError):
        wiring.open_installation(settings)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_url_of_postgresql_names_the_driver_for_the_operator(scheme: str) -> None:
    """Whoever writes what every guide says gets the driver that is installed."""
    read = Settings.read({"VALV_DATABASE_URL": f"{scheme}://valv:secret@db.example/valv"})
    assert read.database == read.log == "postgresql+psycopg://valv:secret@db.example/valv"
    assert "secret" not in repr(read)


@pytest.mark.parametrize("url", ["mysql://valv@host/valv", "valv.db", "sqlite:///valv.db", "postgresql://"])
def test_url_of_anything_else_is_refused(url: str) -> None:
    """By the setting's name, and without what may be a password."""
    with pytest.raises(SettingsError, match="VALV_DATABASE_URL") as told:
        Settings.read({"VALV_DATABASE_URL": url.replace("valv@", "valv:secret@")})
    assert "secret" not in str(told.value)


def test_command_says_that_the_database_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A sentence and an exit code; no trace, and no password."""
    monkeypatch.setenv("VALV_DATA", str(tmp_path))
    monkeypatch.setenv("VALV_DATABASE_URL", f"postgresql://valv:secret@/valv?host={tmp_path}")
    assert cli.main(["doctor"]) == 2
    told = capsys.readouterr()
    assert told.err == "valv: the database does not serve: it cannot be reached\n"
    assert "secret" not in told.out


def test_command_says_that_the_log_was_put_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The database alone, its checkpoints left: no witness is needed, and nothing is served."""
    settings = Settings(tmp_path)
    wiring.create(settings, demo=True)
    old = settings.data / "log.db"
    before = old.read_bytes()
    monkeypatch.setenv("VALV_DATA", str(tmp_path))
    valv = wiring.open_installation(settings)
    valv.house.log.append_now(Event(EventKind.LOGIN, Activity.READ, valv.house.clock(), SYSTEM))
    valv.close()
    old.write_bytes(before)
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "valv: the log is behind its checkpoint outside the database\n"
