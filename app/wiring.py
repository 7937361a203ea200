"""Builds every dependency once, for web, jobs and commands alike."""

import base64
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, select

from app.demo import CONTROLLER as DEMO_CONTROLLER
from app.demo import branches as demo_branches
from app.demo import population as demo_population
from app.demo import seed_directory
from app.mailing import Mailer, Server
from app.migrate import upgrade
from app.settings import Settings, SettingsError
from app.tables import InstallationRow
from audit.events import Activity, Actor, Event, EventKind
from audit.log import AuditLog
from consent.gate import Gate
from consent.index import Indexes
from identity import branch_store
from identity.population import Population
from identity.principal import System
from identity.tokens import Issuer, Signer
from importers.intake import Intake
from keys.certificates import CertificateIssuer
from keys.envelope import context, microseconds
from keys.keystore import KeyStore
from policies import signals
from policies.deadlines import Deadlines
from policies.engine import INSTALLED, Policies
from policies.sampling import Criteria
from sharing import vaults
from sharing.house import House
from sharing.signing import Press
from sharing.telling import Teller
from vault import state
from vault.database import Database, DatabaseUnavailableError

#: Made by :mod:`app.web.build`.
DOCUMENT_FONTS = Path(__file__).parent / "web" / "built" / "fonts"
_INSTALLATION = InstallationRow.__table__  # type: ignore[attr-defined]
Clock = Callable[[], datetime]


