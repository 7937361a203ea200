"""An SMTP server of its own for tests: takes mail on loopback, keeps it, and refuses where it is told to."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message


class Post(socketserver.ThreadingTCPServer):
    """The server; ``mails`` are those that it took, in order, ``refuses`` what it answers to a mail instead."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.mails: list[tuple[str, Message]] = []
        self.refuses = ""

    @property
    def url(self) -> str:
        """Its address, as the setting has it."""
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def bodies(self) -> list[str]:
        """Return the texts that came."""
        found = [mail.get_payload(decode=True) for _, mail in self.mails]
        return [one.decode() for one in found if isinstance(one, bytes)]


class _Talk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Speak as much of RFC 5321 as a client needs."""
        assert isinstance(self.server, Post)
        to = ""
        self._say("220 here")
        while line := self.rfile.readline():
            word = line.decode().strip()
            match word.partition(" ")[0].upper():
                case "EHLO":
                    self._say("250-here\r\n250 8BITMIME")
                case "RCPT":
                    to = word.partition("<")[2].partition(">")[0]
                    self._say(self.server.refuses or "250 yes")
                case "DATA":
                    self._say("354 go on")
                    self._take(to)
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 yes")

    def _take(self, to: str) -> None:
        assert isinstance(self.server, Post)
        body = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            body += line
        self.server.mails.append((to, message_from_bytes(body)))
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def post() -> Iterator[Post]:
    """Run one."""
    with Post() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()
