"""A PostgreSQL of the tests' own: initdb and postgres as an ordinary user, on a Unix socket in a folder of its own.

initdb refuses root, so root starts it as ``nobody``. It listens to no network, and goes with its folder.
"""

import contextlib
import functools
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

BIN = Path("/usr/lib/postgresql/15/bin")
#: What is missing, with how to get it; empty where nothing is.
MISSING = "" if (BIN / "postgres").is_file() else "no PostgreSQL 15 (Debian: apt-get install postgresql-15)"
OWNER = "valv"

_START_SECONDS = 60
#: For what is thrown away afterwards: nothing is forced to disk, the copying of a small database is quick.
_IN_HASTE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_CLUSTER = ("--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--data-checksums")
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "logging_collector": "off",
}


class Server:
    """One server. ``durable`` leaves its commits forced to disk, where durability or speed is the point."""

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="valv-pg-"))  # pytest's own folders are closed to others
        self._settings = _SETTINGS | ({} if durable else _IN_HASTE)
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._copied: dict[str, str] = {}
        self._spare: dict[str, list[str]] = {}
        self._rows: dict[str, dict[str, bytes]] = {}
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        self._init(durable=durable)
        self.start()

    def start(self) -> None:
        """Start it, also after :meth:`stop` or :meth:`kill`, and wait until it serves."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._process = self._launch()  # again, where a killed one's processes were not all gone
            try:
                self._admin().close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        """Stop it as an operator would in haste: sessions are cut off, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill it and its processes, as a power cut would: left alone, these serve on until they see it."""
        assert self._process is not None
        number = self._process.pid
        others = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        self._end(signal.SIGKILL)
        for other in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(other), signal.SIGKILL)

    def close(self) -> None:
        """Stop it and remove all that it held."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self) -> str:
        """Make an empty database; return what VALV_DATABASE_URL says of it."""
        return self._create("template0")

    def copy(self, template: str) -> str:
        """Return a copy of a database to which nobody is connected.

        To make one takes as long as making its 300 files: one that was given back has its rows put back instead.
        """
        if self._spare.get(template):
            url = self._spare[template].pop()
            _fill(url, self._rows[template])
            return url
        url = self._create(_name(template))
        self._rows[template] = rows(url)
        self._copied[url] = template
        return url

    def give_back(self, url: str) -> None:
        """Let a copy be used for another; its tables are still those of its template."""
        self._spare.setdefault(self._copied[url], []).append(url)

    def cut_off(self, url: str) -> None:
        """End every session of a database, as its administrator may."""
        with self._admin() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (_name(url),)
            )

    def _create(self, template: str) -> str:
        name = next(self._names)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with self._admin() as admin:
            admin.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://{OWNER}@/{database}?host={self.folder}"

    def _admin(self) -> "psycopg.Connection[Any]":
        return connect(self._url("postgres"))

    def _launch(self) -> "subprocess.Popen[bytes]":
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        command = [str(BIN / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *settings]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, **_ordinary_user())

    def _init(self, *, durable: bool) -> None:
        command = [str(BIN / "initdb"), "-D", str(self.folder / "data"), "-U", OWNER, *_CLUSTER]
        command += [] if durable else ["--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **_ordinary_user())
        assert done.returncode == 0, done.stderr

    def _end(self, by: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(by)
            process.wait(timeout=_START_SECONDS)


@functools.cache
def shared() -> Server:
    """Return the one server of a run of the tests, for what is thrown away; tests/conftest.py closes it."""
    return Server()


def connect(url: str) -> "psycopg.Connection[Any]":
    """Return a connection of one's own; each statement commits."""
    made = make_url(url)
    return psycopg.connect(dbname=made.database, user=made.username, autocommit=True, **made.query)  # type: ignore[arg-type]


def rows(url: str) -> dict[str, bytes]:
    """Return every table of a database with its rows, as COPY writes them."""
    found = {}
    with connect(url) as session:
        names = session.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            with session.cursor().copy(_COPY_OUT.format(sql.Identifier(name))) as copy:
                found[name] = b"".join(bytes(part) for part in copy)
    return found


def _fill(url: str, kept: dict[str, bytes]) -> None:
    with connect(url) as session, session.transaction():
        for name, content in kept.items():
            table = sql.Identifier(name)
            session.execute(sql.SQL("DELETE FROM {}").format(table))
            with session.cursor().copy(_COPY_IN.format(table)) as copy:
                copy.write(content)


_COPY_OUT = sql.SQL("COPY {} TO STDOUT (FORMAT binary)")
_COPY_IN = sql.SQL("COPY {} FROM STDIN (FORMAT binary)")


def _name(url: str) -> str:
    return make_url(url).database or ""


def _ordinary_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"}
