"""The intake with its real child process: outside bytes become sealed rows, once, whoever dies on the way."""

import ast
import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import importers
from app import demo
from consent.gate import Refused
from importers import intake, wire
from importers.child import ROWS, SHOWN
from importers.intake import Intake
from importers.lease import LEASE
from importers.tables import ImportRow
from importers.upload import FRAME
from keys import envelope
from keys.keystore import KeyStore
from policies.vocabulary import Category
from sharing import importing
from tests.importers.import_inputs import export, row, sample, zipped
from tests.world import World, weight
from vault import state
from vault.naming import INTAKE_DRAWER
from vault.segment import FULL, Segment

WEIGHT = Category.BODY_WEIGHT
_REAL_FROM_CHILD = wire.from_child


def weights(*kilograms: str, first: datetime = datetime(2020, 1, 15, 8, tzinfo=UTC)) -> bytes:
    """Write an export of body weights, one each month."""
    at = [first.replace(year=first.year + n // 12, month=n % 12 + 1) for n in range(len(kilograms))]
    rows = [
        row(
            "BodyMass",
            unit="kg",
            value=value,
            startDate=f"{when:%Y-%m-%d %H:%M:%S} +0000",
            endDate=f"{when:%Y-%m-%d %H:%M:%S} +0000",
        )
        for value, when in zip(kilograms, at, strict=True)
    ]
    return export(*rows)


def many(count: int, *, start: int = 0) -> bytes:
    """Write an export of so many weights, each of its own value and month."""
    return weights(*(f"{60 + (start + n) / 10}" for n in range(count)))


def observation(value: str, at: str = "2024-05-01T08:00:00+02:00") -> dict[str, Any]:
    """Write a FHIR body weight."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "effectiveDateTime": at,
        "valueQuantity": {
            "value": float(value), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg",
        },
    }  # fmt: skip


def bundle(*resources: dict[str, Any]) -> bytes:
    """Write a FHIR collection."""
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def counts(told: ImportRow) -> tuple[str, int, int, int, int]:
    """Return how an import ended: state, read, stored, duplicates, rejected."""
    return told.state, told.read, told.stored, told.duplicates, told.rejected


async def values(world: World, owner: str = "anna") -> list[str]:
    """Return the weights that stand in a vault."""
    found = (await world.read(owner, owner, WEIGHT)).records
    return sorted(str(record.quantity.value) for record in found if record.quantity)


class TestOnce:
    """What is there already is known again."""

    @pytest.mark.parametrize("packed", ["xml", "zip"])
    async def test_same_file_twice_stores_nothing_twice(self, world: World, packed: str) -> None:
        """People export their whole history each time."""
        await world.enter("anna")
        data = weights("70.5", "71.0", "71.5")
        file = zipped({"apple_health_export/export.xml": data}) if packed == "zip" else data
        first = await world.import_file("anna", file, f"export.{packed}")
        again = await world.import_file("anna", file, f"export.{packed}")
        assert counts(first) == ("done", 3, 3, 0, 0)
        assert counts(again) == ("done", 3, 0, 3, 0)
        assert await values(world) == ["70.5", "71.0", "71.5"]

    async def test_fhir_bundle_twice_stores_nothing_twice(self, world: World) -> None:
        """The same holds for FHIR."""
        await world.enter("anna")
        file = bundle(observation("70.5"), observation("71.5", "2024-06-01T08:00:00+02:00"))
        first = await world.import_file("anna", file, "bundle.json")
        again = await world.import_file("anna", file, "bundle.json")
        assert counts(first) == ("done", 2, 2, 0, 0)
        assert counts(again) == ("done", 2, 0, 2, 0)

    async def test_file_larger_than_a_frame_is_read_whole(self, world: World) -> None:
        """JSON is read in one piece, and an upload is sealed in many."""
        await world.enter("anna")
        noted = {**observation("70.5"), "note": [{"text": "x" * (FRAME + 100)}]}
        told = await world.import_file("anna", bundle(noted, observation("71.5")), "bundle.json")
        assert counts(told) == ("done", 2, 2, 0, 0)

    async def test_row_twice_in_one_file_is_stored_once(self, world: World) -> None:
        """Exports repeat rows that two devices share."""
        await world.enter("anna")
        one = row("BodyMass", unit="kg", value="70.5")
        told = await world.import_file("anna", export(one, one, one), "export.xml")
        assert counts(told) == ("done", 3, 1, 2, 0)

    async def test_value_written_by_hand_is_not_brought_again(self, world: World) -> None:
        """Whichever way a record came, its content is what it is known by."""
        await world.enter("anna")
        told = await world.import_file("anna", bundle(observation("70.5")), "bundle.json")
        (record,) = (await world.read("anna", "anna", WEIGHT)).records
        await world.undo("anna", told.import_id)
        await world.add("anna", "anna", record)
        again = await world.import_file("anna", bundle(observation("70.5")), "bundle.json")
        assert counts(again) == ("done", 1, 0, 1, 0)


class TestSize:
    """Many rows become few segments, and every row is there once."""

    async def test_more_rows_than_a_segment_holds_are_stored_once_each(self, world: World) -> None:
        """Rows of one month, in no order, over several batches of the child, and each of them twice."""
        await world.enter("anna")
        count = 2 * ROWS + 100
        minutes = [(7919 * n) % count for n in range(count)] + list(range(0, count, 2))
        rows = [
            row("HeartRate", value=str(40 + n % 100), startDate=at, endDate=at)
            for n in minutes
            for at in [f"2026-03-{1 + n // 1440:02d} {n // 60 % 24:02d}:{n % 60:02d}:00 +0100"]
        ]
        told = await world.import_file("anna", export(*rows), "export.xml")
        assert counts(told) == ("done", len(rows), count, len(rows) - count, 0)
        _, _, segments = world.drawer("anna", Category.HEART_RATE)
        assert len({one.tag for one in segments}) == 2, "the first hour of March is February's, in UTC"
        assert all(len(one.fingerprints) <= 8 * FULL for one in segments)
        assert len(segments) <= 2 + 2 * count // FULL
        again = await world.import_file("anna", export(*rows), "export.xml")
        assert counts(again) == ("done", len(rows), 0, len(rows), 0)
        assert await world.undo("anna", told.import_id) == 0, "the second import brought them too"
        assert await world.undo("anna", again.import_id) == count

    async def test_lines_of_resources_are_imported(self, world: World) -> None:
        """Bulk data comes as NDJSON; a bad line costs no other."""
        await world.enter("anna")
        lines = [json.dumps(observation("70.5")), "{", json.dumps(observation("71.5", "2024-06-01"))]
        told = await world.import_file("anna", "\n".join(lines).encode(), "Observation.ndjson")
        assert counts(told) == ("done", 3, 2, 0, 1)
        assert told.format == "fhir-ndjson"


class TestUndo:
    """Undo removes what no other import brought."""

    async def test_undo_removes_what_the_import_brought_and_nothing_else(self, world: World) -> None:
        """Written by hand stays, imported goes."""
        await world.enter("anna")
        await world.add("anna", "anna", weight("80.0"))
        told = await world.import_file("anna", weights("70.5", "71.0"), "export.xml")
        assert await world.undo("anna", told.import_id) == 2
        assert await values(world) == ["80.0"]
        assert world.find_import("anna", told.import_id).state == "cancelled"

    async def test_undoing_the_first_of_two_overlapping_imports_keeps_what_the_second_brought(
        self, world: World
    ) -> None:
        """Both brought 71.0, though only the first stored it."""
        await world.enter("anna")
        first = await world.import_file("anna", weights("70.5", "71.0"), "a.xml")
        second = await world.import_file("anna", weights("70.0", "71.0", "72.0"), "b.xml")
        assert (first.stored, second.stored, second.duplicates) == (2, 2, 1)
        assert await world.undo("anna", first.import_id) == 1
        assert await values(world) == ["70.0", "71.0", "72.0"]
        assert await world.undo("anna", second.import_id) == 3
        assert await values(world) == []

    async def test_what_three_imports_brought_goes_with_the_last(self, world: World) -> None:
        """What stays of one import passes to the next that claims it, and to the next."""
        await world.enter("anna")
        imports = [
            (await world.import_file("anna", weights("70.5"), name)).import_id
            for name in ("a.xml", "b.xml", "c.xml")
        ]
        assert [await world.undo("anna", one) for one in imports] == [0, 0, 1]
        assert await values(world) == []

    async def test_undo_takes_no_record_into_memory_that_no_other_import_claims(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An import may have brought millions."""
        await world.enter("anna")
        first = await world.import_file("anna", weights("70.5", "71.0"), "a.xml")
        second = await world.import_file("anna", weights("70.5"), "b.xml")
        taken, real = list[Segment](), state.segments

        def segments(*arguments: Any, **named: Any) -> list[Segment]:
            found = real(*arguments, **named)
            taken.extend(found)
            return found

        monkeypatch.setattr(state, "segments", segments)
        assert await world.undo("anna", first.import_id) == 1
        assert sum(bool(row.body) for row in taken) == 1
        taken.clear()
        assert await world.undo("anna", second.import_id) == 1
        assert taken
        assert not any(row.body for row in taken)

    async def test_undo_twice_removes_nothing_more(self, world: World) -> None:
        """A button pressed twice."""
        await world.enter("anna")
        told = await world.import_file("anna", weights("70.5"), "a.xml")
        assert await world.undo("anna", told.import_id) == 1
        assert await world.undo("anna", told.import_id) == 0

    async def test_undone_file_can_come_again(self, world: World) -> None:
        """Undo leaves nothing that would make it a duplicate."""
        await world.enter("anna")
        told = await world.import_file("anna", weights("70.5"), "a.xml")
        await world.undo("anna", told.import_id)
        assert counts(await world.import_file("anna", weights("70.5"), "a.xml")) == ("done", 1, 1, 0, 0)

    async def test_only_who_manages_the_vault_may_undo(self, world: World) -> None:
        """Not staff, not another citizen."""
        await world.enter("anna", "bo")
        told = await world.import_file("anna", weights("70.5"), "a.xml")
        for who in ("nurse-vc", "bo"):
            with pytest.raises(Refused):
                await importing.undo(
                    world.house, world.who(who), world.alias("anna"), told.import_id, claims=lambda _: {}
                )
        assert await values(world) == ["70.5"]


class TestRejections:
    """Good rows are kept, bad rows are listed with line and reason."""

    async def test_bad_rows_are_listed_and_good_ones_kept(self, world: World) -> None:
        """One bad row must not cost the others."""
        await world.enter("anna")
        good = row("BodyMass", unit="kg", value="70.5")
        file = export(good, row("BodyMass", unit="kg", value="seventy"), row("BodyMass", startDate=None))
        told = await world.import_file("anna", file, "export.xml")
        assert counts(told) == ("done", 3, 1, 0, 2)
        listed = await importing.rejections(
            world.house, world.who("anna"), world.alias("anna"), told.import_id
        )
        assert len(listed) == 2
        assert "seventy" in listed[0].reason
        assert all(one.where for one in listed)

    async def test_rejections_are_readable_by_the_owners_side_only(self, world: World) -> None:
        """They quote the file; no rule can name their drawer, and no other holds its key."""
        await world.enter("anna", "bo")
        told = await world.import_file("anna", export(row("BodyMass", unit="kg", value="x")), "export.xml")
        await world.allow("anna", "unit", demo.HEALTH_CENTRE, *Category)
        owner, unit = f"owner:{world.vault('anna').hex()}", f"unit:{demo.HEALTH_CENTRE}"
        assert world.recipients("anna", INTAKE_DRAWER, (owner, unit)) == {(owner, 1)}
        _, drawer, _ = world.drawer("anna", INTAKE_DRAWER)
        assert len(drawer.wraps) == 1
        for who in ("nurse-vc", "bo"):
            with pytest.raises(Refused):
                await importing.rejections(world.house, world.who(who), world.alias("anna"), told.import_id)

    async def test_of_very_many_bad_rows_all_are_stored_and_some_are_shown(self, world: World) -> None:
        """A file of nothing but bad rows must neither be lost nor opened whole for a page."""
        await world.enter("anna")
        bad = "".join(row("BodyMass", unit="kg", value=f"bad{n}") for n in range(SHOWN + 300))
        told = await world.import_file("anna", export(bad, row("BodyMass", unit="kg")), "export.xml")
        assert counts(told) == ("done", SHOWN + 301, 1, 0, SHOWN + 300)
        listed = await importing.rejections(
            world.house, world.who("anna"), world.alias("anna"), told.import_id
        )
        assert len(listed) == SHOWN
        assert "bad0" in listed[0].reason
        _, _, segments = world.drawer("anna", INTAKE_DRAWER)
        assert sum(len(one.fingerprints) for one in segments) == 8 * (SHOWN + 300)
        await world.undo("anna", told.import_id)
        _, _, segments = world.drawer("anna", INTAKE_DRAWER)
        assert not segments

    async def test_refused_file_says_why(self, world: World) -> None:
        """In words for its owner, and with nothing of the file's content in the row."""
        await world.enter("anna")
        told = await world.import_file("anna", b"a letter about 70.5 kg", "letter.txt")
        assert (told.state, told.stored) == ("failed", 0)
        assert "Apple" in told.error
        assert "letter" not in told.error

    async def test_damaged_upload_is_refused(self, world: World) -> None:
        """What does not open as it was sealed is not read."""
        await world.enter("anna")
        import_id = await world.upload("anna", weights("70.5"), "export.xml")
        path = world.valv.intake.path(import_id)
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
        await asyncio.to_thread(world.valv.intake.run_waiting)
        told = world.find_import("anna", import_id)
        assert (told.state, told.stored) == ("failed", 0)
        assert "skadad" in told.error

    async def test_ended_import_leaves_no_upload(self, world: World) -> None:
        """What was sealed on arrival has served its purpose, whatever became of it."""
        await world.enter("anna")
        await world.import_file("anna", weights("70.5"), "a.xml")
        await world.import_file("anna", b"no export", "b.xml")
        await world.import_file("anna", weights("70.5"), "c.xml", rehearse=True)
        assert list(world.valv.settings.uploads.iterdir()) == []


class TestRehearsal:
    """A rehearsal says what would happen and changes nothing."""

    async def test_rehearsal_stores_nothing(self, world: World) -> None:
        """Not a record, not a drawer, not a claim; the vault's head does not move."""
        await world.enter("anna")
        before = world.load("anna").head
        told = await world.import_file("anna", weights("70.5", "71.0"), "export.xml", rehearse=True)
        assert counts(told) == ("rehearsed", 2, 2, 0, 0)
        assert world.load("anna").head == before
        with world.attacker() as db:
            for table in ("segments", "drawers", "generations", "wraps", "import_claims"):
                assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # noqa: S608
        real = await world.import_file("anna", weights("70.5", "71.0"), "export.xml")
        assert counts(real) == ("done", 2, 2, 0, 0)

    async def test_rehearsal_counts_what_is_there(self, world: World) -> None:
        """And lists what would be rejected."""
        await world.enter("anna")
        await world.import_file("anna", weights("70.5"), "export.xml")
        before = world.load("anna").head.drawers
        file = export(
            weights("70.5", "71.0")
            .decode()
            .partition('locale="sv_SE">\n')[2]
            .removesuffix("</HealthData>\n"),
            row("BodyMass", unit="kg", value="x"),
        )
        told = await world.import_file("anna", file, "export.xml", rehearse=True)
        assert counts(told) == ("rehearsed", 3, 1, 1, 1)
        after = world.load("anna").head.drawers
        assert {drawer: after[drawer] for drawer in before} == before
        assert await values(world) == ["70.5"]
        listed = await importing.rejections(
            world.house, world.who("anna"), world.alias("anna"), told.import_id
        )
        assert len(listed) == 1


class TestDeath:
    """A worker or a child that dies is followed by another, without loss and without repeat."""

    async def test_dead_worker_is_followed_by_another(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It dies between two batches; the next begins after the lease, and the counts come out right."""
        await world.enter("anna")
        monkeypatch.setattr(intake, "BATCH", 3)
        import_id = await world.upload("anna", many(20), "export.xml")
        dying = world.another_worker()
        committed: list[Intake] = []
        real = Intake._commit

        def dies(self: Intake, *args: Any) -> None:
            if self is dying and len(committed) == 3:
                raise KeyboardInterrupt
            real(self, *args)
            committed.append(self)

        monkeypatch.setattr(Intake, "_commit", dies)
        with pytest.raises(KeyboardInterrupt):
            dying.run_waiting()
        half = len(await values(world))
        assert 0 < half < 20
        assert world.valv.intake.run_waiting() == 0, "the lease still holds"
        world.clock.move(seconds=31)
        assert await asyncio.to_thread(world.valv.intake.run_waiting) == 1
        told = world.find_import("anna", import_id)
        assert (*counts(told), told.attempts) == ("done", 20, 20, 0, 0, 0)
        assert len(await values(world)) == 20
        assert len(set(await values(world))) == 20
        assert await world.undo("anna", import_id) == 20

    async def test_killed_child_is_followed_by_another(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The system may end it for want of memory; the worker begins anew at once."""
        await world.enter("anna")
        monkeypatch.setattr(intake, "BATCH", 3)
        children: list[subprocess.Popen[bytes]] = []
        heard: list[object] = []

        class Watched(subprocess.Popen):  # type: ignore[type-arg]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                children.append(self)

        def listen(pipe: Any) -> Any:
            heard.append(pipe)
            if len(heard) == 15:
                os.kill(children[0].pid, signal.SIGKILL)
                children[0].wait()
                raise wire.BrokenPipeToChildError("the other side is gone")
            return _REAL_FROM_CHILD(pipe)

        monkeypatch.setattr(subprocess, "Popen", Watched)
        monkeypatch.setattr(wire, "from_child", listen)
        told = await world.import_file("anna", many(20), "export.xml")
        assert len(children) == 2
        assert (*counts(told), told.attempts) == ("done", 20, 20, 0, 0, 1)
        assert len(await values(world)) == 20

    async def test_import_that_always_dies_fails_in_the_end(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that ends every child must not be tried for ever."""
        await world.enter("anna")

        def listen(_pipe: Any) -> Any:
            raise wire.BrokenPipeToChildError("the other side is gone")

        monkeypatch.setattr(wire, "from_child", listen)
        told = await world.import_file("anna", weights("70.5"), "export.xml")
        assert told.state == "failed"
        assert told.attempts == intake.MAX_ATTEMPTS
        assert told.error

    async def test_two_workers_never_run_one_import(self, world: World) -> None:
        """An import is claimed in one transaction."""
        await world.enter("anna")
        await world.upload("anna", many(3), "export.xml")
        ran = await asyncio.gather(
            asyncio.to_thread(world.valv.intake.run_waiting),
            asyncio.to_thread(world.another_worker().run_waiting),
        )
        assert sorted(ran) == [0, 1]

    async def test_widened_wraps_under_a_running_import_are_no_harm(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The owner blocks a unit while an import runs: what was sealed to the old generation is sealed anew."""
        await world.enter("anna")
        await world.allow("anna", "unit", demo.HEALTH_CENTRE, WEIGHT)
        real = Intake._shelf
        told_shelves: list[list[str]] = []

        def shelves(self: Intake, import_row: ImportRow, name: str, months: list[str]) -> Any:
            shelf = real(self, import_row, name, months)
            told_shelves.append(months)
            if len(told_shelves) == 1:
                asyncio.run(world.block("anna", "unit", demo.HEALTH_CENTRE, WEIGHT))
            return shelf

        monkeypatch.setattr(Intake, "_shelf", shelves)
        told = await world.import_file("anna", many(12), "export.xml")
        assert counts(told) == ("done", 12, 12, 0, 0)
        assert told.attempts == 1
        assert len(await values(world)) == 12
        unit = f"unit:{demo.HEALTH_CENTRE}"
        assert world.recipients("anna", WEIGHT, (unit,)) == set()


class TestCancel:
    """An owner's cancel ends the work and removes what it brought."""

    async def test_cancelled_before_it_ran_never_runs(self, world: World) -> None:
        """It is no longer waiting."""
        await world.enter("anna")
        import_id = await world.upload("anna", weights("70.5"), "export.xml")
        assert await world.undo("anna", import_id) == 0
        assert world.valv.intake.run_waiting() == 0

    async def test_cancel_while_it_runs_leaves_nothing(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The worker loses its lease at its next commit, and nothing comes after the undo."""
        await world.enter("anna")
        monkeypatch.setattr(intake, "BATCH", 3)
        import_id = await world.upload("anna", many(20), "export.xml")
        real = Intake._commit
        undone: list[int] = []

        def commits(self: Intake, *args: Any) -> None:
            real(self, *args)
            if len(undone) == 0:
                undone.append(asyncio.run(world.undo("anna", import_id)))

        monkeypatch.setattr(Intake, "_commit", commits)
        await asyncio.to_thread(world.valv.intake.run_waiting)
        assert undone
        assert world.find_import("anna", import_id).state == "cancelled"
        assert await values(world) == []


class TestChild:
    """The process that parses foreign bytes can open nothing."""

    def test_task_carries_no_key_that_opens(self) -> None:
        """A one-time upload key, names and fingerprints of the vault; nothing of recipients or rules."""
        names = {field.name for field in msgspec.structs.fields(wire.Task)}
        assert names == {
            "path", "filename", "upload", "upload_key", "vault", "blind", "intake", "import_id",
            "received_us", "author", "on_behalf_of",
        }  # fmt: skip
        assert {field.name for field in msgspec.structs.fields(wire.Shelf)} == {
            "drawer", "generation", "public", "theirs", "own",
        }  # fmt: skip

    def test_child_knows_no_keystore_and_no_database(self) -> None:
        """It imports the type of a vault's keys, and neither the store nor anything that opens."""
        source = Path(importers.__file__).parent / "child.py"
        imported = {
            f"{node.module}.{name.name}"
            for node in ast.walk(ast.parse(source.read_text()))
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        }
        assert "keys.keystore.KeyStore" not in imported
        assert not any(
            name.split(".")[0] in {"sqlite3", "sqlalchemy", "audit", "consent"} for name in imported
        )
        listing = "import sys, importers.child; print(*sorted(sys.modules))"
        modules = subprocess.run(
            [sys.executable, "-I", "-c", listing], capture_output=True, text=True, check=True, timeout=60
        ).stdout.split()
        assert "sqlalchemy" not in modules
        assert "vault.opening" not in modules
        assert "consent.gate" not in modules

    async def test_child_is_given_no_setting_and_no_secret_of_the_installation(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its environment is empty but for two words, and nothing that it is sent is a secret of the KeyStore."""
        await world.enter("anna")
        monkeypatch.setenv("VALV_PASSPHRASE", "a secret of the operator's")
        started: list[dict[str, Any]] = []
        sent: list[bytes] = []

        class Watched(subprocess.Popen):  # type: ignore[type-arg]
            def __init__(self, args: Any, **kwargs: Any) -> None:
                started.append({"args": args, **kwargs})
                super().__init__(args, **kwargs)

        real_send = wire.send

        def send(pipe: Any, message: Any) -> None:
            sent.append(wire._encode(message))
            real_send(pipe, message)

        monkeypatch.setattr(subprocess, "Popen", Watched)
        monkeypatch.setattr(wire, "send", send)
        assert counts(await world.import_file("anna", weights("70.5"), "export.xml"))[0] == "done"
        (call,) = started
        assert not any("VALV" in name or "PASS" in name for name in call["env"])
        assert "-I" in call["args"]
        assert call["close_fds"]
        secrets = every_secret(world.house.keystore)
        assert len(secrets) > 10
        for message in sent:
            assert not any(secret in message for secret in secrets)

    @pytest.mark.parametrize("lie", ["import_id", "tag", "vault_id", "drawer", "digests", "name"])
    async def test_child_that_lies_stores_nothing(
        self, world: World, monkeypatch: pytest.MonkeyPatch, lie: str
    ) -> None:
        """Whoever takes the child over by a file can put nothing into other vaults, drawers or imports."""
        await world.enter("anna", "bo")
        await world.add("bo", "bo", weight("90.0"))
        others, theirs, _ = world.drawer("bo", WEIGHT)
        told: dict[str, Any] = {
            "import_id": b"x" * 16, "tag": b"t" * 16, "vault_id": others.vault, "drawer": theirs.id,
            "digests": bytes(128),
        }  # fmt: skip

        def lying(pipe: Any) -> Any:
            match _REAL_FROM_CHILD(pipe):
                case wire.Sealed(name, sealed) if lie == "name":
                    return wire.Sealed("no-such-drawer" if name else name, sealed)
                case wire.Sealed(name, sealed):
                    return wire.Sealed(name, sealed._replace(**{lie: told[lie]}))
                case other:
                    return other

        monkeypatch.setattr(wire, "from_child", lying)
        ended = await world.import_file("anna", weights("70.5"), "export.xml")
        assert ended.state == "failed"
        assert await values(world) == []
        assert await values(world, "bo") == ["90.0"]

    async def test_fault_in_the_child_tells_nothing_of_the_file(
        self, world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """A traceback would quote what it could not read into the operator's log."""
        await world.enter("anna")
        real = Intake._task

        def broken(self: Intake, *args: Any) -> wire.Task:
            task = real(self, *args)
            task.path = "/nowhere/197503259280"
            return task

        monkeypatch.setattr(intake, "MAX_ATTEMPTS", 1)
        monkeypatch.setattr(Intake, "_task", broken)
        assert (await world.import_file("anna", weights("70.5"), "export.xml")).state == "failed"
        said = capfd.readouterr().err
        assert "import child: FileNotFoundError" in said
        assert "197503259280" not in said


class TestSamples:
    """Other people's files, with the counts of their SOURCES.md."""

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("apple/small_export.zip", ("done", 8, 8, 0, 0)),
            ("apple/small_export.xml", ("done", 8, 8, 0, 0)),
            ("apple/malformed_rows.xml", ("done", 6, 2, 0, 4)),
            ("fhir/golden/bundle-healthy.json", ("done", 42, 42, 0, 0)),
            ("fhir/golden/bundle-type2_diabetes.json", ("done", 50, 50, 0, 0)),
            (
                "fhir/synthea-r4/Clemente_Kreiger_1484a42d-0eaf-4654-9cbf-6b050a5cd73b.json",
                ("done", 70, 70, 0, 0),
            ),
            (
                "fhir/synthea-r4/Agustín_Fonseca_cb5696d9-a0de-4f49-94f9-433f96a28eb0.json",
                ("done", 86, 86, 0, 0),
            ),
            ("fhir/r4-examples/observation-example-bloodpressure.json", ("done", 1, 1, 0, 0)),
            ("fhir/r4-examples/observation-example-bloodpressure-cancel.json", ("done", 1, 1, 0, 0)),
        ],
    )
    async def test_sample_is_imported_with_the_right_counts(
        self, world: World, path: str, expected: tuple[str, int, int, int, int]
    ) -> None:
        """Through the upload, the child and the vault, not the parser alone."""
        file = sample(path)
        await world.enter("bo")
        assert counts(await world.import_file("bo", file.read_bytes(), file.name)) == expected

    async def test_sample_is_read_back_as_it_was(self, world: World) -> None:
        """Clemente's three blood pressures, diastolic listed first, the first 106.68/71.58."""
        file = sample("fhir/synthea-r4/Clemente_Kreiger_1484a42d-0eaf-4654-9cbf-6b050a5cd73b.json")
        await world.enter("bo")
        await world.import_file("bo", file.read_bytes(), file.name)
        found = (await world.read("bo", "bo", Category.BLOOD_PRESSURE)).records
        assert len(found) == 3
        told = [
            {part.code.code: f"{part.quantity.value:.2f}" for part in record.components if part.quantity}
            for record in found
        ]
        assert {"8480-6": "106.68", "8462-4": "71.58"} in told

    @pytest.mark.parametrize(
        "name",
        ["cyclic", "dtd", "external", "external_file", "quadratic", "simple", "xmlbomb", "xmlbomb2"],
    )
    async def test_attack_is_refused_with_a_clear_error(self, world: World, name: str) -> None:
        """Whole, at once, and with a sentence for its owner."""
        file = sample(f"xmlattack/{name}.xml")
        await world.enter("bo")
        told = await world.import_file("bo", file.read_bytes(), file.name)
        assert (told.state, told.stored, told.attempts) == ("failed", 0, 0)
        assert "tas inte emot" in told.error or "ingen export" in told.error


def every_secret(keystore: KeyStore) -> list[bytes]:
    """Return every secret in the KeyStore's file, opened."""
    stored = keystore._connection().execute("SELECT name, sealed FROM secrets").fetchall()
    return [
        envelope.open_box(keystore._root, sealed, bound_to=envelope.context("secret", name))
        for name, sealed in stored
    ]


def test_lease_outlasts_a_heartbeat() -> None:
    """A worker that lives keeps its import, however long the child reads."""
    assert timedelta(seconds=10) < LEASE
