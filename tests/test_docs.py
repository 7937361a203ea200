"""What the documents say exists, exists: links, symbols, paths, tests, targets, settings, commands, libraries."""

import ast
import functools
import importlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from app import cli, settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FLOW = ROOT / "docs/flow.md"
THREATS = ROOT / "docs/threat-model.md"
LIBRARIES = ROOT / "docs/adr/0002-libraries.md"
PACKAGES = tuple(
    tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
)
OURS = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
PATH = re.compile(rf"(?:{'|'.join((*PACKAGES, 'tests', 'docs'))})/[\w./-]*")
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+(?:::\w+)?)")


def _documents() -> Iterator[Path]:
    """Yield every document of the project; hidden, built, installed and data folders hold none."""
    aside = {"node_modules", "built", "build", "dist", "data"}
    for path in sorted(ROOT.rglob("*.md")):
        parts = path.relative_to(ROOT).parts
        if not any(part in aside or part.startswith(".") for part in parts):
            yield path


DOCUMENTS = tuple(_documents())


def prose(path: Path) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def quoted(path: Path) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`\n]+)`", prose(path))


def anchors(path: Path) -> set[str]:
    """Return the names by which a document's headings are linked to."""
    headings = re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def missing(found: Iterable[str]) -> list[str]:
    """Return, once each and in order, what is wrong."""
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    """A link that leads nowhere sends the reader away at the very place where they asked."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert missing(broken) == []


def resolves(name: str) -> bool:
    """Tell whether a dotted name is a module of ours, or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if error.name is not None and name.startswith(error.name):
                continue
            raise
        try:
            functools.reduce(getattr, parts[cut:], found)
        except AttributeError:
            return False
        return True
    return False


@pytest.mark.parametrize("path", [FLOW, THREATS], ids=["flow", "threat-model"])
def test_every_symbol_that_is_named_exists(path: Path) -> None:
    """A trace by symbol is worth as much as its least symbol."""
    blocks = re.findall(r"^ {4}.+$", path.read_text(), flags=re.MULTILINE)
    named = [name for text in (*quoted(path), *blocks) for name in OURS.findall(text)]
    names = [name for name in named if not name.endswith((".py", ".db", ".cedar"))]
    assert len(names) > 10, "the document names no symbols"
    assert missing(name for name in names if not resolves(name)) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_that_is_named_exists(path: Path) -> None:
    """A file that moved must not be looked for where it was."""
    named = [name for text in quoted(path) if (name := text.partition("::")[0]) and PATH.fullmatch(name)]
    generated = ("app/web/built", "app/web/assets/node_modules")
    there = (name for name in named if not name.startswith(generated))
    assert missing(name for name in there if not (ROOT / name).exists()) == []


def functions_in(path: Path) -> set[str]:
    """Return the names of a file's functions, a method's as ``Class::name``."""
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    classes = [("", tree.body)]
    classes += [(f"{node.name}::", node.body) for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        f"{inside}{node.name}" for inside, body in classes for node in body if isinstance(node, functions)
    }


def test_every_invariant_is_held_by_a_test_that_exists() -> None:
    """An invariant that names no test, or one that is gone, is only a wish."""
    text = THREATS.read_text()
    named = TEST.findall(text)
    assert len(named) == text.count(".py::"), "a test is named in a form that is not looked up"
    assert missing(f"{file}::{name}" for file, name in named if name not in functions_in(ROOT / file)) == []
    rows = re.findall(r"^\| .+ \| .+ \| (.+) \|$", text.partition("## Adversaries")[0], flags=re.MULTILINE)
    invariants = rows[rows.index("Held by") + 1 :]
    assert [row for row in invariants if not TEST.search(row)] == []


def test_every_make_target_that_is_named_exists() -> None:
    """The two commands are the first thing that anyone tries."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README.read_text(), flags=re.MULTILINE))
    assert {"demo", "test", "check"} <= named
    assert named - targets == set()


def test_every_setting_is_in_the_table_and_no_other() -> None:
    """A setting that nobody can find is not one, and one that is not read misleads."""
    read = set(re.findall(r"VALV_[A-Z_]*[A-Z]", Path(settings.__file__).read_text()))
    table = re.findall(r"^\| `(VALV_[A-Z_]+)` \|", README.read_text(), flags=re.MULTILINE)
    assert sorted(table) == sorted(read)
    assert set(re.findall(r"VALV_[A-Z_]*[A-Z]", README.read_text())) <= read


def test_defaults_in_the_table_are_the_programs_own() -> None:
    """A default that is written down wrong is believed."""
    default = settings.Settings.read({})
    told = dict(re.findall(r"^\| `(VALV_\w+)` \|.*\| `([^`]+)` \|$", README.read_text(), flags=re.MULTILINE))
    assert told == {
        "VALV_DATA": default.data.name,
        "VALV_HOST": default.host,
        "VALV_PORT": str(default.port),
        "VALV_MAX_UPLOAD_MB": str(default.max_upload >> 20),
        **{settings.VARIANTS[one]: choice for one, choice in default.policies.items()},
    }


@pytest.mark.parametrize("path", [README, ROOT / "SECURITY.md", THREATS], ids=lambda path: path.name)
def test_every_command_that_is_named_can_be_given(path: Path) -> None:
    """A command in a document is tried as it stands there."""
    lines = re.findall(r"(?:^|`)valv ([a-z -]+?)(?: <\w+>)?(?= *#|`|$)", path.read_text(), flags=re.MULTILINE)
    assert lines
    for line in lines:
        words = line.split()
        words += ["key"] if words[-1].startswith("--") else []
        assert callable(cli._parser().parse_args(words).command)


def test_every_command_is_in_the_readme() -> None:
    """Who operates it finds every command in one place."""
    text = README.read_text()
    names = re.findall(r'_add\((\w+), "([a-z]+)"', Path(cli.__file__).read_text())
    groups = {"commands": "", "database": "db ", "audit": "audit "}
    assert (
        missing(
            f"{groups[group]}{name}" for group, name in names if f"valv {groups[group]}{name}" not in text
        )
        == []
    )


def test_every_package_is_on_the_map() -> None:
    """The map of the house shows every room, and import-linter's layers are the drawn ones."""
    text = README.read_text()
    assert missing(name for name in PACKAGES if f"| [`{name}/`]({name}) |" not in text) == []
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    assert f"    {' > '.join(layers)}\n" in text


def test_every_library_has_its_reason() -> None:
    """A dependency is trusted with everything, so that it is there must have a reason that stands written."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    package = json.loads((ROOT / "app/web/assets/package.json").read_text())
    for name in ("build.in", "node.in"):
        lines = (ROOT / "app/requirements" / name).read_text().splitlines()
        declared += [line for line in lines if line and not line.startswith("#")]
    names = [re.split(r"[\[<>=]", one)[0] for one in declared]
    names += [*package["dependencies"], *package["devDependencies"]]
    text = LIBRARIES.read_text()
    assert missing(name for name in names if f"`{name}`" not in text) == []


def test_decisions_are_numbered_without_a_gap() -> None:
    """A decision is cited by its number, and its title says the same."""
    files = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [file.name[:4] for file in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]
    assert [file.name for file in files if not file.read_text().startswith(f"# {file.name[:4]}: ")] == []
