"""The short forms of what ``make soak`` runs in full."""

from pathlib import Path

import pytest

from app.settings import Settings
from tests import postgres
from tests.soak import kills, memory
from tests.soak.steps import walk

ENGINES = pytest.mark.parametrize(
    "on",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.skipif(bool(postgres.MISSING), reason=postgres.MISSING)),
    ],
)


def test_random_steps_agree_with_the_naive_model(template: Settings, tmp_path: Path) -> None:
    """Grant, narrow, revoke, expire, block, lift, act for, turn 13, move: each may what was said, and it is logged."""
    assert walk(template, tmp_path, steps=500, number=1) >= 500


@pytest.mark.slow
@ENGINES
def test_nothing_is_lost_doubled_half_or_unlogged_under_sigkill(on: str, tmp_path: Path) -> None:
    """Server, import child and PostgreSQL die at random moments of the main job, and no hand is lifted after."""
    told: list[str] = []
    outcome = kills.run(tmp_path / "data", on, kills=3, seed=3, told=told.append)
    assert outcome.deeds > 0
    assert len(told) == outcome.kills
    assert (outcome.lost, outcome.twice, outcome.half, outcome.unlogged) == ([], [], [], [])


@pytest.mark.slow
async def test_server_stays_small_while_vaults_are_opened(tmp_path: Path) -> None:
    """What one citizen's reading took is given back before the next."""
    told: list[str] = []
    held = await memory.run(tmp_path / "data", count=3, measurements=20_000, told=told.append)
    assert held.most < 400
