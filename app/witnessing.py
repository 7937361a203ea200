"""Carries this log's checkpoints to its witnesses over HTTP, in a thread of the server's; no request waits for it."""

import logging
import threading
from datetime import timedelta

import httpx

from app.wiring import Valv
from audit.asking import Asking, Reply, WitnessAt, WitnessError
from audit.errors import LogUnavailableError
from audit.witnessed import Standing

ASK_EVERY = timedelta(minutes=1)
_PATIENCE = 10.0  # seconds
_MOST_BYTES = 16 * 1024  # of an answer: a few signature lines
_HEADERS = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "halsovalvet"}
_LOG = logging.getLogger("audit")


def post(url: str, body: bytes) -> Reply:
    """Send a request to where the settings say, and nowhere else: no redirect is followed, no proxy is guessed.

    Raises:
        WitnessError: nothing came back, or too much.
    """
    try:
        with (
            httpx.Client(timeout=_PATIENCE, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", url, content=body, headers=_HEADERS) as answer,
        ):
            came = bytearray()
            for part in answer.iter_bytes():
                came += part
                if len(came) > _MOST_BYTES:
                    raise WitnessError("it answered too much")
            return Reply(answer.status_code, bytes(came))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WitnessError(f"it cannot be reached ({type(error).__name__})") from None


def asking(valv: Valv) -> Asking:
    """Return how an installation asks its witnesses."""
    settings = valv.settings
    return Asking(valv.house.log, settings.checkpoints, settings.witnesses, post=post, clock=valv.house.clock)


class Witnessing:
    """Asks each witness at the start and every minute; what fails is told once until it works again."""

    def __init__(self, asked: Asking) -> None:
        self._asking = asked
        self._over = threading.Event()
        self._silent: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="witnesses", daemon=True)

    def standings(self) -> tuple[Standing, ...]:
        """Return where the log stands with each witness, as far as is written down."""
        return self._asking.standings()

    def start(self) -> None:
        """Begin, where there is a witness."""
        if self._asking.witnesses:
            self._thread.start()

    def stop(self) -> None:
        """End; an answer that is waited for is waited for."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(2 * _PATIENCE)

    def _run(self) -> None:
        while True:
            for witness in self._asking.witnesses:
                self._ask(witness)
            if self._over.wait(ASK_EVERY.total_seconds()):
                return

    def _ask(self, witness: WitnessAt) -> None:
        name = witness.key.name
        try:
            alarm = self._asking.ask(witness).alarm
        except (WitnessError, LogUnavailableError, OSError) as error:
            if name not in self._silent:
                _LOG.warning("the witness %s has not cosigned: %s", name, _cause(error))
            self._silent.add(name)
            return
        except Exception as error:  # noqa: BLE001 whatever it was, the thread goes on asking the others
            _LOG.error("the witness %s could not be asked: %s", name, type(error).__name__)
            return
        self._silent.discard(name)
        if alarm is not None:
            _LOG.error(
                "the witness %s refused the log: %s (docs/spec/audit-v1.md, section 15)", name, alarm.kind
            )


def _cause(error: Exception) -> str:
    return type(error).__name__ if isinstance(error, OSError) else str(error)
