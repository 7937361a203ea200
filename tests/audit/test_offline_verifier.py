"""The one-file verifier: it needs nothing, shares nothing, accepts what is true, and says of all else what is wrong."""

import ast
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import evidence, merkle
from audit import offline_verifier as verifier
from audit.encoding import encode
from audit.entry import Inclusion
from audit.errors import NoSuchEntryError, TooManyEntriesError
from audit.events import EventKind
from audit.evidence import Receipt, Silence
from audit.log import AuditLog
from tests.audit.audit_world import ANNA, BO, CITIZEN, NURSE, ORIGIN, START, House, event

FILE = Path(verifier.__file__)
HOUR = timedelta(hours=1)
#: RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
#: Points of order 1, 2, 4 and 8, and y not below P.
SMALL = [
    (1).to_bytes(32, "little"),
    (verifier.P - 1).to_bytes(32, "little"),
    bytes(32),
    bytes(31) + b"\x80",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    (verifier.P + 1).to_bytes(32, "little"),
    (verifier.P).to_bytes(32, "little"),
]


def theirs(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify by the library."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- Ed25519


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_rfc_8032_vectors_hold_and_no_other_message(public: str, message: str, signature: str) -> None:
    """The known answers."""
    key, text, signed = map(bytes.fromhex, (public, message, signature))
    assert verifier.signature_holds(key, text, signed)
    assert not verifier.signature_holds(key, text + b"\0", signed)
    s = int.from_bytes(signed[32:], "little") + verifier.ORDER
    assert not verifier.signature_holds(key, text, signed[:32] + s.to_bytes(32, "little"))


@pytest.mark.parametrize("public", SMALL)
def test_key_of_small_order_or_another_form_signs_nothing(public: bytes) -> None:
    """Under such a key anybody could sign: with R the same point and S of zero the equation may hold for any text."""
    for commitment in SMALL:
        assert not verifier.signature_holds(public, b"text", commitment + bytes(32))


def test_key_of_mixed_order_is_refused() -> None:
    """A key with a small part: implementations differ on its signatures, so one citizen would see another answer."""
    honest = verifier.point(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw())
    x, y, z, _ = verifier.add(honest, verifier.point(SMALL[4]))
    inverse = pow(z, verifier.P - 2, verifier.P)
    x, y = x * inverse % verifier.P, y * inverse % verifier.P
    public = (y | (x & 1) << 255).to_bytes(32, "little")
    assert verifier.point(public) is not None
    assert not verifier.signature_holds(public, b"", bytes(64))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.binary(min_size=32, max_size=32),
    message=st.binary(max_size=99),
    bit=st.integers(0, 767),
    flip=st.booleans(),
)
def test_signatures_are_judged_as_the_library_does(
    seed: bytes, message: bytes, bit: int, *, flip: bool
) -> None:
    """Honest ones hold; one with a changed bit in key or signature holds in neither."""
    signer = Ed25519PrivateKey.from_private_bytes(seed)
    both = bytearray(signer.public_key().public_bytes_raw() + signer.sign(message))
    if flip:
        both[bit >> 3] ^= 1 << (bit & 7)
    public, signature = bytes(both[:32]), bytes(both[32:])
    assert (
        verifier.signature_holds(public, message, signature) is theirs(public, message, signature) is not flip
    )


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.sampled_from(SMALL), st.binary(max_size=33)),
    st.one_of(st.sampled_from(SMALL).map(lambda r: r + bytes(32)), st.binary(max_size=65)),
)
def test_what_is_malformed_is_refused_and_never_more_than_the_library_takes(
    public: bytes, signature: bytes
) -> None:
    """The strict rule takes less than the library: never more."""
    assert not verifier.signature_holds(public, b"m", signature) or theirs(public, b"m", signature)


# --- files


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, session_keystore: object) -> House:
    """A log of forty hours: Anna's vault every other one, the nurse's two of three."""
    from tests.audit.audit_world import Clock  # noqa: PLC0415 a module's fixture makes its own house

    house = House(tmp_path_factory.mktemp("log"), session_keystore, Clock())  # type: ignore[arg-type]
    fill(house)
    return house


