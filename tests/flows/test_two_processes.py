"""Several processes serve one installation: a revocation bites on the next request of every one of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.flows.conftest import Server, start, stop
from tests.flows.test_main_job_api import Caller, allow


@pytest.fixture
def other(either: Server) -> Iterator[Server]:
    """Start a second server on the first one's data."""
    running = start(either.data, **either.settings)
    yield running
    stop(running)


@pytest.mark.slow
def test_revocation_bites_on_the_next_request_of_every_process(either: Server, other: Server) -> None:
    """No cache, no queue and no clock stands between a citizen's word and the next decision."""
    with (
        httpx.Client(base_url=either.url, timeout=60) as here,
        httpx.Client(base_url=other.url, timeout=60) as there,
    ):
        anna = Caller(here, "anna")
        nurse = Caller(there, "nurse-vc")
        patient = anna.me()["patient"]
        unit = nurse.me()["commission"]["unit"]["id"]
        for _ in range(3):
            granted = anna.http.post("/api/consents", json=allow(unit, ["read"], ["blood-pressure"]))
            assert granted.status_code == 201
            assert nurse.pressures(patient).status_code == 200
            assert anna.http.delete(f"/api/consents/{granted.json()['id']}").status_code == 204
            assert nurse.pressures(patient).status_code == 403


@pytest.mark.slow
def test_server_comes_back_after_kill_on_the_same_data(either: Server) -> None:
    """A second start finds what the first had, without any manual step, and its log is whole."""
    running = start(either.data, **either.settings)
    with httpx.Client(base_url=running.url, timeout=60) as http:
        before = Caller(http, "anna").http.get("/fhir/Observation").json()["total"]
    running.process.kill()
    running.process.wait(timeout=30)
    again = start(either.data, **either.settings)
    with httpx.Client(base_url=again.url, timeout=60) as http:
        assert Caller(http, "anna").http.get("/fhir/Observation").json()["total"] == before
    stop(again)
    verified = either.valv("audit", "verify")
    assert verified.returncode == 0, verified.stdout
    assert either.valv("doctor").returncode == 0


@pytest.mark.slow
def test_what_several_processes_write_at_once_is_all_there_once(either: Server, other: Server) -> None:
    """Every process writes the same vault and the same log, and none undoes what another did."""
    with (
        httpx.Client(base_url=either.url, timeout=60) as here,
        httpx.Client(base_url=other.url, timeout=60) as there,
        ThreadPoolExecutor(8) as many,
    ):
        writers = [Caller(one, "bo") for one in (here, there)]
        patient = writers[0].me()["patient"]
        before = writers[0].http.get("/fhir/Observation", params={"category": "body-weight"}).json()["total"]

        def add(number: int) -> int:
            return (
                writers[number % 2].http.post("/fhir/Observation", json=_weight(patient, number)).status_code
            )

        assert set(many.map(add, range(24))) == {201}
        for writer in writers:
            found = writer.http.get("/fhir/Observation", params={"category": "body-weight"}).json()
            assert found["total"] == before + 24
    assert either.valv("audit", "verify").returncode == 0


def _weight(patient: str, number: int) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"2026-03-02T08:{number:02}:00+01:00",
        "valueQuantity": {"value": 70, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }
