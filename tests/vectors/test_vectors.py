"""The vectors of envelope-v1 and vault-v1: a closed list of cases, each with what must come of it.

A case gives ``kind``, inputs and ``expect``: ``is`` (the computation gives ``value``), ``opens``, or the name of
the refusal. ``like`` takes the fields of an earlier case; ``change`` damages ``sealed`` (or a body's ``block``):
``at`` and ``xor``, ``cut`` bytes off the end, ``keep`` so many, ``append``. An unknown key is fatal.
"""

import hashlib
import hmac
import io
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.events import HeadRef
from consent.codec import open_rules, seal_rules
from importers.upload import open_upload
from keys import envelope, primitives
from keys.envelope import Window, WrapContext, context
from keys.keystore import KeyStore, VaultKeys
from keys.primitives import CannotOpenError, MalformedError, PrivateKey
from keys.receipt import Opens, Receipt
from tests.vectors import by_hand
from vault import codec, marks, naming, segment
from vault import head as heads
from vault.errors import MalformedRecordError, TamperedError
from vault.head import SealedWrap
from vault.record import Quantity, Record
from vault.segment import Parts, Segment
from vault.state import open_profile

HERE = Path(__file__).parent
_EVERY = {"name", "kind", "expect", "like", "change"}
_CHANGES = {"at", "xor", "cut", "keep", "append"}

Case = dict[str, Any]
Check = Callable[[Case], None]
KINDS: dict[str, tuple[frozenset[str], Check]] = {}


def kind(name: str, *keys: str) -> Callable[[Check], Check]:
    """Register what checks a kind of case, and the keys that such a case may have."""

    def register(check: Check) -> Check:
        KINDS[name] = (frozenset(keys), check)
        return check

    return register


def load(name: str) -> list[Case]:
    """Read a file of vectors strictly, and fill in what cases take from earlier ones."""
    raw = json.loads((HERE / name).read_text(), object_pairs_hook=_once)
    assert raw.keys() == {"spec", "cases"}
    found: dict[str, Case] = {}
    for case in raw["cases"]:
        keys, _ = KINDS[case["kind"]]
        own = keys | ({"row_change"} if case["kind"] == "segment" else set()) | _EVERY
        assert case.keys() <= own, (case["name"], case.keys() - own)
        assert case["name"] not in found, case["name"]
        inherited = found[case["like"]] if "like" in case else {}
        found[case["name"]] = _changed({**inherited, **case})
    return list(found.values())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a key stands twice"
    return dict(pairs)


def _changed(case: Case) -> Case:
    change = case.pop("change", None)
    if change is None:
        return case
    assert change.keys() <= _CHANGES
    where = "block" if "block" in case else "sealed"
    raw = bytearray.fromhex(case[where])
    match change:
        case {"at": at, "xor": bits}:
            raw[at] ^= bits
        case {"cut": count}:
            del raw[-count:]
        case {"keep": count}:
            del raw[count:]
        case {"append": more}:
            raw += bytes.fromhex(more)
        case _:
            raise AssertionError(change)
    return {**case, where: raw.hex()}


def refusal(work: Callable[[], object]) -> str:
    """Return the name of the refusal, or ``opens``."""
    try:
        work()
    except (MalformedError, MalformedRecordError):
        return "malformed"
    except CannotOpenError:
        return "cannot-open"
    except TamperedError as refused:
        return str(refused.finding)
    return "opens"


def b(case: Case, name: str) -> bytes:
    """Return a field's bytes."""
    return bytes.fromhex(case[name])


# Envelopes.


@kind("context", "label", "fields", "value")
def _context(case: Case) -> None:
    assert context(case["label"], *map(_field, case["fields"])) == b(case, "value")


def _field(field: dict[str, Any]) -> bytes | int | str:
    match field:
        case {"bytes": str(value)}:
            return bytes.fromhex(value)
        case {"int": int(value)} | {"text": str(value)}:
            return value
        case _:
            raise AssertionError(field)


@kind("derive", "secret", "label", "value")
def _derive(case: Case) -> None:
    assert primitives.derive(b(case, "secret"), label=case["label"]) == b(case, "value")


@kind("fingerprints", "key", "rows", "values")
def _fingerprints(case: Case) -> None:
    rows = [bytes.fromhex(row) for row in case["rows"]]
    blocks = np.frombuffer(b"".join(rows), dtype="<i8").reshape(len(rows), -1, 2).swapaxes(0, 1)
    assert [f"{mark:016x}" for mark in primitives.fingerprints(b(case, "key"), blocks).tolist()] == case[
        "values"
    ]
    assert [by_hand.fingerprint(b(case, "key"), row) for row in rows] == case["values"]