def fill(house: House) -> None:
    """Write forty entries, one an hour."""
    log = house.open()
    for hour in range(40):
        house.clock.move(HOUR)
        vault, actor = (ANNA if hour % 2 else BO), (NURSE if hour % 3 else CITIZEN)
        log.append_now(event(house.clock(), vault=vault, actor=actor, subject=str(hour)))
    log.close()


def opened(house: House, work: Callable[[AuditLog], bytes]) -> bytes:
    """Return what an open log gives."""
    log = house.open()
    try:
        return work(log)
    finally:
        log.close()


def receipt(house: House, vault: bytes = ANNA, back: int = 3) -> bytes:
    """Return a receipt's file, of one of the newest entries."""
    return opened(
        house,
        lambda log: log.take_receipt(log.entries_of_vault(vault, limit=back)[-1].id, vault=vault).file(),
    )


def silence(house: House, begin: int, end: int) -> bytes:
    """Return a silence proof's file, by hours."""
    return opened(house, lambda log: log.take_silence(ANNA, START + begin * HOUR, START + end * HOUR).file())


def key_of(house: House) -> verifier.Key:
    """Return the log's key, as its checkpoints' folder has it."""
    return verifier.read_key((house.outside / "verifier-key").read_text())


def wrong(house: House, content: bytes) -> str:
    """Return what the verifier says is wrong."""
    with pytest.raises(verifier.Wrong) as caught:
        verifier.check(content, key_of(house))
    return caught.value.sv


def changed(content: bytes, **fields: object) -> bytes:
    """Return a file with other fields, in its form."""
    return (json.dumps(json.loads(content) | fields, ensure_ascii=False, indent=1) + "\n").encode()


def run(folder: Path, house: House, *contents: bytes) -> subprocess.CompletedProcess[str]:
    """Run the program as a citizen does, alone in a folder, with no path but the standard library."""
    program = folder / "verify.py"
    program.write_bytes(FILE.read_bytes())
    names = []
    for number, content in enumerate(contents):
        (folder / f"{number}.json").write_bytes(content)
        names.append(f"{number}.json")
    (folder / "key").write_text((house.outside / "verifier-key").read_text())
    command = [sys.executable, "-I", "-S", "verify.py", *names, "--key", "key"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False, timeout=60)


def test_verifier_imports_the_standard_library_alone() -> None:
    """It is another program than the log, and a citizen has nothing else."""
    tree = ast.parse(FILE.read_text(), feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def test_both_write_the_same_words_on_a_file() -> None:
    """The words are the specification's, written down twice."""
    assert verifier.WHAT == {
        evidence._RECEIPT: evidence._WHAT_RECEIPT,
        evidence._SILENCE: evidence._WHAT_SILENCE,
    }
    assert set(verifier.KINDS) == set(EventKind)


def test_receipt_and_silence_proof_hold_alone_and_together(made: House, tmp_path: Path) -> None:
    """In words, in both languages, with what was logged."""
    done = run(tmp_path, made, receipt(made), silence(made, 5, 9))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Siv Sköterska, Distriktssköterska, Vårdcentralen Björken" in done.stdout
    assert "har loggen 2 rader om valvet, varav 2 av en vård" in done.stdout
    assert "the log has 2 entries about the vault" in done.stdout
    assert "är om samma valv" in done.stdout


def test_proof_can_be_taken_out_as_it_is(made: House) -> None:
    """Others' tools read it: the text is C2SP's, the leaf its extra."""
    told = json.loads(receipt(made))
    lines = told["proof"].split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert len(base64.b64decode(lines[1].removeprefix("extra "))) == 185
    assert told["proof"].endswith("\n")
    assert f"\n\n{ORIGIN}\n40\n" in told["proof"]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_receipt_with_any_byte_changed_is_refused(made: House, data: st.DataObject) -> None:
    """Each byte is bound: by the signature, the tree, the commitment, or the file's one form."""
    content = bytearray(RECEIPTS.setdefault(str(made.folder), receipt(made)))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    assert wrong(made, bytes(content))


RECEIPTS: dict[str, bytes] = {}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"\xff", b"null", b'{"format":[]}', b"{" * 100_000, b'{"a":' * 5000, b"a\n\n"],
)
def test_what_is_no_file_of_ours_is_said_to_be_none(made: House, content: bytes) -> None:
    """In words, never by a traceback."""
    assert wrong(made, content)


