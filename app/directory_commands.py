"""``valv directory``: what an organisation does on its own machine, and what the operator does with what it sends.

``key`` and ``sign`` need no installation. The others work beside a running server, which has a new branch at its next
request. What a file holds, and when it is refused, says docs/spec/directory-v1.md.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Protocol, TypeVar

from app import wiring
from app.settings import Settings
from identity.branch import LARGEST, BranchError, parse_branch, sign_payload
from identity.branch_changes import Changed, changes
from identity.branch_file import LARGEST_FILE, read_file, write_file
from identity.branch_store import (
    Stored,
    accept_branches,
    store_branches,
    stored_branch,
    stored_branches,
)
from identity.directory import DirectoryError
from identity.errors import IdentityError
from identity.organisations import newest_key, register_organisation, replace_key
from keys.keystore import KeyStore
from keys.primitives import (
    CannotOpenError,
    MalformedError,
    Signer,
    fingerprint,
    public_from_pem,
    public_pem,
    random_key,
)
from vault.database import Database

T = TypeVar("T")

_LARGEST_KEY = 16 * 1024

Command = Callable[[Settings, argparse.Namespace], int]


class Add(Protocol):
    """Adds one command to others, with what runs it and a line about it."""

    def __call__(
        self,
        commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
        name: str,
        command: Command,
        told: str,
    ) -> argparse.ArgumentParser:
        """Return the command's parser."""


class FileError(IdentityError):
    """A file that was named cannot be used; the text names it and says why."""


class StoredError(IdentityError):
    """What is stored cannot be read; the text says what happened to it."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", add_one: Add) -> None:
    """Add the commands."""
    key = add_one(commands, "key", _key, "make an organisation's pair of keys")
    key.add_argument(
        "-o", dest="out", type=Path, required=True, help="the private key's file; the other's ends in .pub"
    )
    sign = add_one(commands, "sign", _sign, "check and sign an organisation's branch")
    sign.add_argument("file", type=Path, help="the branch, JSON")
    sign.add_argument("--key", type=Path, required=True, help="the private key, PEM")
    sign.add_argument("-o", dest="out", type=Path, required=True, help="where the signed branch goes")
    register = add_one(commands, "register", _register, "pin an organisation's public key")
    register.add_argument("id", help="the organisation's HSA-id")
    register.add_argument("key", type=Path, help="its public key, PEM")
    register.add_argument("--replaces", help="fingerprint of the key that this one takes the place of")
    load = add_one(commands, "load", _load, "take an organisation's signed branch")
    load.add_argument("file", type=Path, help="what 'valv directory sign' wrote")
    load.add_argument("--rehearse", action="store_true", help="say what would change, and store nothing")
    add_one(commands, "list", _list, "say which branches are stored")
    show = add_one(commands, "show", _show, "write out a branch as its organisation signed it")
    show.add_argument("id", help="the organisation's HSA-id")


# --- on the organisation's machine


def _key(_: Settings, chosen: argparse.Namespace) -> int:
    signer, out = Signer(random_key()), chosen.out
    public = out.with_name(f"{out.name}.pub")
    if public.exists():
        raise FileError(f"{public}: is there already, and is not written over")
    _write_new(out, signer.pem(), mode=0o600)
    _write_new(public, public_pem(signer.public()))
    _say(f"{out}: the private key; keep it to yourself")
    _say(f"{public}: the public key, for the operator; fingerprint {fingerprint(signer.public())}")
    return 0


def _sign(_: Settings, chosen: argparse.Namespace) -> int:
    payload = _read(chosen.file, LARGEST)
    signer = _of_key(chosen.key, Signer.from_pem)
    with _naming(chosen.file):
        branch = parse_branch(payload)
    _write_new(chosen.out, write_file(sign_payload(payload, signer)))
    _say(f"{branch.authority.id} {branch.authority.name}, version {branch.version}: signed")
    return 0


# --- on the operator's


def _register(settings: Settings, chosen: argparse.Namespace) -> int:
    public = _of_key(chosen.key, public_from_pem)
    with _stores(settings) as (_, keystore):
        if chosen.replaces is None:
            register_organisation(keystore, chosen.id, public)
        else:
            replace_key(keystore, chosen.id, public, replaces=chosen.replaces)
    _say(f"{chosen.id}: registered, with the key {fingerprint(public)}")
    return 0


def _load(settings: Settings, chosen: argparse.Namespace) -> int:
    raw = _read(chosen.file, LARGEST_FILE)
    with _stores(settings) as (database, keystore), _naming(chosen.file):
        signed, at = [read_file(raw)], wiring.wall_clock()
        if chosen.rehearse:
            accepted = database.read_now(lambda reading: accept_branches(reading, keystore, signed))
        else:
            accepted = database.write_now(lambda writing: store_branches(writing, keystore, signed, at=at))
    ((before, after),) = accepted.branches
    told = "would be stored" if chosen.rehearse else "stored"
    was = "no version before" if before is None else f"version {before.version} before"
    _say(f"{after.authority.id} {after.authority.name}, version {after.version} ({was}): {told}")
    _say_changes(changes(before, after))
    return 0


def _list(settings: Settings, _: argparse.Namespace) -> int:
    with _stores(settings) as (database, keystore):
        stored = database.read_now(lambda reading: stored_branches(reading, keystore))
        keys = {one.branch.authority.id: newest_key(keystore, one.branch.authority.id) for one in stored}
    columns = "id name kind version providers units staff commissions clients loaded key"
    _say("\t".join(columns.split()))
    for one in stored:
        _say("\t".join(map(str, (*_row(one), fingerprint(keys[one.branch.authority.id])))))
    return 0


def _show(settings: Settings, chosen: argparse.Namespace) -> int:
    with _stores(settings) as (database, keystore):
        stored = database.read_now(lambda reading: stored_branch(reading, keystore, chosen.id))
    sys.stdout.buffer.write(stored.signed.payload)
    sys.stdout.buffer.flush()
    return 0


def _row(stored: Stored) -> Iterable[object]:
    branch = stored.branch
    yield from (branch.authority.id, branch.authority.name, branch.authority.kind, branch.version)
    yield from (len(branch.providers), len(branch.units), len(branch.staff))
    yield sum(len(member.commissions) for member in branch.staff)
    yield len(branch.clients)
    yield stored.at.astimezone(UTC).isoformat(timespec="seconds")


def _say_changes(changed: Iterable[Changed]) -> None:
    for one in changed:
        told = f"{one.added} added, {one.removed} removed, {one.renamed} renamed, {one.altered} else changed"
        _say(f"  {one.what}: {told}")


@contextmanager
def _stores(settings: Settings) -> Iterator[tuple[Database, KeyStore]]:
    with wiring.open_stores(settings) as stores:
        try:
            yield stores
        except CannotOpenError:
            raise StoredError("a stored branch was changed or moved in the database") from None


# --- files


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file before the place in it."""
    try:
        yield
    except (BranchError, DirectoryError) as error:
        raise FileError(f"{path}: {error}") from None


def _read(path: Path, largest: int) -> bytes:
    try:
        with path.open("rb") as opened:
            raw = opened.read(largest + 1)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    if len(raw) > largest:
        raise FileError(f"{path}: larger than {largest} bytes")
    return raw


def _of_key(path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(_read(path, _LARGEST_KEY))
    except MalformedError as error:
        raise FileError(f"{path}: {error}") from None


def _write_new(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file that must not be there yet."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
    except FileExistsError:
        raise FileError(f"{path}: is there already, and is not written over") from None
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None


def _say(text: str) -> None:
    print(text)  # noqa: T201 a command's answer
