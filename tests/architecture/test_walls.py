"""The walls of the house: who may import what, and who may make what."""

import ast
import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "audit", "consent", "identity", "importers", "keys", "policies", "sharing", "vault")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a file's path inside the house."""
    return path.relative_to(ROOT).as_posix()


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, wherever in it."""
    for node in nodes(path):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, names=names, level=0) if module:
                yield module
                yield from (f"{module}.{name.name}" for name in names)
            case _:
                pass


def importing(*modules: str) -> set[str]:
    """Return the files that import one of these modules, or a part of it."""
    return {
        name_of(path)
        for path in SOURCES
        for found in imports(path)
        if any(found == module or found.startswith(f"{module}.") for module in modules)
    }


def calling(name: str) -> set[str]:
    """Return the files where something of this name is called, also by way of a module or ``cls``."""
    found = set()
    for path in SOURCES:
        for node in nodes(path):
            match node:
                case ast.Call(func=ast.Name(id=called)) | ast.Call(func=ast.Attribute(attr=called)):
                    if called == name:
                        found.add(name_of(path))
                case _:
                    pass
    return found


def test_there_is_something_to_walk() -> None:
    """A walk over nothing would find every wall whole."""
    assert len(SOURCES) > 80
    assert {"keys/keystore.py", "app/main.py", "importers/child.py"} <= {name_of(path) for path in SOURCES}


@pytest.mark.parametrize(
    ("name", "makers"),
    [
        ("Receipt", {"audit/log.py"}),
        ("Authorization", {"consent/gate.py"}),
        ("PrivateKey", {"keys/envelope.py", "keys/keystore.py"}),
        ("Opener", {"keys/primitives.py"}),
        ("VaultKeys", {"keys/keystore.py", "importers/child.py"}),
        ("log_signer", {"audit/log.py", "keys/keystore.py", "app/wiring.py"}),
        ("receipt_key", {"audit/log.py"}),
        ("vault_keys", {"importers/intake.py", "keys/keystore.py", "vault/change.py", "vault/state.py"}),
        ("write_text", {"app/wiring.py", "app/web/build.py"}),
    ],
)
def test_proof_is_made_in_its_one_place(name: str, makers: set[str]) -> None:
    """A stage believes the proof that it is handed, since nobody else can make one."""
    assert calling(name) - makers == set()
    if name[0].isupper():
        assert calling(name)


def test_keystore_opens_for_the_vault_alone() -> None:
    """``KeyStore.open`` has one caller, which asks by an Authorization's receipt."""
    found = set()
    for path in SOURCES:
        for node in nodes(path):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="open", value=ast.Attribute(attr="_keystore" | "keystore"))
                ):
                    found.add(name_of(path))
                case ast.Call(func=ast.Attribute(attr="open", value=ast.Name(id="_keystore" | "keystore"))):
                    found.add(name_of(path))
                case _:
                    pass
    assert found == {"vault/opening.py"}


def test_no_receipt_or_authorization_is_copied_with_changes_elsewhere() -> None:
    """``dataclasses.replace`` would make one too."""
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("replace") and node.args:
                first = ast.unparse(node.args[0])
                if "receipt" in first.lower() or "authorization" in first.lower() or first == "unsigned":
                    assert name_of(path) == "audit/log.py", first


