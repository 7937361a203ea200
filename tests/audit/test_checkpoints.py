import base64
from pathlib import Path

import pytest

from audit import merkle
from audit.checkpoint import (
    Checkpoint,
    CheckpointError,
    open_checkpoint,
    parse_verifier_key,
    proof_text,
    verifier_key,
)
from audit.merkle import Frontier
from keys.primitives import Signer

TESSERA = Path(__file__).parents[3] / "shared" / "samples" / "tlog" / "tessera" / "log"
TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

needs_samples = pytest.mark.skipif(not TESSERA.is_dir(), reason="other people's samples are not here")

SIGNER, OTHER = Signer(b"s" * 32), Signer(b"t" * 32)
ORIGIN = "log.example/one"
HEAD = Checkpoint(ORIGIN, 7, bytes(range(32)))


def tessera_leaves() -> list[bytes]:
    """Read the bundle: each entry behind its two-byte length."""
    bundle, leaves = (TESSERA / "tile/entries/000.p/15").read_bytes(), []
    while bundle:
        size = int.from_bytes(bundle[:2], "big")
        leaves.append(bundle[2 : 2 + size])
        bundle = bundle[2 + size :]
    return leaves


@needs_samples
@pytest.mark.parametrize("size", range(16))
def test_tessera_checkpoints_verify_and_their_roots_recompute(size: int) -> None:
    """Another implementation's log must read here as it does there."""
    name, public = parse_verifier_key(TESSERA_KEY)
    note = (TESSERA / f"checkpoint.{size}").read_text()
    head = open_checkpoint(note, origin=name, public=public)
    hashes = [merkle.leaf_hash(leaf) for leaf in tessera_leaves()]
    assert len(hashes) == 15
    frontier, _ = Frontier().append(hashes[:size])
    assert (head.size, head.root) == (size, frontier.root())


@needs_samples
def test_tessera_leaf_hashes_are_ours() -> None:
    """The leaf's hash is what every proof starts from."""
    tile = (TESSERA / "tile/0/000.p/15").read_bytes()
    assert tile == b"".join(merkle.leaf_hash(leaf) for leaf in tessera_leaves())


def test_signed_checkpoint_opens_to_itself() -> None:
    """What the log writes, the log and everybody else can read."""
    note = HEAD.signed(SIGNER)
    assert open_checkpoint(note, origin=ORIGIN, public=SIGNER.public()) == HEAD
    assert note.startswith(f"{ORIGIN}\n7\nAAECAwQF")
    assert parse_verifier_key(verifier_key(ORIGIN, SIGNER.public())) == (ORIGIN, SIGNER.public())


def test_witness_signature_is_passed_over() -> None:
    """Others may cosign; their keys are unknown here and must not make the note unreadable."""
    witness = base64.b64encode(b"wxyz" + bytes(72)).decode()
    note = HEAD.signed(SIGNER) + f"\u2014 witness.example {witness}\n"
    assert open_checkpoint(note, origin=ORIGIN, public=SIGNER.public()) == HEAD


NOTE = HEAD.signed(SIGNER)
ROOT = base64.b64encode(HEAD.root).decode()
TEXT, LINE = NOTE.split("\n\n")

REFUSED = {
    "other origin": HEAD.signed(SIGNER).replace(ORIGIN, "log.example/two"),
    "other key": HEAD.signed(OTHER),
    "other size": NOTE.replace("\n7\n", "\n8\n"),
    "other root": NOTE.replace("AAEC", "AAED"),
    "leading zero": NOTE.replace("\n7\n", "\n07\n"),
    "signed number": NOTE.replace("\n7\n", "\n+7\n"),
    "other digits": NOTE.replace("\n7\n", "\n٧\n"),
    "huge number": NOTE.replace("\n7\n", f"\n{1 << 63}\n"),
    "no size": NOTE.replace("\n7\n", "\n"),
    "short root": NOTE.replace(ROOT, base64.b64encode(bytes(31)).decode()),
    "loose base64": NOTE.replace(ROOT, ROOT.replace("=", "")),
    "no signature": TEXT + "\n",
    "no end": NOTE[:-1],
    "no dash": f"{TEXT}\n\n- {LINE[2:]}",
    "no name": f"{TEXT}\n\n\u2014 {LINE.split(' ')[2]}",
    "cut signature": f"{TEXT}\n\n{LINE[:-9]}\n",
    "carriage returns": NOTE.replace("\n", "\r\n"),
    "extension after signing": NOTE.replace(f"{ROOT}\n", f"{ROOT}\nmore\n"),
    "empty": "",
    "too long": NOTE + "x" * 70_000,
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_or_foreign_checkpoint_is_refused(name: str) -> None:
    """Parsing is strict: one checkpoint has one form, and one key."""
    with pytest.raises(CheckpointError):
        open_checkpoint(REFUSED[name], origin=ORIGIN, public=SIGNER.public())


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\n9\nAAAA"])
def test_an_origin_that_would_forge_lines_is_never_signed(origin: str) -> None:
    """An origin with a newline would sign another tree head than it shows."""
    with pytest.raises(CheckpointError):
        Checkpoint(origin, 1, bytes(32)).signed(SIGNER)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AAAA", TESSERA_KEY[:-2], TESSERA_KEY.replace("33", "34")]
)
def test_a_verifier_key_with_a_wrong_part_is_refused(text: str) -> None:
    """A key that was copied wrong must not verify silently as another."""
    with pytest.raises(CheckpointError):
        parse_verifier_key(text)


def test_proof_leaves_in_the_form_that_others_read() -> None:
    """C2SP tlog-proof: header, extra, index, hashes, empty line, checkpoint."""
    lines = proof_text(5, [bytes(32)], NOTE, extra=b"leaf").split("\n")
    assert lines[:5] == ["c2sp.org/tlog-proof@v1", "extra bGVhZg==", "index 5", "A" * 43 + "=", ""]
    assert "\n".join(lines[5:]) == NOTE
