"""What the operator sets, read once at start from the environment; each has a safe default or is demanded.

===================  ========================================================================================
VALV_DATA            folder of the embedded databases, keys and uploads (default ``data``)
VALV_DATABASE_URL    ``postgresql://…``: vaults and log stand there, keys and uploads still in VALV_DATA
VALV_BROKER_URL      ``amqp://…``: ``valv worker`` runs the jobs, woken by RabbitMQ (default: the server runs them)
VALV_HOST            address to listen on (default 127.0.0.1; demo installations take no other)
VALV_PORT            port (default 8080)
VALV_PASSPHRASE      opens the KeyStore's file; without it the file ``VALV_PASSPHRASE_FILE`` is read
VALV_OIDC_ISSUER     the identity provider; outside demo the process does not start without one
VALV_ALLOWED_HOSTS   host names that requests may name, comma-separated (default: loopback names)
VALV_MAX_UPLOAD_MB   largest upload (default 4096)
VALV_CONTROLLER      who is controller (personuppgiftsansvarig) of new vaults; a demo has its own
VALV_LAWFUL_BASIS    which basis policy holds: ``consent`` (default) or ``blocks-only``
VALV_BLOCKED_DATA    whether staff are told in an emergency that something is blocked: ``told`` (default), ``untold``
VALV_EMERGENCY       how long an emergency opening lasts: ``hour`` (default) or ``day``
VALV_SMTP            ``smtp://host:port`` or ``smtps://…``, with ``user:password@``: mail says that something is new
VALV_SMTP_FROM       the address that it comes from; needed with VALV_SMTP
VALV_RELATION        whether a patient relation is ``stated`` by asking (default) or must be ``on-record``
VALV_STAFF_NAMES     whether the citizen's log names staff: ``named`` (default), or tells their ``role`` and unit alone
VALV_WITNESSES       who cosigns the log's checkpoints: ``https://… <verifier key>``, comma-separated (default: nobody)
===================  ========================================================================================
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from app.mailing import Server
from audit.asking import WitnessAt
from audit.checkpoint import CheckpointError
from audit.cosignature import WitnessKey
from policies.engine import LAW_IN_FORCE
from sharing.notices import ADDRESS

#: The setting by which each variant of the policies is chosen.
VARIANTS = {
    "basis": "VALV_LAWFUL_BASIS",
    "blocked-data": "VALV_BLOCKED_DATA",
    "emergency": "VALV_EMERGENCY",
    "relation": "VALV_RELATION",
    "staff-names": "VALV_STAFF_NAMES",
}


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, checked."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8080
    passphrase: str = ""
    passphrase_file: Path | None = None
    oidc_issuer: str = ""
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    max_upload: int = 4096 << 20
    policies: Mapping[str, str] = field(default_factory=lambda: LAW_IN_FORCE)  # a choice for each variant
    controller: str = ""
    database_url: str = field(default="", repr=False)  # it may hold a password
    broker_url: str = field(default="", repr=False)  # and so may this
    smtp: str = field(default="", repr=False)  # and this
    smtp_from: str = ""
    witnesses: tuple[WitnessAt, ...] = ()

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read and check the environment.

        Raises:
            SettingsError: by the setting's name.
        """
        hosts = environment.get("VALV_ALLOWED_HOSTS", "")
        file = environment.get("VALV_PASSPHRASE_FILE", "")
        default = cls(Path())
        return cls(
            data=Path(environment.get("VALV_DATA") or "data").resolve(),
            host=_host(environment.get("VALV_HOST") or default.host),
            port=_number(environment, "VALV_PORT", 8080, limit=65535),
            passphrase=environment.get("VALV_PASSPHRASE", ""),
            passphrase_file=Path(file) if file else None,
            oidc_issuer=environment.get("VALV_OIDC_ISSUER", ""),
            allowed_hosts=tuple(h.strip() for h in hosts.split(",") if h.strip()) or default.allowed_hosts,
            max_upload=_number(environment, "VALV_MAX_UPLOAD_MB", 4096, limit=1 << 20) << 20,
            policies={one: environment.get(name) or LAW_IN_FORCE[one] for one, name in VARIANTS.items()},
            controller=environment.get("VALV_CONTROLLER", ""),
            database_url=_database_url(environment.get("VALV_DATABASE_URL", "")),
            broker_url=_broker_url(environment.get("VALV_BROKER_URL", "")),
            smtp=(smtp := _smtp(environment.get("VALV_SMTP", ""))),
            smtp_from=_sender(environment.get("VALV_SMTP_FROM", ""), smtp),
            witnesses=_witnesses(environment.get("VALV_WITNESSES", "")),
        )

    @property
    def is_loopback(self) -> bool:
        """Tell whether the server listens to this machine only."""
        return ip_address(self.host).is_loopback

    @property
    def database(self) -> Path | str:
        """The vaults' database: a file, or PostgreSQL's URL."""
        return self.database_url or self.data / "valv.db"

    @property
    def log(self) -> Path | str:
        """The log: a file of its own, or PostgreSQL's URL."""
        return self.database_url or self.data / "log.db"

    @property
    def log_key(self) -> Path:
        """The log's public key, base64, as it was at installation."""
        return self.data / "log.pub"

    @property
    def checkpoints(self) -> Path:
        """Signed checkpoints outside the log's file."""
        return self.data / "checkpoints"

    @property
    def keystore(self) -> Path:
        """The KeyStore's file."""
        return self.data / "keystore.db"

    @property
    def uploads(self) -> Path:
        """Sealed uploads."""
        return self.data / "uploads"

    @property
    def workers(self) -> Path:
        """The workers' signs of life."""
        return self.data / "workers"