@pytest.mark.parametrize(
    ("modules", "homes"),
    [
        (("litestar", "celery", "uvicorn", "kombu"), ("app/",)),
        (("jose",), ("identity/tokens.py",)),
        (("cedarpy",), ("policies/engine.py",)),
        (
            ("cryptography",),
            ("keys/primitives.py", "keys/certificates.py", "audit/verify_notes.py", "audit/verify_lists.py"),
        ),
        (("pyhanko", "pyhanko_certvalidator", "asn1crypto"), ("sharing/signing.py",)),
        (("typst",), ("sharing/typesetting.py",)),
        (
            ("hmac", "secrets"),
            (
                "keys/",
                "identity/",
                "app/",
                "sharing/granting.py",
                "sharing/asking.py",
                "sharing/emergency.py",
                "sharing/signing.py",
            ),
        ),
        (("smtplib", "ssl"), ("app/mailing.py",)),
        (("psycopg",), ("vault/database.py", "audit/")),
        (("sqlite3",), ("keys/keystore.py", "vault/database.py", "audit/", "app/")),
        (("subprocess",), ("importers/intake.py", "audit/verify_processes.py", "app/")),
        # the verifier to its own children and back, never bytes from outside
        (("pickle", "marshal", "shelve", "dill"), ("audit/verify_processes.py",)),
        (("random",), ()),
        (("xml.etree", "xml.dom", "xml.sax", "lxml"), ()),
        (("requests", "urllib.request", "http.client", "httpx", "aiohttp", "socket"), ("app/",)),
    ],
    ids=lambda value: value[0] if value else "nowhere",
)
def test_library_is_known_in_its_home_only(modules: tuple[str, ...], homes: tuple[str, ...]) -> None:
    """What a library gets wrong is then mended in one place."""
    found = importing(*modules)
    assert {path for path in found if not path.startswith(homes)} == set() if homes else not found


def test_verifier_shares_no_code_with_the_writer() -> None:
    """``valv audit verify`` is another program: it reads the specification, not our mistakes."""
    for path in sorted((ROOT / "audit").glob("verify*.py")):
        ours = {one for one in imports(path) if one.split(".")[0] in PACKAGES}
        assert {one for one in ours if not one.startswith("audit.verify_")} == set(), path.name


def test_domain_takes_its_time_as_an_argument() -> None:
    """Only the process's edge reads the clock."""
    found = set()
    for path in SOURCES:
        for node in nodes(path):
            match node:
                case ast.Call(func=ast.Attribute(attr="now" | "today" | "utcnow", value=value)):
                    if ast.unparse(value) in {"datetime", "date", "datetime.datetime"}:
                        found.add(name_of(path))
                case _:
                    pass
    assert {path for path in found if not path.startswith("app/")} <= {
        "importers/child.py",  # the time at which a segment was written, in a process of its own
        "identity/numbers.py",  # where none is given, to tell a two-digit year's century
        "audit/verify.py",
    }


def test_only_tables_are_in_tables() -> None:
    """SQLModel's tables validate nothing: they stay apart from the values of the domain."""
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and any(
                keyword.arg == "table" and ast.unparse(keyword.value) == "True" for keyword in node.keywords
            ):
                assert path.name == "tables.py", (name_of(path), node.name)


@pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git checkout to list"
)
def test_no_folder_beyond_those_agreed() -> None:
    """No ``core/``, no ``utils/``: nine rooms, tests, docs, and what runs them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    folders = {line.split("/")[0] for line in listed if "/" in line}
    assert folders <= {*PACKAGES, "tests", "docs", ".ci"}
    inside = {part for line in listed for part in line.split("/")[:-1]}
    assert inside.isdisjoint({"core", "utils", "common", "helpers", "misc", "base"})


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """In its first lines."""
    assert ast.get_docstring(ast.parse(path.read_text())), name_of(path)


def test_import_contracts_hold() -> None:
    """Imports point down only; the contracts stand in pyproject.toml."""
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b0 broken", done.stdout)


def test_no_address_of_another_host_stands_in_the_code() -> None:
    """But for names that identify (code systems, schemas) and for this machine."""
    known = (
        "http://loinc.org", "http://hl7.org/", "https://hl7.org/", "http://terminology.hl7.org/", "http://unitsofmeasure.org",
        "http://snomed.info", "http://127.0.0.1", "http://localhost", "http://www.w3.org/", "http://electronichealth.se",
        "https://developer.apple.com/documentation/healthkit", "http://ns.electronichealth.se", "https://profiles.ihe.net",
        "https://c2sp.org", "http://www.whocc.no/atc", "https://www.skatteverket.se", "http://dicom.nema.org",
    )  # fmt: skip
    for path in SOURCES:
        for found in re.findall(r"https?://[A-Za-z0-9][^\s\"'`<>)]*", path.read_text()):
            assert found.startswith(known), (name_of(path), found)
