"""What every test may stand on: the small country of tests/world.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one installation, made once a session; copy it, never open it."""
    folder = tmp_path_factory.mktemp("template") / "data"
    make_template(folder)
    return folder


@pytest.fixture
def world(template: Path, tmp_path: Path) -> Iterator[World]:
    """Return a country of its own."""
    made = World.copy_of(template, tmp_path / "data")
    yield made
    made.close()
