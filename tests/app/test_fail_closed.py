"""Without a durable entry nothing leaves: the log fails, and so does every read and every change."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import wiring
from app.main import application
from app.seed import seed_demo
from app.settings import Settings
from app.wiring import Valv
from audit.errors import LogUnavailableError
from audit.log import AuditLog
from keys.keystore import KeyStore
from tests import postgres
from tests.world import attack


@pytest.fixture(scope="module")
def settings(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Make one demo installation with Anna's data."""
    folder = tmp_path_factory.mktemp("closed") / "data"
    url = postgres.shared().create() if engine == "postgresql" else ""
    made = Settings(folder, database_url=url, allowed_hosts=("testserver.local",))
    wiring.create(made, demo=True)
    valv = wiring.open_installation(made)
    seed_demo(valv)
    valv.close()
    return made


@pytest.fixture
def valv(settings: Settings) -> Valv:
    """Open it; the application closes it."""
    return wiring.open_installation(settings)


@pytest.fixture
async def anna(valv: Valv) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """Log Anna in over HTTP."""
    async with AsyncTestClient(application(valv), base_url="http://testserver.local") as client:
        token = (await client.post("/demo/token", json={"persona": "anna"})).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/fhir/Observation?category=blood-pressure"),
        ("GET", "/fhir/Patient/{me}/$everything"),
        ("GET", "/fhir/Consent"),
        ("GET", "/fhir/AuditEvent"),
        ("GET", "/fhir/Provenance"),
        ("GET", "/api/export"),
        ("GET", "/api/accesses"),
        ("GET", "/api/consents"),
        ("GET", "/api/imports"),
        ("GET", "/api/access-requests"),
    ],
)
async def test_no_plaintext_leaves_while_the_log_is_down(
    anna: AsyncTestClient[Litestar], monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """Audit down means no plaintext, a clear answer, and work goes on when the fault is gone."""
    patient = (await anna.get("/api/me")).json()["patient"]
    opened: list[Any] = []
    real = KeyStore.open

    def spy(*given: Any) -> Any:
        opened.append(given)
        return real(*given)

    monkeypatch.setattr(KeyStore, "open", spy)

    async def fail(*_: Any, **__: Any) -> None:
        raise LogUnavailableError("no space left")

    with monkeypatch.context() as down:
        down.setattr(AuditLog, "append", fail)
        answer = await anna.request(method, path.format(me=patient))
    assert answer.status_code == 503
    assert opened == []
    assert "no space left" not in answer.text
    assert answer.headers["Retry-After"]
    assert (await anna.request(method, path.format(me=patient))).status_code == 200


async def test_no_rule_changes_while_the_log_is_down(
    anna: AsyncTestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grant that cannot be written down is not made."""
    rule = {
        "effect": "allow",
        "grantee": {"kind": "unit", "id": "SE2321009905-TESTVE1"},
        "actions": ["read"],
        "categories": ["body-weight"],
    }

    async def fail(*_: Any, **__: Any) -> None:
        raise LogUnavailableError("no space left")

    with monkeypatch.context() as down:
        down.setattr(AuditLog, "append", fail)
        assert (await anna.post("/api/consents", json=rule)).status_code == 503
    assert (await anna.get("/api/consents")).json() == []


async def test_upload_is_not_kept_while_the_log_is_down(
    anna: AsyncTestClient[Litestar], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one byte of a file is kept before its entry is durable."""

    async def fail(*_: Any, **__: Any) -> None:
        raise LogUnavailableError("no space left")

    with monkeypatch.context() as down:
        down.setattr(AuditLog, "append", fail)
        answer = await anna.post("/api/imports", files={"file": ("a.json", b"{}")})
    assert answer.status_code == 503
    assert os.listdir(settings.uploads) == []  # noqa: PTH208 the path's own listing would want a thread


async def test_tampered_vault_gives_no_cause(valv: Valv, anna: AsyncTestClient[Litestar]) -> None:
    """The finding stands in the operator's log; outside there is only that it cannot be opened now."""
    with attack(valv.settings) as attacker:
        attacker.execute("UPDATE drawers SET manifest = ?", (b"\0",))
    answer = await anna.get("/fhir/Observation?category=blood-pressure")
    assert answer.status_code == 503
    assert "manifest" not in answer.text
