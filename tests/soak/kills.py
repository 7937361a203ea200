"""The main job under SIGKILL: whatever process dies, whenever, nothing is lost, doubled, half or unlogged.

A *driver* works in a thread as citizens and staff do, over HTTP, and keeps a ledger of what was acknowledged and of
what may or may not have happened when a connection broke. The killer ends one process at a random moment and starts
it again, as an operator's supervisor would; nothing else is ever done by hand. At the end the ledger is held
against what the owner reads and what the log says.
"""

import io
import os
import random
import signal
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests import postgres
from tests.flows.conftest import Server, start, stop

WEIGHT = ("http://loinc.org", "29463-7")
SYSTOLIC, DIASTOLIC = "8480-6", "8462-4"
BUNDLE, IMPORTED = 20, 300
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_PATIENCE = 120
_CHILD_COMES, _CHILD_LIVES = 10, 0.6  # seconds: until there is an import to end, and about how long it lives


@dataclass
class Ledger:
    """What was acknowledged, and what was sent without an answer."""

    sure: set[int] = field(default_factory=set)
    maybe: set[int] = field(default_factory=set)
    bundles_sure: set[int] = field(default_factory=set)
    bundles_maybe: set[int] = field(default_factory=set)
    imports: dict[int, str] = field(default_factory=dict)
    imports_maybe: set[int] = field(default_factory=set)
    released: int = 0
    deeds: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of kills went; each list should be empty."""

    kills: int
    deeds: int
    lost: list[str]
    twice: list[str]
    half: list[str]
    unlogged: list[str]


class Installation:
    """The processes of one installation: a server, on PostgreSQL two and the database's own."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.database = postgres.Server(durable=True) if engine == "postgresql" else None
        self._url = self.database.create() if self.database is not None else ""
        self._folder = folder
        self.servers = [self._start()]
        if self.database is not None:
            self.servers.append(self._start())

    def victims(self) -> dict[str, Callable[[], bool]]:
        """Return what can be killed, by name; each tells whether there was one to kill."""
        found: dict[str, Callable[[], bool]] = {"server": self._kill_server, "import child": self._kill_child}
        if self.database is not None:
            found["postgresql"] = self._kill_database
        return found

    def close(self) -> None:
        """End all processes."""
        for server in self.servers:
            stop(server)
        if self.database is not None:
            self.database.close()

    def _start(self) -> Server:
        return start(self._folder, VALV_DATABASE_URL=self._url)

    def _kill_server(self) -> bool:
        number = random.randrange(len(self.servers))
        self.servers[number].process.kill()
        self.servers[number].process.wait(timeout=30)
        self.servers[number] = self._start()
        return True

    def _kill_child(self) -> bool:
        """Wait for an import, and end it somewhere on its way."""
        deadline = time.monotonic() + _CHILD_COMES
        while time.monotonic() < deadline:
            if children := [child for one in self.servers for child in _children(one.process.pid)]:
                time.sleep(random.uniform(0, _CHILD_LIVES))
                return any(_kill(child) for child in children)
            time.sleep(0.02)
        return False

    def _kill_database(self) -> bool:
        assert self.database is not None
        self.database.kill()
        self.database.start()
        return True


