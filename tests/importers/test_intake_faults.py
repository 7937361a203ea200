"""A fault that is not the file's: the import waits for it to pass."""

from typing import Any

import pytest

from audit.errors import LogUnavailableError
from audit.log import AuditLog
from importers.intake import MAX_ATTEMPTS
from policies.vocabulary import Category
from tests.world import World

EXPORT = b"""<?xml version="1.0" encoding="UTF-8"?>
<HealthData locale="sv_SE">
 <Record type="HKQuantityTypeIdentifierBodyMass" sourceName="Scale" unit="kg"
   startDate="2026-03-01 07:30:00 +0100" endDate="2026-03-01 07:30:00 +0100" value="72.0"/>
</HealthData>
"""


async def test_import_outlives_a_log_that_is_down_for_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No attempt is used up, nothing is stored twice, and the work goes on when the fault is gone."""
    await world.enter("anna")
    import_id = await world.upload("anna", EXPORT, "export.xml")

    def fail(*_: Any, **__: Any) -> None:
        raise LogUnavailableError("no space left")

    with monkeypatch.context() as down:
        down.setattr(AuditLog, "append_now", fail)
        for _ in range(MAX_ATTEMPTS + 1):
            world.valv.intake.run_waiting()
            world.clock.move(minutes=1)
    assert world.find_import("anna", import_id).state == "running"
    world.valv.intake.run_waiting()
    done = world.find_import("anna", import_id)
    assert (done.state, done.stored, done.duplicates) == ("done", 1, 0)
    assert len((await world.read("anna", "anna", Category.BODY_WEIGHT)).records) == 1
