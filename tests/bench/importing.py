"""An export of Apple Health from zip to sealed and searchable, beside expat alone over the same XML.

Ours is the real path: the upload is sealed frame by frame, queued, claimed, parsed by the import child, committed in
batches and logged. The baseline reads the XML inside the same zip with an empty handler of start tags.
"""

import asyncio
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.parsers import expat

from app import demo, login, wiring
from app.settings import Settings
from app.wiring import Valv
from audit.events import Activity, EventKind
from identity.principal import Citizen
from importers import intake
from importers.intake import Upload
from importers.tables import ImportRow
from importers.upload import UploadWriter
from keys.envelope import microseconds
from policies.vocabulary import Deed
from sharing.house import author_of
from tests.bench import apple_file

_CHUNK = 1 << 18
_XML = 1 << 16
_LOOK = 0.05


def ours(folder: Path, file: Path) -> tuple[float, float]:
    """Import a file into a new installation; return the seconds, and the child's greatest memory in MB."""
    settings = Settings(folder)
    wiring.create(settings, demo=True)
    valv = wiring.open_installation(settings)
    try:
        owner = _owner(valv)
        asyncio.run(login.enter(valv, owner))
        with _watched() as peaks:
            start = time.perf_counter()
            import_id = asyncio.run(_upload(valv, owner, file))
            valv.intake.run_waiting()
            took = time.perf_counter() - start
        _check(valv, import_id)
    finally:
        valv.close()
    return took, max(peaks, default=0) / 1024


def baseline(file: Path) -> float:
    """Return the seconds that expat takes over the XML in the same zip, with an empty handler of start tags."""
    start = time.perf_counter()
    with zipfile.ZipFile(file) as archive, archive.open(apple_file.MEMBER) as stream:
        parser = expat.ParserCreate()
        parser.StartElementHandler = lambda _name, _attributes: None
        while chunk := stream.read(_XML):
            parser.Parse(chunk)
        parser.Parse(b"", True)
    return time.perf_counter() - start


def _owner(valv: Valv) -> Citizen:
    found = demo.principal_of("bo", directory=valv.house.directory(), keystore=valv.house.keystore)
    assert isinstance(found, Citizen)
    return found


async def _upload(valv: Valv, owner: Citizen, file: Path) -> bytes:
    """Seal and queue the file as the pages do."""
    house, import_id = valv.house, os.urandom(16)
    loaded = await house.database.read(lambda reader: house.load(reader, owner.person.alias))
    authorization = await house.ask(
        owner, loaded, Deed.MANAGE, EventKind.IMPORT, Activity.WRITE, subject=import_id.hex()
    )
    writer = UploadWriter(valv.intake.path(import_id), import_id, limit=1 << 40)
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            writer.write(chunk)
    writer.finish()
    author, now = author_of(owner), microseconds(house.clock())
    told = Upload(
        key=writer.key,
        filename=file.name,
        entry=authorization.receipt.entry,
        author=(author.kind, author.id, author.name, author.organisation),
    )
    row = ImportRow(
        vault_id=loaded.vault,
        import_id=import_id,
        state="queued",
        rehearse=False,
        format="",
        sealed=intake.seal_upload(house.keystore, loaded.vault, import_id, told),
        created_us=now,
        updated_us=now,
        size=writer.size,
    )
    await house.database.write(lambda connection: intake.queue(connection, row))
    return import_id


def _check(valv: Valv, import_id: bytes) -> None:
    owner = _owner(valv)
    house = valv.house
    vault = house.database.read_now(lambda reader: house.load(reader, owner.person.alias)).vault
    told = house.database.read_now(lambda reader: intake.find(reader, vault, import_id))
    assert told is not None
    assert (told.state, told.rejected) == ("done", 0), told.state


@contextmanager
def _watched() -> Iterator[list[int]]:
    """Note the greatest memory (KiB) of each child while it lives; the kernel keeps the peak of each."""
    peaks: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK):
            for children in Path("/proc/self/task").glob("*/children"):
                peaks.extend(_peak(child) for child in children.read_text().split())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _peak(child: str) -> int:
    try:
        if "importers.child" not in Path("/proc", child, "cmdline").read_text():
            return 0  # it is still a copy of this process
        status = Path("/proc", child, "status").read_text()
    except OSError:
        return 0  # it has just ended
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) if found else 0
