"""A database that is gone, read-only or full: a clear word in two languages, no plaintext, no cause; and it passes."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from app import wiring
from app.main import application
from app.security import cookie_name
from app.seed import seed_demo
from app.settings import Settings
from app.wiring import Valv
from tests import postgres
from tests.faults import happens
from tests.world import START
from vault.database import Fault

FAULTS = (Fault.GONE, Fault.READ_ONLY, Fault.FULL)
_BASE = "http://testserver.local"
#: What tells of the inside: drivers, statements, files, hosts, and the fault itself.
_INSIDE = (
    "psycopg",
    "sqlite",
    "sqlalchemy",
    "select ",
    "insert ",
    "valv.db",
    ".s.pgsql",
    "read-only",
    "traceback",
)


@pytest.fixture(scope="module")
def valv(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Valv:
    """Make and open a demo installation with Anna's data; the application closes it."""
    url = postgres.shared().create() if engine == "postgresql" else ""
    folder = tmp_path_factory.mktemp("faults") / "data"
    settings = Settings(folder, database_url=url, allowed_hosts=("testserver.local",))
    wiring.create(settings, demo=True)
    opened = wiring.open_installation(settings)
    seed_demo(opened)
    return opened


@pytest.fixture(scope="module")
def client(valv: Valv) -> Iterator[TestClient[Litestar]]:
    """Serve it."""
    with TestClient(application(valv), base_url=_BASE) as serving:
        yield serving


@pytest.fixture(scope="module")
def anna(client: TestClient[Litestar]) -> dict[str, str]:
    """Return Anna's header."""
    token = client.post("/demo/token", json={"persona": "anna"}).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def observation(patient: str, day: int) -> dict[str, object]:
    """Return a body weight as a machine sends it."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": (START - timedelta(days=day)).isoformat(),
        "valueQuantity": {"value": 71.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_written_is_refused_plainly_and_works_again_after(
    client: TestClient[Litestar], anna: dict[str, str], valv: Valv, fault: Fault
) -> None:
    """The sender is told to come back, and on coming back is served by the same process."""
    patient = client.get("/api/me", headers=anna).json()["patient"]
    sent = [observation(patient, 100 * FAULTS.index(fault) + day) for day in range(8)]
    with happens(fault, valv.house.database):
        answers = [client.post("/fhir/Observation", json=one, headers=anna) for one in sent]
    answer = answers[-1]
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["code"] == "transient"
    assert "Försök igen" in outcome["issue"][0]["diagnostics"]
    assert "Try again" in outcome["issue"][0]["diagnostics"]
    assert not [word for word in _INSIDE if word in answer.text.lower()]
    assert client.post("/fhir/Observation", json=sent[-1], headers=anna).status_code in {200, 201}


def test_nothing_is_read_from_a_database_that_is_gone(
    client: TestClient[Litestar], anna: dict[str, str], valv: Valv
) -> None:
    """Machines get a problem, and neither a value nor a cause."""
    paths = ("/fhir/Observation?category=body-weight", "/api/consents", "/api/export")
    assert "71.5" in client.get(paths[0], headers=anna).text
    with happens(Fault.GONE, valv.house.database):
        answers = [client.get(path, headers=anna) for path in paths]
    for answer in answers:
        assert answer.status_code == 503
        assert not [word for word in ("71.5", *_INSIDE) if word in answer.text.lower()]
    assert answers[1].headers["content-type"].startswith("application/problem+json")
    assert "Försök igen" in answers[1].json()["detail"]
    for path in paths:
        assert client.get(path, headers=anna).status_code == 200


def test_page_says_that_it_is_closed(client: TestClient[Litestar], valv: Valv) -> None:
    """To a person, in their own words, with no word on what a database is doing."""
    session = {"Cookie": f"{cookie_name(valv)}={'A' * 43}"}
    with happens(Fault.GONE, valv.house.database):
        swedish = client.get("/", headers=session)
        english = client.get("/?lang=en", headers=session)
    assert (swedish.status_code, english.status_code) == (503, 503)
    assert "Tjänsten är stängd just nu" in swedish.text
    assert "We cannot reach the database, the log or the keys now" in english.text
    assert not [word for word in _INSIDE if word in (swedish.text + english.text).lower()]
    assert client.get("/", follow_redirects=False).status_code == 303
