"""What holds for every route and every answer, whoever asks."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app import demo, wiring
from app.main import application
from app.security import HEADERS, Access
from app.settings import Settings, SettingsError
from app.wiring import InstallationError
from identity import bearer
from identity.branch import sign_branch
from identity.branch_store import store_branches
from identity.principal import Staff


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Make one demo installation for the module."""
    made = Settings(tmp_path_factory.mktemp("security") / "data", allowed_hosts=("testserver.local",))
    wiring.create(made, demo=True)
    return made


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Litestar]:
    """Open the installation as an application."""
    valv = wiring.open_installation(settings)
    yield application(valv)
    valv.close()


async def test_every_route_declares_its_access(app: Litestar) -> None:
    """A route that forgets to say who may come is refused; none may be left to that."""
    undeclared = [
        f"{route.path} {handler}"
        for route in app.routes
        for handler in getattr(route, "route_handlers", [getattr(route, "route_handler", None)])
        if handler is not None
        and not isinstance(handler.opt.get("access"), Access)
        and handler.fn.__name__ != "options_handler"
    ]
    ours = [one for one in undeclared if "/schema/generated" not in one]
    assert ours == []


#: What the server can do, and the public key that receipts verify by.
_TELLS_OF_NOBODY = frozenset({"/fhir/metadata", "/api/consents/receipt-key"})


async def test_api_and_fhir_take_bearer_only(app: Litestar) -> None:
    """Cookies authenticate pages only, so that no other site's form can act as a machine."""
    for route in app.routes:
        if route.path.startswith(("/api", "/fhir")) and route.path not in _TELLS_OF_NOBODY:
            for handler in getattr(route, "route_handlers", []):
                if handler.fn.__name__ != "options_handler":
                    assert handler.opt["access"] is Access.BEARER, route.path


@pytest.mark.parametrize("path", ["/login", "/health", "/api/me", "/nothing", "/schema", "/fhir/metadata"])
async def test_every_answer_carries_the_security_headers(app: Litestar, path: str) -> None:
    """Answers and errors alike: an error page is a page too."""
    async with AsyncTestClient(app, base_url="http://testserver.local") as client:
        answer = await client.get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value, name
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


async def test_undeclared_route_is_refused(app: Litestar) -> None:
    """The framework's own description route declares nothing, and so gives nothing."""
    async with AsyncTestClient(app, base_url="http://testserver.local") as client:
        answer = await client.get("/schema/generated/openapi.json")
    assert answer.status_code in {403, 404}


async def test_foreign_host_is_refused(app: Litestar) -> None:
    """A page of another name that points at us gets no answer (DNS rebinding)."""
    async with AsyncTestClient(app, base_url="http://evil.example") as client:
        answer = await client.get("/health")
    assert answer.status_code == 400


async def test_schema_page_loads_from_our_own_files_only(app: Litestar) -> None:
    """Nothing is loaded from another host."""
    async with AsyncTestClient(app, base_url="http://testserver.local") as client:
        page = await client.get("/schema")
        told = await client.get("/schema/openapi.json")
    assert "http" not in page.text.replace("http-equiv", "")
    paths = told.json()["paths"]
    for named in ("/api/consents", "/api/imports", "/api/accesses", "/fhir/Observation", "/demo/token"):
        assert named in paths, named
    assert "multipart/form-data" in paths["/api/imports"]["post"]["requestBody"]["content"]
    assert {one["name"] for one in paths["/fhir/Observation"]["get"]["parameters"]} >= {
        "patient",
        "category",
        "date",
    }
    undescribed = [
        f"{method} {path}"
        for path, operations in paths.items()
        for method, operation in operations.items()
        if not operation.get("description")
    ]
    assert undescribed == []
    open_to_all = [
        path
        for path, operations in paths.items()
        for operation in operations.values()
        if path.startswith(("/api", "/fhir")) and "security" not in operation
    ]
    assert open_to_all == ["/fhir/metadata"]


def test_demo_listens_to_this_machine_only(settings: Settings) -> None:
    """A demo's personas need no password, so nobody else may reach it."""
    open_to_all = Settings(settings.data, host="0.0.0.0")  # noqa: S104 that is what is refused
    with pytest.raises(SettingsError, match="VALV_HOST"):
        wiring.open_installation(open_to_all)


def test_real_installation_needs_an_identity_provider(tmp_path: Path) -> None:
    """Outside demo mode the process refuses to start until one is configured."""
    real = Settings(tmp_path / "data", passphrase="made up for this test")
    wiring.create(real, demo=False)
    with pytest.raises(SettingsError, match="VALV_OIDC_ISSUER"):
        wiring.open_installation(real)
    with pytest.raises(SettingsError, match="VALV_CONTROLLER"):
        wiring.open_installation(replace(real, oidc_issuer="https://idp.example"))


async def test_real_installation_has_no_demo_routes(tmp_path: Path) -> None:
    """Personas and their tokens exist in demo installations and nowhere else."""
    real = Settings(
        tmp_path / "data",
        passphrase="made up for this test",
        oidc_issuer="https://idp.example",
        controller="Made up for this test",
        allowed_hosts=("testserver.local",),
    )
    wiring.create(real, demo=False)
    valv = wiring.open_installation(real)
    async with AsyncTestClient(application(valv), base_url="http://testserver.local") as client:
        personas = await client.get("/demo/personas")
        token = await client.post("/demo/token", json={"persona": "anna"})
    assert personas.status_code == token.status_code == 403


def test_installation_is_never_made_over_another(settings: Settings) -> None:
    """Demo data never goes into a database that holds anything."""
    with pytest.raises(InstallationError):
        wiring.create(settings, demo=True)


async def test_lost_commission_bites_on_the_next_request_of_every_process(settings: Settings) -> None:
    """A token lives an hour and its signature is remembered; who works where is asked at each use."""
    valv, other = wiring.open_installation(settings), wiring.open_installation(settings)
    house = valv.house
    nurse = demo.principal_of("nurse-vc", directory=house.directory(), keystore=house.keystore)
    assert isinstance(nurse, Staff)
    token = bearer.issue(valv.issuer, house.keystore, nurse, at=house.clock())
    async with AsyncTestClient(application(valv), base_url="http://testserver.local") as client:
        client.headers["Authorization"] = f"Bearer {token}"
        for _ in range(2):
            assert (await client.get("/api/me")).status_code == 200
        (branch,) = (one for one in demo.branches() if one["authority"]["id"] == demo.REGION_EXEMPEL)
        (member,) = (one for one in branch["staff"] if one["id"] == nurse.id)
        branch = {**branch, "version": 2, "staff": [one for one in branch["staff"] if one is not member]}
        keystore = other.house.keystore
        signed = sign_branch(branch, demo.signer_of(keystore, demo.REGION_EXEMPEL))
        other.house.database.write_now(
            lambda writing: store_branches(writing, keystore, [signed], at=other.house.clock())
        )
        assert (await client.get("/api/me")).status_code == 401
    other.close()
