"""The KeyStore: the only holder of secrets, which opens nothing without a receipt from the log.

The embedded store is one SQLite file whose every secret is sealed under a root key, itself sealed under a
passphrase-derived key. Several processes of one installation may open it. Secrets are of these classes:

- *recipient*: one a recipient id; every wrap for it is sealed under it. Leaves never.
- *shred*: one a drawer; every wrap is sealed inside it, so that destroying it destroys the drawer, also
  against a restored backup of the database. Leaves never.
- *vault*: one a vault, from which the blinding, rules and intake keys derive. They open no record and are
  given to the server without a receipt (:meth:`KeyStore.vault_keys`).
- *month*: keys of the log's bodies, one a scope and month; destroyed by erasure and by retention.
- *service*: the log's signing key, receipt and head MAC keys, session, token, directory and upload keys.

Honest limit: who holds the file, its passphrase and the database can read everything (docs/threat-model.md).
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from keys import envelope, primitives
from keys.envelope import Window, WrapContext, context
from keys.primitives import (
    CannotOpenError,
    KeysError,
    PrivateKey,
    Signer,
    derive,
    mac,
    random_key,
)
from keys.receipt import Receipt

RECEIPT_LIFETIME = timedelta(seconds=10)
_REMEMBERED = 4096  # vaults, on each thread

_SCHEMA = """
CREATE TABLE IF NOT EXISTS root (one INTEGER PRIMARY KEY CHECK (one = 1), salt BLOB NOT NULL, sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS secrets (name BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
"""
_KEEP = "INSERT OR IGNORE INTO secrets VALUES (?, ?)"


class RefusedReceiptError(KeysError):
    """The receipt does not permit this opening; the text names the check."""


class WrongPassphraseError(KeysError):
    """The passphrase does not open the KeyStore's file."""


@dataclass(frozen=True, slots=True, repr=False)
class VaultKeys:
    """A vault's keys that open no record: index tags, the sealed rules and profile, intake, wraps' windows."""

    vault: bytes
    blind: bytes
    rules: bytes
    intake: bytes
    windows: bytes = b""


@dataclass(frozen=True, slots=True)
class Wrap:
    """One stored wrap: its context, its sealed bytes, and the window that it is said to have."""

    context: WrapContext
    sealed: bytes
    window: Window


@dataclass(slots=True)
class _Link:
    """One thread's connection, with the vaults' keys derived since the file was last seen to change."""

    connection: sqlite3.Connection
    version: int = -1
    vaults: dict[bytes, VaultKeys] = field(default_factory=dict)

    def renew(self) -> "_Link":
        """Forget what may no longer hold: all from before another connection, or process, wrote.

        SQLite's ``data_version`` tells that for a tenth of what deriving keys anew costs. What this connection
        destroys itself it does not tell: :meth:`KeyStore._destroy` forgets by hand.
        """
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self.version or len(self.vaults) >= _REMEMBERED:
            self.forget()
            self.version = version
        return self

    def forget(self) -> None:
        """Forget every key."""
        self.vaults.clear()


class KeyStore:
    """Secrets in one sealed file; see the module's docstring for the classes.

    Between two calls it remembers, until anyone writes the file, vaults' keys that open no record, and for good the
    installation's own keys, which nothing destroys.
    What opens a wrap, a shred key and a recipient's, is read from the file each time, and no generation's private half
    is ever remembered.
    """

    def __init__(self, path: Path, root_key: bytes, *, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._root = root_key
        self._names = derive(root_key, label="names")
        self._clock = clock
        self._local = threading.local()
        self._lasting: dict[str, bytes] = {}
        self._used: dict[tuple[bytes, bytes, int], float] = {}
        self._lock = threading.Lock()
        self._receipt_key = self._service("receipt")
        self._head_key = self._service("head-mac")
        self._alias_key = self._service("alias")
        self._pseudonym_key = self._service("pseudonym")

    @classmethod
    def create(cls, path: Path, passphrase: str, *, clock: Callable[[], datetime]) -> "KeyStore":
        """Make a new file, readable by its owner only.

        Raises:
            FileExistsError: there is one already; it is never overwritten.
        """
        path.touch(mode=0o600, exist_ok=False)
        root_key, salt = random_key(), random_key()[:16]
        sealed = envelope.seal_box(
            primitives.stretch(passphrase, salt=salt), root_key, bound_to=context("keystore-root")
        )
        with sqlite3.connect(path) as connection:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO root VALUES (1, ?, ?)", (salt, sealed))
        connection.close()
        return cls(path, root_key, clock=clock)

    @classmethod
    def load(cls, path: Path, passphrase: str, *, clock: Callable[[], datetime]) -> "KeyStore":
        """Open an existing file.

        Raises:
            FileNotFoundError: there is none.
            WrongPassphraseError: the passphrase does not open it.
        """
        if not path.is_file():
            raise FileNotFoundError(path.name)
        connection = sqlite3.connect(path)
        try:
            row = connection.execute("SELECT salt, sealed FROM root").fetchone()
        finally:
            connection.close()
        try:
            root_key = envelope.open_box(
                primitives.stretch(passphrase, salt=row[0]), row[1], bound_to=context("keystore-root")
            )
        except CannotOpenError:
            raise WrongPassphraseError("the passphrase does not open the KeyStore") from None
        return cls(path, root_key, clock=clock)

    # --- recipients and wraps

    def wrap(self, key: PrivateKey, *, bound_to: WrapContext, window: Window) -> Wrap:
        """Seal a generation's private half for a recipient, whose key is made the first time it is named, inside
        the drawer's shred key.
        """  # noqa: D205
        shred = self._secret(_shred_name(bound_to.vault, bound_to.drawer), make=random_key)
        recipient = self._secret(_recipient_name(bound_to.recipient), make=random_key)
        windows = self.vault_keys(bound_to.vault).windows
        sealed = envelope.seal_wrap(shred, windows, recipient, key, bound_to=bound_to, window=window)
        return Wrap(bound_to, sealed, window)

    def open(self, receipt: Receipt, wrap: Wrap) -> PrivateKey:
        """Open one wrap against a receipt.

        1. the log made the receipt, 2. it is under 10 s from the KeyStore's own clock, 3. it names this vault,
        drawer, generation and recipient, 4. it was not used for them before, 5. the wrap opens under the drawer's
        shred key and the recipient's, 6. its authenticated window holds now.

        Raises:
            RefusedReceiptError: checks 1 to 4 or 6.
            CannotOpenError: check 5.
        """
        now = self._clock()
        bound = wrap.context
        if not receipt.holds(self._receipt_key):
            raise RefusedReceiptError("the receipt is not the log's")
        if not abs(now - receipt.at) < RECEIPT_LIFETIME:
            raise RefusedReceiptError("the receipt is too old, or from the future")
        if receipt.vault != bound.vault or (bound.drawer, bound.generation) not in receipt.opens.drawers:
            raise RefusedReceiptError("the receipt names another vault, drawer or generation")
        if bound.recipient not in receipt.opens.recipients:
            raise RefusedReceiptError("the receipt names another recipient")
        self._use(receipt, bound)
        shred, recipient = self._found(
            _shred_name(bound.vault, bound.drawer), _recipient_name(bound.recipient)
        )
        if shred is None or recipient is None:
            raise CannotOpenError("the key is destroyed or was never made")
        key = envelope.open_wrap(shred, recipient, wrap.sealed, bound_to=bound, window=wrap.window)
        if not wrap.window.holds(now):
            raise RefusedReceiptError("the wrap's time is over or not yet come")
        return key

    def shred(self, vault: bytes, drawers: Iterable[bytes]) -> None:
        """Destroy drawers for good: nothing sealed in them opens again, from whatever backup."""
        self._destroy([_shred_name(vault, drawer) for drawer in drawers])

    # --- what needs no receipt, since it opens no record

    def vault_keys(self, vault: bytes) -> VaultKeys:
        """Return the keys of one vault that open no record, making them the first time."""
        known = self._link().renew().vaults
        if vault not in known:
            secret = self._secret(f"vault/{vault.hex()}", make=random_key)
            labels = ("blind", "rules", "intake", "windows")
            known[vault] = VaultKeys(vault, **{label: derive(secret, label=label) for label in labels})
        return known[vault]

    def has_vault(self, vault: bytes) -> bool:
        """Tell whether a vault's keys were made and are not destroyed."""
        return self._find(f"vault/{vault.hex()}") is not None

    def shred_vault_keys(self, vault: bytes) -> None:
        """Destroy a vault's rules, profile and index keys."""
        self._destroy([f"vault/{vault.hex()}"])

    def alias(self, identifier: str) -> bytes:
        """Return the 16-byte alias of any personal number, known or not: a keyed function of it."""
        return mac(self._alias_key, context("alias", identifier))[:16]

    def pseudonym(self, scope: str) -> bytes:
        """Return the 16-byte name under which a scope (a vault, an organisation) stands in the log."""
        return mac(self._pseudonym_key, context("pseudonym", scope))[:16]

    def mac_head(self, statement: bytes) -> bytes:
        """Authenticate a vault's head statement."""
        return mac(self._head_key, context("head", statement))

    def head_holds(self, statement: bytes, tag: bytes) -> bool:
        """Tell whether a head statement is one that this KeyStore authenticated."""
        return primitives.same(self.mac_head(statement), tag)

    def month_key(self, scope: str, month: str) -> bytes:
        """Return the key of a scope's log bodies in a month (``YYYY-MM``), making it the first time."""
        return self._secret(f"month/{scope}/{month}", make=random_key)

    def find_month_key(self, scope: str, month: str) -> bytes | None:
        """Return that key if it was made and is not destroyed."""
        return self._find(f"month/{scope}/{month}")

    def destroy_month_keys(self, scope: str, months: Iterable[str]) -> None:
        """Make the bodies of a scope's months unreadable under this scope."""
        self._destroy([f"month/{scope}/{month}" for month in months])

    def log_signer(self) -> Signer:
        """Return the log's signing key; only audit/log.py asks for it."""
        return Signer(self._service("log-signer"))

    def receipt_key(self) -> bytes:
        """Return the key of receipts; only audit/log.py asks for it."""
        return self._receipt_key

    def service_key(self, name: str) -> bytes:
        """Return a 32-byte key of the installation's own (``session``, ``directory``, ``upload`` ...)."""
        return self._service(f"use/{name}")

    def service_secret(self, name: str, *, make: Callable[[], bytes]) -> bytes:
        """Return a secret of any form, made once (the token issuer's PEM)."""
        return self._lasting_secret(_service_secret_name(name), make)

    def keep_service_secrets(self, made: Mapping[str, bytes]) -> None:
        """Keep many such secrets in one transaction; one that was there before stays as it was."""
        names = {self._sealed_name(_service_secret_name(name)): secret for name, secret in made.items()}
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_KEEP, [(key, self._sealed(key, secret)) for key, secret in names.items()])
        connection.execute("COMMIT")

    # --- the file

    def _service(self, name: str) -> bytes:
        return self._lasting_secret(f"service/{name}", random_key)

    def _lasting_secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return a secret that nothing destroys, so that it is read once."""
        if name not in self._lasting:
            self._lasting[name] = self._secret(name, make=make)
        return self._lasting[name]

    def _use(self, receipt: Receipt, bound: WrapContext) -> None:
        now = time.monotonic()
        mark = (receipt.entry, bound.drawer, bound.generation)
        with self._lock:
            if mark in self._used:
                raise RefusedReceiptError("the receipt was used before")
            self._used[mark] = now
            while self._used:
                oldest, since = next(iter(self._used.items()))
                if now - since < 2 * RECEIPT_LIFETIME.total_seconds():
                    break
                del self._used[oldest]

    def _link(self) -> _Link:
        link: _Link | None = getattr(self._local, "link", None)
        if link is None:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            link = self._local.link = _Link(connection)
        return link

    def _connection(self) -> sqlite3.Connection:
        return self._link().connection

    def _sealed_name(self, name: str) -> bytes:
        return mac(self._names, name.encode())[:16]

    def _sealed(self, key: bytes, secret: bytes) -> bytes:
        return envelope.seal_box(self._root, secret, bound_to=context("secret", key))

    def _find(self, name: str) -> bytes | None:
        return self._found(name)[0]

    def _found(self, *names: str) -> list[bytes | None]:
        """Return secrets, each None where it is destroyed or was never made."""
        keys = [self._sealed_name(name) for name in names]
        query = f"SELECT name, sealed FROM secrets WHERE name IN ({', '.join('?' * len(keys))})"  # noqa: S608
        rows = dict(self._connection().execute(query, keys).fetchall())
        return [
            envelope.open_box(self._root, rows[key], bound_to=context("secret", key)) if key in rows else None
            for key in keys
        ]

    def _secret(self, name: str, *, make: Callable[[], bytes]) -> bytes:
        found = self._find(name)
        if found is not None:
            return found
        key = self._sealed_name(name)
        self._connection().execute(_KEEP, (key, self._sealed(key, make())))
        found = self._find(name)  # another process may have come first; what is on disk counts
        if found is None:
            raise KeysError("the KeyStore did not keep a secret")
        return found

    def _destroy(self, names: Iterable[str]) -> None:
        """All or none: a crash between two drawers must not leave one of them to open."""
        link = self._link()
        gone = [(self._sealed_name(name),) for name in names]
        link.connection.execute("BEGIN IMMEDIATE")
        link.connection.executemany("DELETE FROM secrets WHERE name = ?", gone)
        link.connection.execute("COMMIT")
        link.forget()


def _shred_name(vault: bytes, drawer: bytes) -> str:
    return f"shred/{vault.hex()}/{drawer.hex()}"


def _service_secret_name(name: str) -> str:
    return f"service-secret/{name}"


def _recipient_name(recipient: str) -> str:
    return f"recipient/{recipient}"