@pytest.mark.parametrize("depth", [10, 300, 700, 950, 3000])
def test_what_is_nested_is_refused_at_any_depth(made: House, depth: int) -> None:
    """Reading and writing give up at different depths."""
    nested = b"[" * depth + b"]" * depth
    head = f'{{"what":{json.dumps(verifier.WHAT[verifier.SILENCE])},"format":"{verifier.SILENCE}",'.encode()
    assert wrong(made, head + b'"from":1,"to":2,"proofs":' + nested + b"}")


def test_other_content_than_was_logged_is_refused(made: House, tmp_path: Path) -> None:
    """The commonest forgery: another name in the same row."""
    content = receipt(made)
    other = json.loads(content)["event"].replace("Siv", "Eva")
    assert wrong(made, changed(content, event=other)) == "Innehållet är inte det som loggades."
    assert wrong(made, changed(content, salt=base64.b64encode(bytes(32)).decode()))
    done = run(tmp_path, made, changed(content, event=other))
    assert (done.returncode, "FEL / WRONG" in done.stdout) == (1, True)


def test_another_key_and_no_key_are_told(made: House, tmp_path: Path) -> None:
    """A log signed by somebody else is somebody else's log."""
    thief = Ed25519PrivateKey.from_private_bytes(b"t" * 32).public_key().public_bytes_raw()
    with pytest.raises(verifier.Wrong, match="no signature by the log's key"):
        verifier.check(receipt(made), verifier.Key(ORIGIN, thief))
    with pytest.raises(verifier.Wrong, match="another log's"):
        verifier.check(receipt(made), verifier.Key("other", thief))
    for text in (
        "",
        "a+b",
        "a+00000000+AQ==",
        f"{ORIGIN}+00000000+{base64.b64encode(b'1' + thief).decode()}",
    ):
        with pytest.raises(verifier.Unusable):
            verifier.read_key(text)
    assert verifier.main(["nothing.json", "--key", str(tmp_path / "none")]) == 2
    assert verifier.main(["--key"]) == 2


def test_destroyed_body_leaves_a_receipt_of_the_row(in_file: House, tmp_path: Path) -> None:
    """Retention takes what was said, and neither that it was said nor how many rows there are."""
    fill(in_file)
    in_file.sql("UPDATE log_entries SET sealed = NULL")
    content = receipt(in_file)
    assert json.loads(content)["event"] is None
    done = run(tmp_path, in_file, content, silence(in_file, 5, 9))
    assert done.returncode == 0
    assert "det är gallrat" in done.stdout


def test_receipt_of_another_vaults_entry_is_nothing(house: House) -> None:
    """Bo's rows are Bo's, on either engine."""
    log = house.open()
    bos = log.append_now(event(START, vault=BO)).entry
    log.append_now(event(START))
    with pytest.raises(NoSuchEntryError):
        log.take_receipt(bos, vault=ANNA)
    assert verifier.check(log.take_receipt(bos, vault=BO).file(), key_of(house))
    log.close()


# --- silence


@pytest.mark.parametrize(
    ("begin", "end", "count", "theirs"),
    [(5, 9, 2, 2), (0, 3, 1, 1), (7, 8, 0, 0), (0, 40, 19, 13), (39, 90, 0, 0)],
)
def test_silence_counts_what_lies_in_the_period(
    made: House, begin: int, end: int, count: int, theirs: int
) -> None:
    """Also none, from before the first entry (whose number is 1), and up to a newest one that ends what is not over."""
    rows = verifier.check(silence(made, begin, end), key_of(made))[0]
    assert f"har loggen {count} rader om valvet, varav {theirs} av" in rows[0][0]


