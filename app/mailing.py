"""Mail through an SMTP server of the operator's. It says the same to everybody: that something is new, or a code.

No unit, no name, no link: whoever reads the mail learns that somebody uses Hälsovalvet, and nothing else. A connection
is encrypted unless the server is on this machine; one that cannot be is refused.
"""

import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import assert_never
from urllib.parse import unquote, urlsplit

from sharing.telling import Mail, MailError, MailKind

_SECONDS = 20.0
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_PORTS = {"smtp": 25, "smtps": 465}
_END = (
    "\n\nBrevet innehåller med flit ingen länk. Logga in som du brukar.\n\n"
    "This message deliberately contains no link. Log in as you usually do.\n"
)
_NEWS = (
    "Det finns något nytt att se i Hälsovalvet. Logga in som du brukar för att se vad.\n\n"
    "There is something new to see in Hälsovalvet. Log in as you usually do to see what."
)
_CODE = (
    "Din kod är {code}. Skriv in den på sidan Besked i Hälsovalvet inom 30 minuter. "
    "Har du inte bett om någon kod behöver du inte göra något.\n\n"
    "Your code is {code}. Enter it on the page Notices in Hälsovalvet within 30 minutes. "
    "If you have not asked for a code, you need not do anything."
)


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server, parsed: ``smtp://`` or ``smtps://``, with user and password where it wants them."""

    host: str
    port: int
    is_tls: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> "Server":
        """Read a URL.

        Raises:
            ValueError: it is none of an SMTP server.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("not an SMTP server's URL")
        port = parts.port or _PORTS[parts.scheme]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, port, parts.scheme == "smtps", user, password)


@dataclass(frozen=True, slots=True)
class Mailer:
    """Hands mails over, one connection each; :meth:`send` is what ``sharing.telling`` asks for."""

    server: Server
    sender: str

    def send(self, mail: Mail, *, at: datetime) -> None:
        """Hand a mail over; when this returns the server has answered for it.

        Raises:
            MailError: it has not.
        """
        try:
            with self._connection() as smtp:
                self._greet(smtp)
                smtp.send_message(self._message(mail, at))
        except (smtplib.SMTPException, OSError, ValueError):
            raise MailError("the mail was not taken") from None

    def _connection(self) -> smtplib.SMTP:
        server = self.server
        if server.is_tls:
            secure = ssl.create_default_context()
            return smtplib.SMTP_SSL(server.host, server.port, timeout=_SECONDS, context=secure)
        return smtplib.SMTP(server.host, server.port, timeout=_SECONDS)

    def _greet(self, smtp: smtplib.SMTP) -> None:
        server = self.server
        if not server.is_tls and server.host not in _LOCAL:
            smtp.starttls(context=ssl.create_default_context())
        if server.user:
            smtp.login(server.user, server.password)

    def _message(self, mail: Mail, at: datetime) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = self.sender, mail.address
        message["Subject"], text = _words(mail)
        message["Date"] = format_datetime(at)
        message["Message-ID"] = f"<{mail.id}@{self.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text + _END)
        return message


def _words(mail: Mail) -> tuple[str, str]:
    match mail.kind:
        case MailKind.NEWS:
            return "Något nytt i Hälsovalvet", _NEWS
        case MailKind.CODE:
            return "Din kod till Hälsovalvet", _CODE.format(code=mail.code)
        case _:
            assert_never(mail.kind)
