"""A RabbitMQ of the tests' own: one node as an ordinary user, on free ports of 127.0.0.1, in a folder of its own.

It brings its own epmd (Erlang's register of nodes) and cookie, so that it meets no other node of the machine.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_EPMD = shutil.which("epmd")
#: What is missing, with how to get it; empty where nothing is.
MISSING = "" if _SERVER.is_file() and _EPMD else "no RabbitMQ (Debian: apt-get install rabbitmq-server)"

_START_SECONDS = 120
_HELLO = b"AMQP\x00\x00\x09\x01"
#: One thread, which sleeps when there is nothing to do; other nodes would be met on this machine only.
_ERLANG = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


class Server:
    """One node."""

    def __init__(self) -> None:
        self.folder = Path(
            tempfile.mkdtemp(prefix="valv-mq-")
        )  # not under pytest's, which root alone may enter
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        self._port, self._epmd_port, distribution = _free_ports(3)
        for name, told in (("plugins", "[]."), ("rabbitmq.conf", ""), ("env.conf", "")):
            (self.folder / name).write_text(told)
        self._environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": f"valv{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "RABBITMQ_ALLOW_INPUT": "1",  # the process that we start is then the node itself, not a shell beside it
        }
        self._epmd = self._run(str(_EPMD), "-port", str(self._epmd_port), "-address", "127.0.0.1")
        self._node: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """What VALV_BROKER_URL says of it."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Start it, or start it again after :meth:`kill`, and wait until it serves."""
        self._node = self._run(str(_SERVER), "-noinput")
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._node.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "out").read_text()[-2000:])

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        node, self._node = self._node, None
        if node is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
            node.wait(timeout=_START_SECONDS)

    def close(self) -> None:
        """Stop it and remove all that it held."""
        self.kill()
        self._epmd.kill()
        self._epmd.wait(timeout=_START_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                connection.sendall(_HELLO)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def _run(self, *command: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "out").open("ab") as out:
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                **_ordinary_user(),
            )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _ordinary_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"}