def test_silence_proof_lacking_a_row_is_refused(made: House) -> None:
    """At its start, in the middle and at its end, or with rows of two vaults."""
    content = silence(made, 5, 12)
    proofs = json.loads(content)["proofs"]
    assert "före tiden saknas" in wrong(made, changed(content, proofs=proofs[1:]))
    assert "En rad saknas" in wrong(made, changed(content, proofs=proofs[:2] + proofs[3:]))
    assert "efter tiden saknas" in wrong(made, changed(content, proofs=proofs[:-1]))
    assert "fel ordning" in wrong(made, changed(content, proofs=proofs[::-1]))
    bos = json.loads(receipt(made, BO))["proof"]
    assert "ett och samma valv" in wrong(made, changed(content, proofs=[*proofs, bos]))
    assert wrong(made, changed(content, proofs=[]))
    assert wrong(made, changed(content, **{"from": 5, "to": 5}))
    assert wrong(made, changed(content, **{"from": json.loads(content)["from"] + 3 * 3_600_000_000}))


def test_silence_proof_holds_a_number_of_rows_at_most(made: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of any size would be a way to stop the server."""
    monkeypatch.setattr(evidence, "MOST_ROWS", 3)
    with pytest.raises(TooManyEntriesError):
        silence(made, 0, 40)


def test_silence_on_either_engine(house: House) -> None:
    """On PostgreSQL the asking's own entry is first numbered, and then ends the period."""
    log = house.open()
    for _ in range(3):
        log.append_now(event(house.clock()))
        house.clock.move(HOUR)
    taken = log.take_silence(ANNA, START, START + 9 * HOUR)
    assert (taken.within, taken.by_organisations) == (2, 2)
    assert "2 rader" in verifier.check(taken.file(), key_of(house))[0][0][0]
    log.close()


# --- the same bytes as the log's own code


@settings(max_examples=100, deadline=None)
@given(name=st.text(min_size=1), subject=st.text(), counts=st.dictionaries(st.text(), st.integers(0, 2**60)))
def test_every_event_that_the_log_writes_is_read(name: str, subject: str, counts: dict[str, int]) -> None:
    """Two programs must agree on what the one form is, whatever a person is called."""
    import msgspec  # noqa: PLC0415 here alone

    written = event(START, actor=msgspec.structs.replace(NURSE, name=name), subject=subject, counts=counts)
    text = encode(written).decode()
    assert verifier.read_event(text)["actor"]["name"] == name


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 70), data=st.data())
def test_inclusion_is_judged_as_the_log_does(size: int, data: st.DataObject) -> None:
    """Every proof leads to the root, and to another where it is of another place."""
    index = data.draw(st.integers(0, size - 1))
    leaves = [bytes((number,)) for number in range(size)]
    hashes = list(map(merkle.leaf_hash, leaves))

    def find(level: int, at: int) -> bytes:
        nodes = hashes[at << level : (at + 1) << level]
        while len(nodes) > 1:
            nodes = list(map(merkle.node_hash, nodes[::2], nodes[1::2]))
        return nodes[0]

    path, root = merkle.inclusion_proof(index, size, find), merkle.root_at(size, find)
    assert verifier.root_of(index, size, leaves[index], path) == root
    for other, steps in ((index, [*path, root]), (index, path[:-1]), (size, path)):
        if path or steps:
            with pytest.raises(verifier.Wrong):
                verifier.root_of(other, size, leaves[index], steps)


def test_receipt_keeps_its_parts() -> None:
    """A file is what it was made of."""
    parts = Inclusion(0, 1, b"leaf", (), "note\n\n")
    assert json.loads(Receipt(parts, b"").file())["salt"] is None
    assert json.loads(Silence(1, 2, (parts,)).file())["proofs"] == [parts.text()]