def _kill(process: int) -> bool:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Driver(threading.Thread):
    """People at work, until told to stop; every break of a connection is outlived."""

    def __init__(self, installation: Installation, seed: int) -> None:
        super().__init__(name="driver", daemon=True)
        self.ledger = Ledger()
        self.over = threading.Event()
        self.fault: BaseException | None = None
        self._installation = installation
        self._random = random.Random(seed)
        self._number = 0
        self._tokens: dict[str, str] = {}
        self._rule = ""

    def run(self) -> None:
        """Work."""
        deeds = {self._add: 5, self._bundle: 2, self._read: 4, self._import: 1, self._regrant: 1}
        try:
            while not self.over.is_set():
                (deed,) = self._random.choices(list(deeds), list(deeds.values()))
                deed()
                self.ledger.deeds[deed.__name__] += 1
        except BaseException as fault:  # noqa: BLE001 the main thread raises it
            self.fault = fault

    def call(self, persona: str, method: str, path: str, **more: Any) -> httpx.Response | None:
        """Send one request; None where nobody knows whether it was done."""
        with httpx.Client(base_url=self._url(), timeout=30) as http:
            try:
                token = self._tokens.get(persona) or self._enter(http, persona)
                answer = http.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)
            except httpx.HTTPError:
                time.sleep(0.05)
                return None
        if answer.status_code in {401, 403} and persona in self._tokens:
            del self._tokens[persona]  # the token's time is over
        return None if answer.status_code >= 500 else answer

    def surely(self, persona: str, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request that may be repeated until there is an answer."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            answer = self.call(persona, method, path, **more)
            if answer is not None and answer.status_code != 401:
                return answer
        raise AssertionError(f"no answer to {method} {path}")

    def _url(self) -> str:
        return self._random.choice(self._installation.servers).url

    def _enter(self, http: httpx.Client, persona: str) -> str:
        answer = http.post("/demo/token", json={"persona": persona})
        if answer.status_code != 200:
            raise httpx.TransportError("no token")
        token: str = answer.json()["access_token"]
        self._tokens[persona] = token
        return token

    def _next(self) -> int:
        self._number += 1
        return self._number

    # --- deeds

    def _add(self) -> None:
        number = self._next()
        answer = self.call("bo", "POST", "/fhir/Observation", json=_weight(number))
        if answer is None:
            self.ledger.maybe.add(number)
        elif answer.status_code == 201:
            self.ledger.sure.add(number)

    def _bundle(self) -> None:
        number = self._next()
        answer = self.call("bo", "POST", "/fhir", json=_pressures(number))
        if answer is None:
            self.ledger.bundles_maybe.add(number)
        elif answer.status_code == 200:
            self.ledger.bundles_sure.add(number)

    def _read(self) -> None:
        if not self._rule:
            self._regrant()
            return
        about = {"patient": self._patient(), "category": "body-weight", "_count": "5"}
        answer = self.call("nurse-vc", "GET", "/fhir/Observation", params=about)
        if answer is not None and answer.status_code == 200:
            self.ledger.released += 1

    def _import(self) -> None:
        number = self._next()
        answer = self.call("bo", "POST", "/api/imports", files={"file": ("export.zip", _apple(number))})
        if answer is None:
            self.ledger.imports_maybe.add(number)
        elif answer.status_code == 202:
            self.ledger.imports[number] = answer.headers["Location"]

    def _regrant(self) -> None:
        if self._rule:
            self.surely("bo", "DELETE", f"/api/consents/{self._rule}")
            self._rule = ""
        me = self.surely("nurse-vc", "GET", "/api/me").json()
        rule = {
            "effect": "allow",
            "grantee": {"kind": "unit", "id": me["commission"]["unit"]["id"]},
            "actions": ["read"],
            "categories": ["body-weight"],
        }
        answer = self.call("bo", "POST", "/api/consents", json=rule)
        if answer is not None and answer.status_code == 201:
            self._rule = answer.json()["id"]

    def _patient(self) -> str:
        patient: str = self.surely("bo", "GET", "/api/me").json()["patient"]
        return patient


def run(folder: Path, engine: str, *, kills: int, seed: int, told: Callable[[str], None]) -> Outcome:
    """Kill so many times, then hold the ledger against what there is."""
    random.seed(seed)
    installation = Installation(folder, engine)
    try:
        driver = Driver(installation, seed)
        driver.surely("bo", "GET", "/api/me")
        driver.start()
        done = 0
        while done < kills:
            time.sleep(random.uniform(0.02, 1.2))
            name, kill = random.choice(list(installation.victims().items()))
            hit = kill()
            if driver.fault is not None:
                raise driver.fault
            if hit:
                done += 1
                told(f"{engine}: kill {done} of {kills}: {name}")
        driver.over.set()
        driver.join(timeout=_PATIENCE)
        return _judge(installation, driver, kills)
    finally:
        installation.close()


def _judge(installation: Installation, driver: Driver, kills: int) -> Outcome:
    ledger = driver.ledger
    outcome = Outcome(kills, sum(ledger.deeds.values()), [], [], [], [])
    given_up = _await_imports(driver)
    weights = _values(driver, "body-weight", lambda one: [one["valueQuantity"]])
    _hold(outcome, "weight", weights, ledger.sure, ledger.sure | ledger.maybe)
    _hold_bundles(outcome, driver)
    _hold_imports(outcome, driver, given_up)
    _hold_log(outcome, installation, driver)
    return outcome


def _await_imports(driver: Driver) -> set[int]:
    """Wait for all imports to end; return those whose child was ended too often, as their owner is told."""
    deadline, given_up = time.monotonic() + _PATIENCE, set()
    for number, location in driver.ledger.imports.items():
        while (state := driver.surely("bo", "GET", location).json()["state"]) in {"queued", "running"}:
            assert time.monotonic() < deadline, f"import {number} does not end"
            time.sleep(0.5)
        if state == "failed":
            given_up.add(number)
    return given_up


def _hold(outcome: Outcome, what: str, found: Counter[int], sure: set[int], known: set[int]) -> None:
    outcome.lost.extend(f"{what} {number}" for number in sorted(sure - found.keys()))
    outcome.twice.extend(f"{what} {number}" for number, times in found.items() if times > 1)
    outcome.twice.extend(f"{what} {number}, never sent" for number in found.keys() - known)


def _hold_bundles(outcome: Outcome, driver: Driver) -> None:
    """A transaction is there whole or not at all; entry k of bundle n has the pressure 100 + k at minute n."""
    found = Counter(
        divmod(number, BUNDLE)
        for number, times in _minutes(driver, "blood-pressure").items()
        for _ in range(times)
    )
    ledger = driver.ledger
    parts = Counter(bundle for bundle, _ in found)
    outcome.half.extend(f"bundle {n}: {have} of {BUNDLE}" for n, have in parts.items() if have < BUNDLE)
    outcome.twice.extend(f"bundle {n}, entry {k}" for (n, k), times in found.items() if times > 1)
    outcome.lost.extend(f"bundle {n}" for n in ledger.bundles_sure - parts.keys())


def _hold_imports(outcome: Outcome, driver: Driver, given_up: set[int]) -> None:
    found = Counter(
        divmod(number, IMPORTED)
        for number, times in _minutes(driver, "heart-rate").items()
        for _ in range(times)
    )
    parts = Counter(number for number, _ in found)
    ledger = driver.ledger
    outcome.twice.extend(f"import {n}, row {k}" for (n, k), times in found.items() if times > 1)
    for number in ledger.imports:
        if parts[number] == 0 and number not in given_up:
            outcome.lost.append(f"import {number}")
    outcome.half.extend(f"import {n}: {have} of {IMPORTED}" for n, have in parts.items() if have != IMPORTED)


def _hold_log(outcome: Outcome, installation: Installation, driver: Driver) -> None:
    """Every reading that reached its reader stands in the log, and the log is whole."""
    logged, before = 0, ""
    while entries := driver.surely("bo", "GET", f"/api/accesses?before={before}").json():
        logged += sum(
            (one["kind"], one["decision"], one["actor"]["kind"]) == ("read", "permit", "staff")
            for one in entries
        )
        before = entries[-1]["seq"]
    if logged < driver.ledger.released:
        outcome.unlogged.append(f"{driver.ledger.released} released, {logged} logged")
    verified = installation.servers[0].valv("audit", "verify")
    if verified.returncode != 0:
        outcome.unlogged.append(verified.stdout[-500:])


def _values(driver: Driver, category: str, pick: Callable[[Any], list[Any]]) -> Counter[int]:
    found: Counter[int] = Counter()
    for resource in _all(driver, category):
        found.update(round(float(value["value"]) * 100) for value in pick(resource))
    return found


def _minutes(driver: Driver, category: str) -> Counter[int]:
    """Count records by the minute since the beginning that they are of."""
    resources = _all(driver, category)
    starts = (one.get("effectiveDateTime") or one["effectivePeriod"]["start"] for one in resources)
    times = (datetime.fromisoformat(start) for start in starts)
    return Counter(int((at - _BEGIN) / timedelta(minutes=1)) for at in times)


def _all(driver: Driver, category: str) -> list[Any]:
    found: list[Any] = []
    path = f"/fhir/Observation?category={category}&_count=100"
    while path:
        answer = driver.surely("bo", "GET", path).json()
        found += [entry["resource"] for entry in answer.get("entry", [])]
        links = {link["relation"]: link["url"] for link in answer.get("link", [])}
        path = links.get("next", "")
    return found


def _weight(number: int) -> dict[str, Any]:
    return _observation(WEIGHT[1], number, {"valueQuantity": _quantity(f"{number / 100:.2f}", "kg")})


def _pressures(number: int) -> dict[str, Any]:
    entries = []
    for entry in range(BUNDLE):
        parts = {SYSTOLIC: 100 + entry, DIASTOLIC: 60 + entry}
        components = [
            {"code": _coding(code), "valueQuantity": _quantity(str(value), "mm[Hg]")}
            for code, value in parts.items()
        ]
        resource = _observation("85354-9", number * BUNDLE + entry, {"component": components})
        entries.append({"resource": resource, "request": {"method": "POST", "url": "Observation"}})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _observation(code: str, minute: int, more: dict[str, Any]) -> dict[str, Any]:
    at = _BEGIN + timedelta(minutes=minute)
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": _coding(code),
        "effectiveDateTime": at.isoformat(),
        **more,
    }


def _coding(code: str) -> dict[str, Any]:
    return {"coding": [{"system": WEIGHT[0], "code": code}]}


def _quantity(value: str, unit: str) -> dict[str, Any]:
    return {"value": float(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _apple(number: int) -> bytes:
    """Write an export of heart rates, one each minute from the number's own beginning."""
    rows = []
    for row in range(IMPORTED):
        at = (_BEGIN + timedelta(minutes=number * IMPORTED + row)).strftime("%Y-%m-%d %H:%M:%S +0000")
        rows.append(
            f'<Record type="HKQuantityTypeIdentifierHeartRate" sourceName="Watch" unit="count/min" '
            f'startDate="{at}" endDate="{at}" value="{60 + row % 40}"/>'
        )
    xml = f'<?xml version="1.0"?>\n<HealthData locale="sv_SE">\n{"".join(rows)}\n</HealthData>\n'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export.xml", xml)
    return packed.getvalue()


def _children(parent: int) -> list[int]:
    """Return the import children of a process (and of nobody else)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent and b"importers.child" in command:
            found.append(int(folder.name))
    return found