@kind("stretch", "passphrase", "salt", "value")
def _stretch(case: Case) -> None:
    assert primitives.stretch(case["passphrase"], salt=b(case, "salt")) == b(case, "value")


@kind("window", "window", "not_before", "not_after")
def _window(case: Case) -> None:
    if case["expect"] != "is":
        assert refusal(lambda: Window.decode(b(case, "window"))) == case["expect"]
        return
    assert Window.decode(b(case, "window")) == _times(case)
    assert _times(case).encode() == b(case, "window")


def _times(case: Case) -> Window:
    start, end = case["not_before"], case["not_after"]
    return Window(start and datetime.fromisoformat(start), end and datetime.fromisoformat(end))


@kind("box", "key", "bound_to", "sealed", "plaintext")
def _box(case: Case) -> None:
    def work() -> None:
        opened = envelope.open_box(b(case, "key"), b(case, "sealed"), bound_to=b(case, "bound_to"))
        assert opened == b(case, "plaintext")

    assert refusal(work) == case["expect"]


@kind("pair", "seed", "public")
def _pair(case: Case) -> None:
    def work() -> None:
        assert PrivateKey(b(case, "seed")).public().raw == b(case, "public")

    assert refusal(work).replace("opens", "is") == case["expect"]


@kind("sealed-key", "seed", "bound_to", "sealed", "plaintext")
def _sealed_key(case: Case) -> None:
    def work() -> None:
        opener = PrivateKey(b(case, "seed")).opener()
        opened = envelope.open_key(opener, b(case, "sealed"), bound_to=b(case, "bound_to"))
        assert opened == b(case, "plaintext")

    assert refusal(work) == case["expect"]


@kind(
    "wrap", "shred_key", "window_key", "recipient_key", "vault", "drawer", "generation", "recipient", "sealed",
    "plaintext", "not_before", "not_after",
)  # fmt: skip
def _wrap(case: Case) -> None:
    def work() -> None:
        bound = WrapContext(b(case, "vault"), b(case, "drawer"), case["generation"], case["recipient"])
        window = envelope.wrap_window(b(case, "window_key"), b(case, "sealed"))
        keys = b(case, "shred_key"), b(case, "recipient_key")
        opened = envelope.open_wrap(*keys, b(case, "sealed"), bound_to=bound, window=window)
        assert (opened, window) == (PrivateKey(b(case, "plaintext")), _times(case))

    assert refusal(work) == case["expect"]


@kind("upload", "key", "upload", "sealed", "plaintext")
def _upload(case: Case) -> None:
    def work() -> None:
        stream = open_upload(io.BytesIO(b(case, "sealed")), b(case, "upload"), b(case, "key"))
        assert stream.read() == b(case, "plaintext")

    assert refusal(work) == case["expect"]


@kind(
    "receipt", "key", "entry", "at", "vault", "recipients", "drawers", "pending", "message", "tag"
)  # fmt: skip
def _receipt(case: Case) -> None:
    drawers = tuple((bytes.fromhex(drawer), generation) for drawer, generation in case["drawers"])
    receipt = Receipt(
        b(case, "entry"),
        datetime.fromisoformat(case["at"]),
        b(case, "vault"),
        Opens(tuple(case["recipients"]), drawers),
        case["pending"],
        b(case, "tag"),
    )
    holds = receipt.holds(b(case, "key"))
    assert holds is (case["expect"] == "is")
    assert not holds or receipt.message() == b(case, "message")


# The vault.


def _keys(case: Case) -> VaultKeys:
    blind = bytes.fromhex(case.get("blind", ""))
    return VaultKeys(b(case, "vault"), blind=blind, rules=bytes.fromhex(case.get("key", "")), intake=b"")


@kind("drawer-id", "vault", "blind", "category", "value")
def _drawer_id(case: Case) -> None:
    assert naming.drawer_id(_keys(case), case["category"]) == b(case, "value")


@kind("month-tag", "vault", "blind", "category", "month", "value")
def _month_tag(case: Case) -> None:
    assert naming.month_tag(_keys(case), case["category"], case["month"]) == b(case, "value")


@kind("recipient-tag", "vault", "blind", "recipient", "value")
def _recipient_tag(case: Case) -> None:
    assert naming.recipient_tag(_keys(case), case["recipient"]) == b(case, "value")


