"""``valv directory``, as an organisation and as the operator runs it, on both engines."""

import copy
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import cli, demo
from keys import primitives
from keys.primitives import Signer, fingerprint, generate_es256_pem, public_from_pem
from tests import world as worlds
from tests.world import World

NEW = "SE2120009923-TEST"
UNIT = "SE2120009923-TESTVE1"
BEGINS = b"halsovalvet-signed-branch 1 "

Run = Callable[..., tuple[int, str, str]]
Branch = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder to work in, with no installation."""
    made = tmp_path / "desk"
    made.mkdir()
    monkeypatch.chdir(made)
    monkeypatch.setenv("VALV_DATA", str(tmp_path / "nothing"))
    return made


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command in the folder: its exit code, and what it said."""
    assert folder.is_dir()

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["directory", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return ran


@pytest.fixture
def operate(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the same beside the world's running server."""
    monkeypatch.setenv("VALV_DATA", str(world.folder))
    monkeypatch.setenv("VALV_DATABASE_URL", world.settings.database_url)
    monkeypatch.setattr(primitives, "stretch", worlds._stretched)
    return run


def branch(version: int = 1, **changed: Any) -> Branch:
    """Return a branch of a municipality that the demo does not have."""
    made = copy.deepcopy(demo.made_up()[3])
    made["authority"] = {"kind": "municipality", "id": NEW, "name": "Nyköpinge kommun (påhittad)"}
    provider = {"id": "SE2120009923-TESTOG1", "name": "Nyköpinge omsorg", "kind": "omsorgsgivare"}
    made["providers"] = [{**provider, "units": [{"id": UNIT, "name": "Nyköpinge hemtjänst"}]}]
    return {**made, "version": version, **changed}


def write(folder: Path, document: Branch, name: str = "branch.json") -> None:
    """Write a branch as an organisation's own system might: not in the form that we would give it."""
    (folder / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def refused(answer: tuple[int, str, str]) -> str:
    """Return the sentence with which a command was refused."""
    code, out, err = answer
    assert code == 2
    assert out == ""
    assert err.startswith("valv: ")
    assert err.count("\n") == 1
    return err.removeprefix("valv: ").rstrip("\n")


def registered(run: Run, folder: Path) -> None:
    """Let the new municipality make its key and be registered."""
    assert run("key", "-o", "own.pem")[0] == 0
    assert run("register", NEW, "own.pem.pub")[0] == 0
    assert (folder / "own.pem").is_file()


def send(run: Run, folder: Path, document: Branch, *how: str, key: str = "own.pem") -> tuple[int, str, str]:
    """Sign a branch, and load it as ``how`` says."""
    write(folder, document)
    (folder / "branch.signed").unlink(missing_ok=True)
    assert run("sign", "branch.json", "--key", key, "-o", "branch.signed")[0] == 0
    return run("load", "branch.signed", *how)


# --- on the organisation's own machine


def test_key_is_made_without_an_installation_and_read_by_its_owner_only(run: Run, folder: Path) -> None:
    """An organisation's private key never leaves its machine, so the command must work there."""
    code, out, _ = run("key", "-o", "own.pem")
    assert code == 0
    assert stat.S_IMODE((folder / "own.pem").stat().st_mode) == 0o600
    public = public_from_pem((folder / "own.pem.pub").read_bytes())
    assert Signer.from_pem((folder / "own.pem").read_bytes()).public() == public
    assert fingerprint(public) in out


@pytest.mark.parametrize("there", ["own.pem", "own.pem.pub"])
def test_key_is_not_written_over(run: Run, folder: Path, there: str) -> None:
    """A key that is lost locks its organisation out until the operator replaces it."""
    (folder / there).write_text("mine")
    assert refused(run("key", "-o", "own.pem")) == f"{there}: is there already, and is not written over"
    assert [one.name for one in folder.iterdir()] == [there]
    assert (folder / there).read_text() == "mine"


def test_branch_is_signed_as_it_stands(run: Run, folder: Path) -> None:
    """What the organisation wrote is what it signs, to the byte."""
    write(folder, branch())
    run("key", "-o", "own.pem")
    assert run("sign", "branch.json", "--key", "own.pem", "-o", "branch.signed")[0] == 0
    first, _, rest = (folder / "branch.signed").read_bytes().partition(b"\n")
    assert first.startswith(BEGINS)
    assert rest == (folder / "branch.json").read_bytes()
    told = refused(run("sign", "branch.json", "--key", "own.pem", "-o", "branch.json"))
    assert told == "branch.json: is there already, and is not written over"


def test_bad_branch_is_not_signed(run: Run, folder: Path) -> None:
    """The organisation is told before it sends anything: file, place and fault."""
    run("key", "-o", "own.pem")
    write(folder, branch(staff=[{"id": "SE2120009923-TESTP001"}]))
    told = refused(run("sign", "branch.json", "--key", "own.pem", "-o", "out"))
    assert told == "branch.json: staff[0]: lacks name, title, licence, commissions"
    (folder / "branch.json").write_text('{"format": "halsovalvet-directory-branch",\n  "version": 1,}')
    told = refused(run("sign", "branch.json", "--key", "own.pem", "-o", "out"))
    assert told.startswith("branch.json: document: not well-formed JSON at line 2, column ")
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a private key in PEM, without a password"),
        (b"\xff\x00", "not a private key in PEM, without a password"),
        (b"x" * 20_000, "larger than 16384 bytes"),
        (generate_es256_pem(), "not an Ed25519 key"),
    ],
)
def test_what_is_not_a_private_key_signs_nothing(run: Run, folder: Path, content: bytes, why: str) -> None:
    """And says so in a sentence."""
    write(folder, branch())
    (folder / "own.pem").write_bytes(content)
    assert refused(run("sign", "branch.json", "--key", "own.pem", "-o", "out")) == f"own.pem: {why}"


@pytest.mark.parametrize("command", [("sign", "gone", "--key", "gone", "-o", "out"), ("load", "gone")])
def test_file_that_is_not_there_is_named(run: Run, command: tuple[str, ...]) -> None:
    """A wrong path is the commonest mistake."""
    assert refused(run(*command)) == "gone: No such file or directory"
    assert refused(run(command[0], ".", *command[2:])) == ".: Is a directory"
    assert refused(run("key", "-o", "no/folder")) == "no/folder: No such file or directory"


@pytest.mark.parametrize("command", [("list",), ("show", NEW), ("register", NEW, "own.pem.pub")])
def test_operators_commands_need_an_installation(run: Run, command: tuple[str, ...]) -> None:
    """They say which is missing, and make none."""
    run("key", "-o", "own.pem")
    assert "no installation here" in refused(run(*command))


# --- on the operator's


def test_new_organisation_is_registered_loaded_and_found_by_a_running_server(
    operate: Run, folder: Path, world: World
) -> None:
    """The whole way, while the server has been running since before."""
    assert world.house.directory().search("Nyköpinge") == ()
    registered(operate, folder)
    code, out, _ = send(operate, folder, branch(), "--rehearse")
    assert code == 0
    assert "version 1 (no version before): would be stored" in out
    assert world.house.directory().search("Nyköpinge") == ()
    code, out, _ = send(operate, folder, branch())
    assert code == 0
    assert "version 1 (no version before): stored" in out
    assert "  units: 1 added, 0 removed, 0 renamed, 0 else changed\n" in out
    found = world.house.directory().search("Nyköpinge hemtjänst")
    assert [hit.id for hit in found] == [UNIT]
    assert world.another_process().house.directory().unit(UNIT).name == "Nyköpinge hemtjänst"


def test_newer_branch_says_what_it_changes(operate: Run, folder: Path, world: World) -> None:
    """Before it is stored, if asked so, and after."""
    registered(operate, folder)
    send(operate, folder, branch())
    newer = branch(2)
    newer["providers"][0]["units"] = [
        {"id": UNIT, "name": "Nyköpinge hemvård"},
        {"id": "SE2120009923-TESTVE2", "name": "Nyköpinge dagverksamhet"},
    ]
    for how, told in ((["--rehearse"], "would be stored"), ([], "stored")):
        code, out, _ = send(operate, folder, newer, *how)
        assert code == 0
        assert f"version 2 (version 1 before): {told}\n" in out
        assert "  units: 1 added, 0 removed, 1 renamed, 0 else changed\n" in out
        assert "  staff: 0 added, 0 removed, 0 renamed, 0 else changed\n" in out
    assert world.house.directory().unit(UNIT).name == "Nyköpinge hemvård"


def test_branch_that_is_not_newer_or_does_not_fit_is_refused(
    operate: Run, folder: Path, world: World
) -> None:
    """Rehearsed or not, and what was stored stands."""
    registered(operate, folder)
    send(operate, folder, branch(2))
    thief = branch(3)
    thief["providers"][0]["units"].append({"id": demo.HOME_CARE, "name": "Min"})
    for how in (["--rehearse"], []):
        told = refused(send(operate, folder, branch(2), *how))
        assert told == f"branch.signed: {NEW}: version 2 is not newer than 2, which is stored"
        told = refused(send(operate, folder, thief, *how))
        assert told.startswith(f"branch.signed: unit {demo.HOME_CARE}: stands in two branches, of SE")
        assert demo.EXEMPELBY in told
        assert NEW in told
    assert world.house.directory().unit(demo.HOME_CARE).name == "Exempelby hemtjänst"


def test_branch_of_nobody_who_is_registered_is_refused(operate: Run, folder: Path) -> None:
    """Registering is the operator's act; a file cannot do it."""
    operate("key", "-o", "own.pem")
    told = refused(send(operate, folder, branch()))
    assert told == f"branch.signed: {NEW}: no key is registered for the organisation"


Spoil = Callable[[bytes], bytes]
SPOILT: list[tuple[str, Spoil]] = [
    ("line 1: must begin with", lambda _: b""),
    ("line 1: must begin with", lambda raw: raw.partition(b"\n")[2]),
    ("line 1: must begin with", lambda raw: raw.replace(b"branch 1 ", b"branch 2 ", 1)),
    ("line 1: must end with a signature", lambda raw: raw.replace(b"=\n", b"\n", 1)),
    ("line 1: must end with a signature", lambda raw: raw.replace(b"\n", b"\r\n")),
    ("line 1: must end with a signature", lambda _: BEGINS + b"!" * 88 + b"\n{}"),
    ("document: not well-formed JSON at line 1, column 1", lambda raw: raw.partition(b"\n")[0]),
    ("document: not well-formed JSON", lambda raw: raw + b"\xff"),
    ("document: lacks authority", lambda raw: raw.partition(b"\n")[0] + b"\n{}"),
    (
        f"signature: is not by the key of {NEW}",
        lambda raw: raw.replace("Nyköpinge hemtjänst".encode(), b"Annan hemtj"),
    ),
    (f"signature: is not by the key of {NEW}", lambda raw: raw + b"\n"),
]


@pytest.mark.parametrize(("why", "spoil"), SPOILT, ids=[str(i) for i in range(len(SPOILT))])
def test_spoilt_file_is_refused_with_place_and_fault(
    operate: Run, folder: Path, world: World, why: str, spoil: Spoil
) -> None:
    """Mail, an editor or somebody on the way may have changed it."""
    registered(operate, folder)
    send(operate, folder, branch(), "--rehearse")
    sent = folder / "branch.signed"
    sent.write_bytes(spoil(sent.read_bytes()))
    assert refused(operate("load", "branch.signed")).startswith(f"branch.signed: {why}")
    assert world.house.directory().search("Nyköpinge") == ()


@pytest.mark.parametrize("what", ["own.pem", "branch.json"])
def test_what_is_not_a_public_key_is_not_registered(operate: Run, folder: Path, what: str) -> None:
    """Least of all the private one, sent by mistake."""
    operate("key", "-o", "own.pem")
    write(folder, branch())
    assert refused(operate("register", NEW, what)) == f"{what}: not a public key in PEM"
    (folder / "ec.pem").write_bytes(generate_es256_pem())
    assert refused(operate("register", NEW, "ec.pem")) == "ec.pem: not a public key in PEM"
    assert refused(operate("register", "Nyköpinge", "own.pem.pub")).startswith("the id must be an HSA-id")


def test_key_is_replaced_by_name_of_the_old_while_servers_run(
    operate: Run, folder: Path, world: World
) -> None:
    """From then on the old key signs nothing new; what it signed stands until the next version."""
    registered(operate, folder)
    send(operate, folder, branch())
    assert UNIT in world.house.directory().units
    operate("key", "-o", "next.pem")
    old, new = (
        fingerprint(public_from_pem((folder / f"{name}.pem.pub").read_bytes())) for name in ("own", "next")
    )
    assert refused(operate("register", NEW, "next.pem.pub")) == f"{NEW}: another key is registered, {old}"
    told = refused(operate("register", NEW, "next.pem.pub", "--replaces", new))
    assert told == f"{NEW}: the key in use has another fingerprint, {old}"
    code, out, _ = operate("register", NEW, "next.pem.pub", "--replaces", old.upper())
    assert (code, out) == (0, f"{NEW}: registered, with the key {new}\n")
    assert (
        refused(send(operate, folder, branch(2))) == f"branch.signed: signature: is not by the key of {NEW}"
    )
    assert UNIT in world.house.directory().units
    renamed = branch(2)
    renamed["providers"][0]["units"][0]["name"] = "Nyköpinge hemvård"
    assert send(operate, folder, renamed, key="next.pem")[0] == 0
    assert world.house.directory().unit(UNIT).name == "Nyköpinge hemvård"
    (row,) = (line for line in operate("list")[1].splitlines() if line.startswith(NEW))
    assert row.endswith(new)


def test_list_tells_of_every_branch(operate: Run, world: World) -> None:
    """One line each, its columns named by the first."""
    code, out, _ = operate("list")
    names, *rows = (line.split("\t") for line in out.splitlines())
    assert code == 0
    assert len(rows) == len(world.house.directory().authorities) == 4 + 310
    found = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    region = found[demo.REGION_EXEMPEL]
    assert region["name"] == "Region Exempel (påhittad)"
    counts = ["kind", "version", "providers", "units", "staff", "commissions", "clients"]
    assert [region[one] for one in counts] == ["region", "1", "2", "4", "3", "4", "1"]
    assert region["loaded"] == "2026-03-02T09:00:00+00:00"


def test_show_writes_out_what_was_signed(operate: Run, folder: Path) -> None:
    """To the byte, so that the organisation can compare it with its own."""
    registered(operate, folder)
    send(operate, folder, branch())
    code, out, _ = operate("show", NEW)
    assert code == 0
    assert out == (folder / "branch.json").read_text(encoding="utf-8")
    told = refused(operate("show", "SE2120009931-TEST"))
    assert told == "SE2120009931-TEST: no branch of this organisation is stored"


def test_changed_row_is_told_of_in_a_sentence(operate: Run, world: World) -> None:
    """Whoever writes the database can stop the directory, and the operator is told why it stands."""
    with world.attacker() as attacker:
        attacker.execute("UPDATE directory_branches SET change = 999 WHERE change = 1")
    for command in (["list"], ["show", demo.REGION_EXEMPEL]):
        assert refused(operate(*command)) == "a stored branch was changed or moved in the database"


def test_empty_installation_has_an_empty_directory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one begins so, and takes organisations before it has an identity provider."""
    monkeypatch.setenv("VALV_DATA", str(tmp_path / "real"))
    monkeypatch.setenv("VALV_PASSPHRASE", "a passphrase of the tests")
    assert cli.main(["db", "create"]) == 0
    assert run("list")[1].count("\n") == 1
    run("key", "-o", "own.pem")
    assert run("register", NEW, "own.pem.pub")[0] == 0


def test_answer_that_nobody_reads_to_its_end_is_no_fault(operate: Run, world: World) -> None:
    """``valv directory list | head`` is what an operator writes with some hundred organisations."""
    assert operate("list")[0] == 0
    listing = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "directory", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(cli.__file__).parents[1],
        env={**os.environ, "VALV_DATA": str(world.folder)},
    )
    assert listing.stdout is not None
    listing.stdout.close()
    listing.stdout = None
    assert listing.communicate(timeout=60)[1] == b""
