"""What every test may stand on: the small country of tests/world.py, on both engines."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from app.settings import Settings
from tests import postgres
from tests.world import World, make_template

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """Return the run's PostgreSQL; where there is none, what needs it is skipped, and says so."""
    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    yield postgres.shared()
    postgres.shared().close()


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Run whatever stands on it once on each engine."""
    if request.param == "postgresql":
        request.getfixturevalue("postgresql")
    return str(request.param)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Settings]:
    """Return what makes an engine's installation, once a session; copy it, never open it."""

    @cache
    def made(engine: str) -> Settings:
        return make_template(tmp_path_factory.mktemp("template") / "data", engine)

    return made


@pytest.fixture(scope="module")
def template(templates: Callable[[str], Settings], engine: str) -> Settings:
    """Return the installation that worlds are copied from."""
    return templates(engine)


@pytest.fixture
def world(template: Settings, tmp_path: Path) -> Iterator[World]:
    """Return a country of its own."""
    made = World.copy_of(template, tmp_path / "data")
    yield made
    made.remove()
