"""``valv``: the operator's commands. None of them opens a vault."""

import argparse
import base64
import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from app import directory_commands, wiring, witness_commands
from app.jobs import Jobs
from app.main import application
from app.seed import seed_demo
from app.serving import serve_forever
from app.settings import Settings, SettingsError
from app.wiring import InstallationError
from app.witnessing import asking
from audit import verify
from audit.asking import WitnessAt, WitnessError
from audit.errors import LogUnavailableError
from identity.errors import IdentityError
from keys.keystore import WrongPassphraseError
from policies.retention import Retention
from sharing import retention
from vault.database import DatabaseUnavailableError
from vault.head import stored_heads

_PR_SET_DUMPABLE = 4  # linux/prctl.h

_TOLD = (
    SettingsError,
    InstallationError,
    DatabaseUnavailableError,
    WrongPassphraseError,
    IdentityError,
    LogUnavailableError,
    FileNotFoundError,
)
Command = Callable[[Settings, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a fault of the operator's ends with a sentence, not a trace."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    chosen = _parser().parse_args(arguments)
    command: Command = chosen.command
    try:
        code = command(Settings.read(), chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the answer has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _TOLD as error:
        print(f"valv: {error}", file=sys.stderr)  # noqa: T201 a command's answer
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="valv", description="Hälsovalvet, for its operator.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "demo", _demo, "make and serve a made-up small country")
    _add(commands, "serve", _serve, "serve the installation in VALV_DATA")
    _add(commands, "worker", _worker, "run its jobs, where VALV_BROKER_URL names a broker; as many as wanted")
    database = commands.add_parser("db", help="the databases").add_subparsers(required=True, metavar="WHAT")
    _add(database, "create", _create, "make a new, empty installation in VALV_DATA")
    _add(database, "upgrade", _upgrade, "bring the database to the newest revision")
    audit = commands.add_parser("audit", help="the log").add_subparsers(required=True, metavar="WHAT")
    verifying = _add(audit, "verify", _verify, "prove that no entry of the log is missing or changed")
    verifying.add_argument("--key", help="the log's public key, base64; default: VALV_DATA/log.pub")
    verifying.add_argument(
        "--witness", action="append", metavar="VKEY", help="a witness that must have cosigned; once for each"
    )
    _add(audit, "retain", _retain, "take away what entries say that have been kept for long enough")
    witness = audit.add_parser("witness", help="watch over other installations' logs")
    witness_commands.add(witness.add_subparsers(required=True, metavar="WHAT"), _add)
    directory = commands.add_parser("directory", help="organisations and what they say of themselves")
    directory_commands.add(directory.add_subparsers(required=True, metavar="WHAT"), _add)
    _add(commands, "doctor", _doctor, "say whether the installation is whole")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: Command, told: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=told)
    parser.set_defaults(command=command)
    return parser


def _demo(settings: Settings, _: argparse.Namespace) -> int:
    match wiring.is_demo(settings):
        case None:
            wiring.create(settings, demo=True)
        case False:
            raise InstallationError(f"{settings.data}: holds a real installation; demo data never goes there")
        case True:
            pass
    valv = wiring.open_installation(settings)
    seed_demo(valv)
    return _run(settings, valv)


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    return _run(settings, wiring.open_installation(settings))


def _run(settings: Settings, valv: wiring.Valv) -> int:
    _keep_memory_apart()
    print(f"Hälsovalvet: http://{settings.host}:{settings.port}", flush=True)  # noqa: T201
    serve_forever(application(valv), host=settings.host, port=settings.port)
    return 0


def _worker(settings: Settings, _: argparse.Namespace) -> int:
    if not settings.broker_url:
        raise SettingsError("VALV_BROKER_URL: not set, so the server itself runs the jobs")
    valv, over = wiring.open_installation(settings), threading.Event()
    _keep_memory_apart()
    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, lambda *_: over.set())
    jobs = Jobs(valv.intake, teller=valv.teller, broker=settings.broker_url)
    jobs.work()
    print("Hälsovalvet: jobs", flush=True)  # noqa: T201
    over.wait()
    jobs.stop()
    valv.close()
    return 0


def _keep_memory_apart() -> None:
    """Let no other process of this user, least of all an import child, read our memory or environment (Linux)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _create(settings: Settings, _: argparse.Namespace) -> int:
    wiring.create(settings, demo=False)
    return 0


def _upgrade(settings: Settings, _: argparse.Namespace) -> int:
    wiring.bring_up_to_date(settings)
    return 0


def _verify(settings: Settings, chosen: argparse.Namespace) -> int:
    return _report(settings, _key(settings, chosen), witnesses=chosen.witness or ())


def _retain(settings: Settings, _: argparse.Namespace) -> int:
    valv = wiring.open_installation(settings)
    try:
        told = _progress if sys.stderr.isatty() else lambda _done, _count: None
        taken = retention.retain(valv.house, Retention.load(), told)
    finally:
        valv.close()
    print(f"{taken} poster / entries: innehållet borttaget / content taken away")  # noqa: T201
    return 0


def _doctor(settings: Settings, chosen: argparse.Namespace) -> int:
    """Verify the log, and that no vault's stored head is behind it: that needs the KeyStore's pseudonyms.

    First each witness is asked: what it refuses is kept, and then found.
    """
    valv = wiring.open_installation(settings)
    for witness in settings.witnesses:
        _ask(valv, witness)
    heads = valv.house.database.read_now(lambda connection: stored_heads(connection, valv.house.keystore))
    valv.close()
    public = _key(settings, argparse.Namespace(**{**vars(chosen), "key": None}))
    named = [str(witness.key) for witness in settings.witnesses]
    return _report(settings, public, heads=heads.get, witnesses=named)


def _ask(valv: wiring.Valv, witness: WitnessAt) -> None:
    """Say what a witness answers now, and where the log stands with it."""
    name, asked = witness.key.name, asking(valv)
    try:
        asked.ask(witness)
    except (WitnessError, LogUnavailableError, OSError) as error:
        print(f"vittnet / the witness {name}: svarar inte / does not answer: {error}")  # noqa: T201
    standing = next(one for one in asked.standings() if one.witness == witness.key)
    if standing.alarm is not None:
        print(f"LARM / ALARM  {name}: {standing.alarm.kind}")  # noqa: T201
    if standing.cosigned is None:
        print(f"vittnet / the witness {name}: inget undertecknat / nothing cosigned")  # noqa: T201
        return
    size, age = standing.cosigned.checkpoint.size, valv.house.clock() - standing.cosigned.at
    at = standing.cosigned.at.isoformat(" ", "seconds")
    print(  # noqa: T201
        f"vittnet / the witness {name}: {size} poster / entries, undertecknat / cosigned {at}, "
        f"{max(0, int(age.total_seconds()))} s sedan / ago"
    )


def _report(
    settings: Settings, public: bytes, *, heads: verify.FindHead | None = None, witnesses: Sequence[str]
) -> int:
    """Verify the log and say what was found."""
    try:
        report = verify.verify(
            settings.log,
            checkpoint_dir=settings.checkpoints,
            log_public=public,
            heads=heads,
            bodies_kept_since=Retention.load().kept_since(wiring.wall_clock()),
            witnesses=witnesses,
            told=_progress if sys.stderr.isatty() else lambda _done, _count: None,
        )
    except verify.WitnessKeyError as error:
        raise SettingsError(f"--witness: {error}") from None
    for finding in report.findings:
        print(f"FEL / FAULT  {finding}")  # noqa: T201
    told = "hel / whole" if report.is_sound else f"{len(report.findings) + report.more} fel / faults"
    print(  # noqa: T201
        f"{report.entries} poster / entries, {report.checkpoints} kontrollpunkter / checkpoints, "
        f"{report.anchored} utanför databasen / anchored outside: {told}"
    )
    if report.cosigned_at is not None:
        at = report.cosigned_at.isoformat(" ", "seconds")
        print(f"senast undertecknat av ett vittne / last cosigned by a witness: {at}")  # noqa: T201
    if report.waiting_since is not None:
        since = report.waiting_since.isoformat(" ", "seconds")
        print(f"{report.waiting} väntar på sin plats / wait for their place, sedan / since {since}")  # noqa: T201
    return 0 if report.is_sound else 1


def _progress(done: int, count: int) -> None:
    end = "\n" if done >= count else ""
    print(f"\r{done:,} / {count:,}".replace(",", " "), end=end, file=sys.stderr, flush=True)  # noqa: T201


def _key(settings: Settings, chosen: argparse.Namespace) -> bytes:
    """Return the log's public key: the one named, else the one that was written down at installation."""
    try:
        return base64.b64decode(chosen.key or settings.log_key.read_text().strip(), validate=True)
    except FileNotFoundError:
        raise InstallationError(
            f"{settings.log_key.name}: not found; name the log's key with --key"
        ) from None
    except ValueError:
        raise InstallationError("--key: not base64") from None


if __name__ == "__main__":
    raise SystemExit(main())