def _host(text: str) -> str:
    address = "127.0.0.1" if text == "localhost" else text
    try:
        ip_address(address)
    except ValueError:
        raise SettingsError("VALV_HOST: not an IP address") from None
    return address


def _database_url(text: str) -> str:
    """Return the URL with the driver that we use named in it; the operator need not know which."""
    if not text:
        return ""
    scheme, _, rest = text.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not rest:
        raise SettingsError(
            "VALV_DATABASE_URL: write postgresql://user@host/database; without it, files serve"
        )
    return f"postgresql+psycopg://{rest}"


def _broker_url(text: str) -> str:
    if text and not text.startswith(("amqp://", "amqps://")):
        raise SettingsError(
            "VALV_BROKER_URL: write amqp://user:password@host/vhost; without it, none is used"
        )
    return text


def _smtp(text: str) -> str:
    try:
        if text:
            Server.parse(text)
    except ValueError:
        raise SettingsError("VALV_SMTP: write smtp://host:port; without it, no mail is sent") from None
    return text


def _sender(text: str, smtp: str) -> str:
    if (text or smtp) and not ADDRESS.fullmatch(text):
        raise SettingsError("VALV_SMTP_FROM: the address that mail comes from, needed with VALV_SMTP")
    return text


def _witnesses(text: str) -> tuple[WitnessAt, ...]:
    found = tuple(_witness(one) for one in text.split(",") if one.strip())
    if len({one.key.id for one in found}) < len(found):
        raise SettingsError("VALV_WITNESSES: one key twice")
    return found


def _witness(text: str) -> WitnessAt:
    """Read one witness; what a stranger on the way could answer is a false alarm, so outside this machine HTTPS."""
    url, _, key = text.strip().partition(" ")
    try:
        parts, read = urlsplit(url), WitnessKey.parse(key)
    except CheckpointError as error:
        raise SettingsError(
            f"VALV_WITNESSES: {error}; write its HTTPS address, a space and its verifier key"
        ) from None
    except ValueError:
        raise SettingsError("VALV_WITNESSES: not an address") from None
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise SettingsError("VALV_WITNESSES: write its HTTPS address, a space and its verifier key")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
        raise SettingsError("VALV_WITNESSES: https, but for a witness on this machine")
    return WitnessAt(url.rstrip("/"), read)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _number(environment: Mapping[str, str], name: str, default: int, *, limit: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) <= limit:
        raise SettingsError(f"{name}: a whole number from 1 to {limit}")
    return int(text)