@kind("body", "block", "fingerprints", "records")
def _body(case: Case) -> None:
    def work() -> None:
        columns = codec.decode(b(case, "block"), b(case, "fingerprints"))
        assert [_told(record) for record in columns.records()] == case["records"]

    assert refusal(work) == case["expect"]


def _told(record: Record) -> dict[str, Any]:
    author, source = record.provenance.author, record.provenance
    return {
        "category": str(record.category),
        "kind": record.kind,
        "code": [record.code.system, record.code.code, record.code.display],
        "start": record.start.isoformat(),
        "end": record.end and record.end.isoformat(),
        "status": record.status,
        "quantity": _number(record.quantity),
        "canonical": _number(record.canonical),
        "text": record.text,
        "components": [
            [
                part.code.system, part.code.code, part.code.display, _number(part.quantity),
                _number(part.canonical), part.text,
            ]
            for part in record.components
        ],
        "resource": record.resource,
        "fingerprint": f"{record.fingerprint:016x}",
        "author": [str(author.kind), author.id, author.name, author.organisation],
        "origin": str(source.origin),
        "received": source.received.isoformat(),
        "on_behalf_of": source.on_behalf_of,
        "device": source.device,
        "import_id": source.import_id,
    }  # fmt: skip


def _number(quantity: Quantity | None) -> list[str] | None:
    if quantity is None:
        return None
    assert isinstance(quantity.value, Decimal)
    return [str(quantity.value), quantity.unit]


@kind("marks", "intake", "block", "values")
def _marks(case: Case) -> None:
    columns = codec.decode(b(case, "block"), bytes(8 * len(case["values"])))
    assert [f"{mark:016x}" for mark in marks.marks(columns, b(case, "intake")).tolist()] == case["values"]
    told = [_told(record) for record in columns.records()]
    assert [by_hand.mark(b(case, "intake"), record) for record in told] == case["values"]


@kind("segment", "seed", "row", "records", "summary", "digest", "check")
def _segment(case: Case) -> None:
    row = _row({**case["row"], **case.get("row_change", {})})

    def work() -> None:
        if case.get("check") == "digest":
            segment.digest(row, Parts.ALL)
            return
        key = segment.open_key(row, PrivateKey(b(case, "seed")).opener())
        told, columns = segment.open_summary(row, key), segment.open_body(row, key)
        assert [_told(record) for record in columns.records()] == case["records"]
        assert json.loads(msgspec.json.encode(told)) == case["summary"]
        assert segment.digest(row, Parts.ALL) == b(case, "digest")

    assert refusal(work) == case["expect"]


def _row(raw: dict[str, Any]) -> Segment:
    columns: dict[str, Any] = {k: bytes.fromhex(v) if isinstance(v, str) else v for k, v in raw.items()}
    return Segment(**columns)


@kind("shelf", "digests", "value")
def _shelf(case: Case) -> None:
    digests = b"".join(map(bytes.fromhex, case["digests"]))
    assert hashlib.sha256(context("shelf") + digests).digest() == b(case, "value")


@kind("manifest", "shelves", "value")
def _manifest(case: Case) -> None:
    shelves = {bytes.fromhex(tag): bytes.fromhex(shelf) for tag, shelf in case["shelves"].items()}
    assert heads.encode_manifest(shelves) == b(case, "value")
    assert heads.decode_manifest(b(case, "value")) == shelves


@kind("generations", "seeds", "value")
def _generations(case: Case) -> None:
    publics = {int(n): PrivateKey(bytes.fromhex(seed)).public().raw for n, seed in case["seeds"].items()}
    turned = dict(reversed(publics.items()))
    assert heads.digest_generations(publics) == heads.digest_generations(turned) == b(case, "value")


@kind("wraps", "rows", "value")
def _wraps(case: Case) -> None:
    rows = [SealedWrap(n, bytes.fromhex(who), bytes.fromhex(sealed)) for n, who, sealed in case["rows"]]
    assert heads.digest_wraps(rows) == heads.digest_wraps(rows[::-1]) == b(case, "value")


@kind("rules", "vault", "key", "sealed", "version", "plaintext", "profile")
def _rules(case: Case) -> None:
    def work() -> None:
        opened = open_rules(_keys(case), b(case, "sealed"))
        assert opened.version == case["version"]
        again = seal_rules(_keys(case), opened)
        bound = context("rules", b(case, "vault"), opened.version)
        plaintext = envelope.open_box(b(case, "key"), again[9:], bound_to=bound)
        assert plaintext.decode() == case["plaintext"]

    assert refusal(work) == case["expect"]


