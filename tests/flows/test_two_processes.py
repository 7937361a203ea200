"""Several processes serve one installation: a revocation bites on the next request of every one of them."""

from collections.abc import Iterator

import httpx
import pytest

from tests.flows.conftest import Server, start, stop
from tests.flows.test_main_job_api import Caller, allow


@pytest.fixture
def other(server: Server) -> Iterator[Server]:
    """Start a second server on the first one's data."""
    running = start(server.data)
    yield running
    stop(running)


@pytest.mark.slow
def test_revocation_bites_on_the_next_request_of_every_process(server: Server, other: Server) -> None:
    """No cache, no queue and no clock stands between a citizen's word and the next decision."""
    with (
        httpx.Client(base_url=server.url, timeout=60) as here,
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
def test_server_comes_back_after_kill_on_the_same_data(server: Server) -> None:
    """A second start finds what the first had, without any manual step, and its log is whole."""
    running = start(server.data)
    with httpx.Client(base_url=running.url, timeout=60) as http:
        before = Caller(http, "anna").http.get("/fhir/Observation").json()["total"]
    running.process.kill()
    running.process.wait(timeout=30)
    again = start(server.data)
    with httpx.Client(base_url=again.url, timeout=60) as http:
        assert Caller(http, "anna").http.get("/fhir/Observation").json()["total"] == before
    stop(again)
    verified = server.valv("audit", "verify")
    assert verified.returncode == 0, verified.stdout
    assert server.valv("doctor").returncode == 0
