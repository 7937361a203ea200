"""Other people's files, imported through the running server, with the counts that a right program finds."""

import json
from pathlib import Path

import httpx
import pytest

from tests.flows.conftest import Server
from tests.flows.test_main_job_api import Caller

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SAMPLES.is_dir(), reason="../shared/samples is not here"),
]


def _import(server: Server, path: Path, persona: str = "bo") -> dict[str, object]:
    """Import a file as a citizen and give back what came of it, with what is there of it now."""
    with httpx.Client(base_url=server.url, timeout=120) as http:
        return Caller(http, persona).import_file(path.read_bytes())


def _total(server: Server, path: str) -> int:
    with httpx.Client(base_url=server.url, timeout=120) as http:
        return int(Caller(http, "bo").http.get(path).json()["total"])


def test_apple_exports_give_what_their_sources_say(server: Server) -> None:
    """8 Records in the zip, and of the malformed 6 the good are kept and the bad are listed by line."""
    export = _import(server, SAMPLES / "apple/small_export.zip")
    assert (export["state"], export["read"], export["stored"], export["rejected"]) == ("done", 8, 8, 0)
    assert _total(server, "/fhir/Observation?category=sleep") == 2
    again = _import(server, SAMPLES / "apple/small_export.zip")
    assert (again["stored"], again["duplicates"]) == (0, 8)
    bad = _import(server, SAMPLES / "apple/malformed_rows.xml")
    assert (bad["state"], bad["read"], bad["stored"], bad["rejected"]) == ("done", 6, 2, 4)
    assert [one["where"] for one in bad["rejections"]] == ["line 19", "line 20", "line 21", "line 22"]  # type: ignore[attr-defined]
    assert all(one["reason"] for one in bad["rejections"])  # type: ignore[attr-defined]


def test_bundles_are_kept_whole(server: Server) -> None:
    """Every entry of every Bundle is stored as a measurement or a document, or was there already."""
    bundles = sorted(SAMPLES.glob("fhir/golden/bundle-*.json")) + sorted(
        SAMPLES.glob("fhir/synthea-r4/*.json")
    )
    assert len(bundles) == 10
    for path in bundles:
        entries = len(json.loads(path.read_text())["entry"])
        told = _import(server, path)
        assert told["state"] == "done", path.name
        assert (told["read"], told["rejected"]) == (entries, 0), path.name
        assert int(str(told["stored"])) + int(str(told["duplicates"])) == entries, path.name


def test_clemente_has_three_blood_pressures_with_diastolic_first(server: Server) -> None:
    """Order and decimals come through as they were written: 106.68/71.58 at two decimals."""
    found = next(SAMPLES.glob("fhir/synthea-r4/Clemente*.json"))
    _import(server, found, persona="vidar")
    with httpx.Client(base_url=server.url, timeout=120) as http:
        answer = Caller(http, "vidar").http.get("/fhir/Observation?category=blood-pressure&_sort=date").json()
        everything = Caller(http, "vidar").http.get("/fhir/Observation").json()
    assert answer["total"] == 3
    assert everything["total"] == 48
    parts = answer["entry"][0]["resource"]["component"]
    assert [part["code"]["coding"][0]["code"] for part in parts] == ["8462-4", "8480-6"]
    assert [round(part["valueQuantity"]["value"], 2) for part in parts] == [71.58, 106.68]


def test_every_hl7_observation_example_is_taken(server: Server, tmp_path: Path) -> None:
    """Examples of the standard are never lost, whatever they hold; here as NDJSON, a line each; one is 107/60."""
    examples = sorted(SAMPLES.glob("fhir/r4-examples/observation-*.json"))
    lines = tmp_path / "examples.ndjson"
    lines.write_text("".join(" ".join(path.read_text().splitlines()) + "\n" for path in examples))
    told = _import(server, lines, persona="vidar")
    assert (told["state"], told["read"], told["rejected"]) == ("done", len(examples), 0)
    with httpx.Client(base_url=server.url, timeout=120) as http:
        found = (
            Caller(http, "vidar").http.get("/fhir/Observation?category=blood-pressure&date=2012-09-17").json()
        )
    values = {
        tuple(part.get("valueQuantity", {}).get("value") for part in entry["resource"].get("component", ()))
        for entry in found["entry"]
    }
    assert (107, 60) in values


@pytest.mark.parametrize("name", ["cyclic", "external", "external_file", "quadratic", "xmlbomb", "xmlbomb2"])
def test_xml_attacks_are_refused_with_a_clear_error(server: Server, name: str) -> None:
    """An attack is refused in words, stores nothing, and the server goes on."""
    told = _import(server, SAMPLES / f"xmlattack/{name}.xml")
    assert (told["state"], told["read"], told["stored"]) == ("failed", 0, 0)
    assert "entit" in str(told["error"]).lower()
    assert httpx.get(f"{server.url}/health").text == "ok"