class InstallationError(Exception):
    """The data folder cannot be used as asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Valv:
    """One installation, open.

    ``receipts`` signs those of rules, ``press`` makes signed documents; ``teller`` sends mail, where there is a server;
    ``population`` is the register that logins ask.
    """

    settings: Settings
    demo: bool
    house: House
    intake: Intake
    issuer: Issuer
    receipts: Signer
    teller: Teller | None
    population: Population
    origin: str
    press: Press

    @property
    def controller(self) -> str:
        """Who is controller (personuppgiftsansvarig) of the vaults made here."""
        return DEMO_CONTROLLER if self.demo else self.settings.controller

    def close(self) -> None:
        """Write what waits and give the files back."""
        self.house.log.close()
        self.house.database.close()


def wall_clock() -> datetime:
    """Return the time now, UTC."""
    return datetime.now(UTC)


def create(settings: Settings, *, demo: bool, clock: Clock = wall_clock) -> None:
    """Make the databases and keys of a new installation in an empty data folder.

    Raises:
        InstallationError: there is one already.
        SettingsError: no passphrase is set (a demo makes its own).
    """
    if settings.keystore.exists() or is_demo(settings) is not None:
        raise InstallationError(f"{_place(settings)}: there is an installation already")
    for folder in (settings.data, settings.uploads, settings.checkpoints):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if demo:
        _make_passphrase(_demo_passphrase(settings))
    keystore = KeyStore.create(settings.keystore, _passphrase(settings, demo=demo), clock=clock)
    settings.log_key.write_text(base64.b64encode(keystore.log_signer().public()).decode() + "\n")
    database = Database(settings.database)
    upgrade(database, settings.log)
    origin = f"halsovalvet/{secrets.token_hex(8)}"
    log = _open_log(settings, keystore, origin, clock)
    try:
        decoy = database.write_now(lambda connection: _seed(connection, keystore, origin, clock(), demo=demo))
        _check_stamp(keystore, database.read_now(_installation))
        log.append_now(_installed(decoy, database, keystore, clock()))
    finally:
        log.close()
        database.close()


def open_installation(settings: Settings, *, clock: Clock = wall_clock) -> Valv:
    """Open an installation.

    Raises:
        InstallationError: there is none, or its stamp is not the one that was made with it.
        SettingsError: a demo would listen to others, or outside demo no identity provider is configured.
    """
    database = _up_to_date(settings)
    try:
        return _open(settings, database, clock)
    except BaseException:
        database.close()
        raise


def _open(settings: Settings, database: Database, clock: Clock) -> Valv:
    told = database.read_now(_installation)
    _check_mode(settings, demo=told.demo)
    keystore = KeyStore.load(settings.keystore, _passphrase(settings, demo=told.demo), clock=clock)
    _check_stamp(keystore, told)
    log = _open_log(settings, keystore, told.origin, clock)
    policies = Policies.load(INSTALLED, settings.policies)
    house = House(
        database=database,
        keystore=keystore,
        log=log,
        gate=Gate(policies, log, Indexes()),
        directory=lambda: database.look_now(lambda connection: branch_store.current(connection, keystore)),
        decoy=told.decoy,
        clock=clock,
        deadlines=Deadlines.load(),
        sampling=Criteria.load(),
        signals=signals.load(),
    )
    return Valv(
        settings=settings,
        demo=told.demo,
        house=house,
        intake=Intake(
            database,
            keystore,
            log,
            uploads=settings.uploads,
            workers=settings.workers,
            wanted=house.wanted,
            clock=clock,
        ),
        issuer=Issuer.of(keystore, name=told.origin),
        receipts=Signer.of(keystore, label="consent-receipts"),
        teller=_teller(settings, house),
        population=demo_population() if told.demo else Population(()),
        origin=told.origin,
        press=Press(DOCUMENT_FONTS, CertificateIssuer.of(keystore, name=told.origin, at=clock())),
    )


@contextmanager
def open_stores(settings: Settings, *, clock: Clock = wall_clock) -> Iterator[tuple[Database, KeyStore]]:
    """Open an installation's database and keys alone, for a command that needs neither log nor policies.

    Raises:
        InstallationError: there is none, or its stamp is not the one that was made with it.
        SettingsError: no passphrase is set.
    """
    database = _up_to_date(settings)
    try:
        told = database.read_now(_installation)
        keystore = KeyStore.load(settings.keystore, _passphrase(settings, demo=told.demo), clock=clock)
        _check_stamp(keystore, told)
        yield database, keystore
    finally:
        database.close()


def bring_up_to_date(settings: Settings) -> None:
    """Run the migrations that an installation's databases lack.

    Raises:
        InstallationError: there is none.
    """
    _up_to_date(settings).close()


def is_demo(settings: Settings) -> bool | None:
    """Tell whether there is a demo; None where there is nothing."""
    database = _found(settings)
    if database is None:
        return None
    try:
        return database.read_now(_installation).demo
    finally:
        database.close()


def _teller(settings: Settings, house: House) -> Teller | None:
    """Return who tells people by e-mail, where the operator named a server."""
    if not settings.smtp:
        return None
    mailer = Mailer(Server.parse(settings.smtp), settings.smtp_from)
    return Teller(house, lambda mail: mailer.send(mail, at=house.clock()))


def _up_to_date(settings: Settings) -> Database:
    database = _found(settings)
    if database is None:
        told = f"{_place(settings)}: no installation here; run 'valv demo' or 'valv db create'"
        raise InstallationError(told)
    upgrade(database, settings.log)
    return database


def _found(settings: Settings) -> Database | None:
    """Open the vaults' database, where an installation's tables are there."""
    if isinstance(settings.database, Path) and not settings.database.is_file():
        return None
    database = Database(settings.database)
    try:
        if database.read_now(lambda connection: inspect(connection).has_table(_INSTALLATION.name)):
            return database
    except DatabaseUnavailableError:
        database.close()
        raise
    database.close()
    return None


def _place(settings: Settings) -> str:
    return "VALV_DATABASE_URL" if settings.database_url else str(settings.data)


def _seed(connection: Connection, keystore: KeyStore, origin: str, at: datetime, *, demo: bool) -> bytes:
    decoy = vaults.make_decoy(connection, keystore, at=at)
    if demo:
        seed_directory(connection, keystore, demo_branches(), at=at)
    row = InstallationRow(demo=demo, decoy=decoy, origin=origin, created_us=microseconds(at))
    connection.execute(_INSTALLATION.insert().values(row.model_dump()))
    return decoy


def _installed(decoy: bytes, database: Database, keystore: KeyStore, at: datetime) -> Event:
    loaded = database.read_now(lambda connection: state.load(connection, keystore, decoy, logged=None))
    return Event(
        kind=EventKind.CREATE_VAULT,
        activity=Activity.WRITE,
        at=at,
        actor=Actor.of(System("installation", "first start")),
        vault=decoy,
        head=loaded.head.ref(),
    )


def _installation(connection: Connection) -> InstallationRow:
    row = connection.execute(select(_INSTALLATION)).mappings().one_or_none()
    if row is None:
        raise InstallationError(
            "the database was never finished; remove it and the data folder and begin anew"
        )
    return InstallationRow(**row)


def _check_stamp(keystore: KeyStore, told: InstallationRow) -> None:
    """Hold what the database says of the installation to what the KeyStore was told at its making.

    Else whoever can write the database could make a real installation a demo, where anyone logs in as anyone,
    or another's vault the decoy.
    """
    stamp = context("installation", int(told.demo), told.decoy, told.origin)
    if keystore.service_secret("installation", make=lambda: stamp) != stamp:
        raise InstallationError("the database is not this KeyStore's, or its stamp was changed")


def _check_mode(settings: Settings, *, demo: bool) -> None:
    if demo and not settings.is_loopback:
        raise SettingsError("VALV_HOST: a demo installation listens on this machine only")
    if not demo and not settings.oidc_issuer:
        raise SettingsError("VALV_OIDC_ISSUER: an identity provider is needed outside demo mode")
    if not demo and not settings.controller:
        raise SettingsError("VALV_CONTROLLER: every vault names its controller (personuppgiftsansvarig)")


def _open_log(settings: Settings, keystore: KeyStore, origin: str, clock: Clock) -> AuditLog:
    return AuditLog.open(
        settings.log, keystore, origin=origin, checkpoint_dir=settings.checkpoints, clock=clock
    )


def _passphrase(settings: Settings, *, demo: bool) -> str:
    file = settings.passphrase_file or (_demo_passphrase(settings) if demo else None)
    passphrase = settings.passphrase or (file.read_text().strip() if file and file.is_file() else "")
    if not passphrase:
        raise SettingsError("VALV_PASSPHRASE or VALV_PASSPHRASE_FILE: needed to open the KeyStore")
    return passphrase


def _demo_passphrase(settings: Settings) -> Path:
    return settings.data / "demo-passphrase"


def _make_passphrase(file: Path) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(secrets.token_urlsafe(32))
