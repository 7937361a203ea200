"""A thief of the data folder finds nothing: no person, no category, no code, no value, no unit, in any file."""

import asyncio

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import String, inspect

from app import demo
from app.demo import PersonaKind
from app.models import METADATA
from consent.gate import Refused
from policies.vocabulary import Category, Purpose
from sharing import asking, lookup
from tests import postgres
from tests.importers.import_inputs import export, row
from tests.world import START, World, pressure, weight
from vault.measures import LOINC, MEASURES

_WORD = 6  # shorter words stand in sealed bytes by chance
_CHUNK = 1 << 20  # bytes looked at together


def secrets() -> dict[str, str]:
    """Return every word that must not stand in the clear, and what it is."""
    found: dict[str, str] = {}
    for persona in demo.PERSONAS:
        found |= {persona.name: "name", **dict.fromkeys(persona.name.split(), "part of a name")}
        found[persona.identifier] = "identifier"
        if persona.kind is PersonaKind.CITIZEN:
            number = persona.identifier
            found |= dict.fromkeys(
                (number[2:], f"{number[:8]}-{number[8:]}", f"{number[2:8]}-{number[8:]}"), "number"
            )
    for branch in demo.branches():
        found[branch["authority"]["id"]] = found[branch["authority"]["name"]] = "authority"
        for provider in branch["providers"]:
            found[provider["id"]] = found[provider["name"]] = "provider"
            for unit in provider["units"]:
                found[unit["id"]] = found[unit["name"]] = "unit"
    found |= dict.fromkeys(Category, "category")
    found |= dict.fromkeys(Purpose, "purpose")
    for measure in MEASURES.values():
        found |= {measure.code: "code", measure.sv: "measure", measure.en: "measure"}
    found |= dict.fromkeys(
        ("121.7373", "81.4242", "70.51515", "66.616161", "Annas våg", "mm[Hg]"), "value or unit"
    )
    found |= dict.fromkeys(
        ("min-hemliga-export.xml", "seventy kilos", "HKQuantityType", LOINC), "of the upload"
    )
    return {word: what for word, what in found.items() if len(word) >= _WORD}


def spellings(word: str) -> set[bytes]:
    """Return a word as programs write it: UTF-8, both UTF-16, lower case, as JSON escapes, as hex."""
    forms = {word, word.lower(), word.encode("ascii", "backslashreplace").decode()}
    raw = {
        form.encode(encoding, "replace")
        for form in forms
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1")
    }
    return raw | {word.encode().hex().encode(), word.encode().hex().upper().encode()}


def kept(world: World) -> dict[str, bytes]:
    """Return every file of the data folder, and on PostgreSQL every table."""
    folder, url = world.folder, world.settings.database_url
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return files | ({f"table {name}": content for name, content in postgres.rows(url).items()} if url else {})


def findings(world: World) -> list[tuple[str, str]]:
    """Return in which file or table which word stands in the clear, in whatever letters."""
    sought = [(raw.lower(), word) for word in secrets() for raw in spellings(word)]
    begins: dict[int, list[tuple[bytes, str]]] = {}
    for raw, word in sought:
        begins.setdefault(int.from_bytes(raw[:_WORD], "big"), []).append((raw, word))
    return [
        (name, word)
        for name, content in kept(world).items()
        for word in _found(content.lower(), begins, np.array(sorted(begins), np.uint64))
    ]


def _found(
    content: bytes, begins: dict[int, list[tuple[bytes, str]]], known: npt.NDArray[np.uint64]
) -> set[str]:
    """Return the words in one file: wherever it has the first letters of one, which few places have by chance."""
    words = set()
    for start in range(0, len(content), _CHUNK):
        letters = np.frombuffer(content[start : start + _CHUNK + _WORD - 1], np.uint8).astype(np.uint64)
        if len(letters) < _WORD:
            break
        windows = np.zeros(len(letters) - _WORD + 1, np.uint64)
        for place in range(_WORD):
            windows = windows << np.uint64(8) | letters[place : place + len(windows)]
        nearest = known[np.searchsorted(known, windows) % len(known)]
        for at in (windows == nearest).nonzero()[0].tolist():
            words |= {w for raw, w in begins[int(windows[at])] if content.startswith(raw, start + at)}
    return words


async def main_job(world: World) -> None:
    """Import, sharing, reading, adding, asking, looking up, revoking, refusing: one of everything."""
    await world.enter("anna", "bo", "elsa")
    scale = row("BodyMass", unit="kg", value="70.51515", sourceName="Annas våg")
    file = export(scale, row("BodyMass", unit="kg", value="seventy kilos"))
    await world.import_file("anna", file, "min-hemliga-export.xml")
    await world.upload("anna", file, "min-hemliga-export.xml")  # this one still waits when the thief comes
    await world.add("anna", "anna", pressure("121.7373", "81.4242"))
    nurse = await world.allow("anna", "unit", demo.HEALTH_CENTRE, Category.BLOOD_PRESSURE)
    await world.allow("anna", "unit", demo.HOME_CARE, Category.BODY_WEIGHT, actions=["read", "add"])
    await world.block("anna", "provider", demo.PRIVATE_CARE, *Category)
    assert len((await world.read("nurse-vc", "anna")).records) == 1
    await world.add("homecare", "anna", weight("66.616161", START))
    await lookup.look_up(world.house, world.who("nurse-vc"), world.alias("anna"))
    await asking.ask(
        world.house,
        world.who("doctor-hospital"),  # type: ignore[arg-type]
        world.alias("anna"),
        categories=(Category.MENTAL_HEALTH,),
        actions=(),
        purpose=Purpose.CARE,
    )
    await world.revoke("anna", nurse)
    with pytest.raises(Refused):
        await world.read("nurse-vc", "anna")
    world.house.log.checkpoint()


async def test_nothing_stands_in_clear_after_the_main_job(world: World) -> None:
    """In the open installation, with its write-ahead logs, and in the closed one."""
    await main_job(world)
    there = set(kept(world))
    places = {"table segments"} if world.settings.database_url else {"valv.db", "valv.db-wal", "log.db"}
    assert {"keystore.db", *places} <= there
    assert any(name.startswith("uploads/") for name in there)
    assert findings(world) == []
    await asyncio.to_thread(world.close)
    assert findings(world) == []


async def test_the_search_finds_what_stands_in_clear(world: World) -> None:
    """A grep that finds nothing must be one that would find it."""
    for word in ("Exempelsson", "197503259280", "750325-9280", "blood-pressure", "85354-9", "70.51515"):
        for number, raw in enumerate(spellings(word)):
            (world.folder / f"leak-{number}").write_bytes(b"\0\1" + raw + b"\xff")
        found = {name for name, _ in findings(world)}
        assert found >= {f"leak-{number}" for number in range(len(spellings(word)))}, word


async def test_no_column_but_those_meant_for_it_holds_text(world: World) -> None:
    """In clear are opaque ids, sizes, versions, write times, and the state of an import or a request."""
    await main_job(world)
    allowed = {
        ("imports", "state"), ("imports", "format"), ("imports", "error"), ("access_requests", "state"),
        ("installation", "origin"),
    }  # fmt: skip
    described = inspect(world.house.database.engine)
    text = {
        (table, column["name"])
        for table in METADATA.tables
        for column in described.get_columns(table)
        if isinstance(column["type"], String)
    }
    assert set(METADATA.tables) <= set(described.get_table_names())
    assert text == allowed