@kind("profile", "vault", "key", "sealed", "profile")
def _profile(case: Case) -> None:
    def work() -> None:
        opened = open_profile(_keys(case), b(case, "sealed"))
        told = {
            "number": opened.number, "name": opened.name, "birth_date": opened.birth_date.isoformat(),
            "protected": opened.protected, "controller": opened.controller,
            "guardians": [one.hex() for one in opened.guardians],
        }  # fmt: skip
        assert told == case["profile"]

    assert refusal(work) == case["expect"]


class _HeadKey:
    """The one of the KeyStore's keys that a head needs."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def head_holds(self, statement: bytes, tag: bytes) -> bool:
        """Tell whether the tag is ours."""
        return primitives.same(primitives.mac(self.key, context("head", statement)), tag)


@kind(
    "head", "mac_key", "vault", "head", "mac", "logged", "version", "rules_version", "drawers", "digest"
)  # fmt: skip
def _head(case: Case) -> None:
    logged = case["logged"] and HeadRef(case["logged"][0], bytes.fromhex(case["logged"][1]))
    keystore: KeyStore = _HeadKey(b(case, "mac_key"))  # type: ignore[assignment]

    def work() -> None:
        found = heads.verify(b(case, "head"), b(case, "mac"), vault=b(case, "vault"), keystore=keystore)
        heads.demand_newest(found.ref(), logged)
        assert (found.version, found.rules_version) == (case["version"], case["rules_version"])
        assert [drawer.hex() for drawer in sorted(found.drawers)] == case["drawers"]
        assert found.ref().digest == b(case, "digest")
        assert found.encode() == b(case, "head")

    assert refusal(work).replace("opens", "is") == case["expect"]


CASES = [case for name in ("envelope.json", "vault.json") for case in load(name)]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vector(case: Case) -> None:
    """What was written once is read alike for ever, and what was refused stays refused."""
    KINDS[case["kind"]][1](case)


def test_every_kind_of_vector_is_there() -> None:
    """A kind without a case would check nothing."""
    assert {case["kind"] for case in CASES} == KINDS.keys()
    assert len(CASES) > 130


def test_unknown_key_is_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt field must not make a case check less than it says."""
    case = {"name": "x", "kind": "derive", "expect": "is", "secret": "", "label": "x", "valeu": ""}
    (tmp_path / "x.json").write_text(json.dumps({"spec": "", "cases": [case]}))
    monkeypatch.setattr("tests.vectors.test_vectors.HERE", tmp_path)
    with pytest.raises(AssertionError, match="valeu"):
        load("x.json")


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["kind"] == "sealed-key"], ids=lambda case: case["name"]
)
def test_sealed_keys_are_read_by_hand(case: Case) -> None:
    """The specification is enough to read them: the same verdicts without a line of ours."""
    begins, sealed = b(case, "sealed")[:2], b(case, "sealed")[2:]
    opened = {b"\1K": by_hand.open_hpke, b"\1B": by_hand.open_settled}.get(begins)
    if case["expect"] == "malformed":
        assert opened is None
    elif case["expect"] == "opens":
        assert opened is not None
        assert opened(b(case, "seed"), sealed, b(case, "bound_to")) == b(case, "plaintext")
    else:
        assert opened is not None
        with pytest.raises((InvalidTag, ValueError)):
            opened(b(case, "seed"), sealed, b(case, "bound_to"))


def test_wrap_is_read_by_hand() -> None:
    """Two layers, as the specification says."""
    case = next(case for case in CASES if case["name"] == "a wrap")
    sealed = b(case, "sealed")
    label = b"halsovalvet/v1/wrap-window\0"
    window = AESGCM(b(case, "window_key")).decrypt(sealed[2:14], sealed[14:46], label)
    place = b(case, "vault"), b(case, "drawer"), case["generation"].to_bytes(8, "big")
    lengthened = [len(field).to_bytes(2, "big") + field for field in (*place, case["recipient"].encode())]
    bound = b"halsovalvet/v1/wrap\0" + b"".join(lengthened) + window
    inner = AESGCM(b(case, "shred_key")).decrypt(sealed[46:58], sealed[58:], bound)
    names = b"halsovalvet/v1/wrap-key\0" + b"".join(lengthened[:3])
    key = hmac.digest(b(case, "recipient_key"), names, "sha256")
    seed = AESGCM(key).decrypt(inner[:12], inner[12:], bound)
    assert seed == b(case, "plaintext")
    assert _times(case).encode() == window
