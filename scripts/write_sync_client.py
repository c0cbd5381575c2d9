"""Generates the blocking client from the asyncio one, so that there is one client to maintain.

With --check it only compares, and fails if a module is out of date.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "client/partlens/client"
SOURCES, TARGETS = CLIENT / "asynchronous", CLIENT / "blocking"
# Text in the asyncio client, and its replacement in the blocking one. The first match applies.
WORDS = (
    ("The client for asyncio. The blocking one is generated from it.", "The blocking client."),
    ("typed methods, for asyncio", "typed methods"),
    ("import asyncio\n", ""),
    ("asyncio.sleep", "time.sleep"),
    ("Iterable[Upload] | AsyncIterable[Upload]", "Iterable[Upload]"),
    ("from partlens.client.async_status import with_servers_status\n", ""),
    ("with_servers_status(answers)", "answers"),
    ("open_aio_channel", "open_channel"),
    ("several_async", "several"),
    ("answered_async", "answered"),
    ("partlens.client.asynchronous", "partlens.client.blocking"),
    ("__aenter__", "__enter__"),
    ("__aexit__", "__exit__"),
    ("AsyncClient", "Client"),
    ("AsyncIterable", "Iterable"),
    ("AsyncIterator", "Iterator"),
    ("async ", ""),
    ("await ", ""),
)
_ANY = re.compile("|".join(rf"(?<!\w){re.escape(words)}" for words, _ in WORDS))
_LEFT = re.compile(r"\w*(?:[Aa]sync|await|_aio|\baio)\w*")


def blocking(text: str, source: Path) -> str:
    """The blocking form of an asyncio module, not formatted.

    Args:
        text: the asyncio module.
        source: its file, for the note at the top.

    Raises:
        ValueError: an asyncio word has no counterpart in WORDS.
    """
    said, name = dict(WORDS), source.relative_to(CLIENT)
    text = _ANY.sub(lambda found: said[found[0]], text)
    if left := _LEFT.search(text):
        raise ValueError(f"{name}: no blocking form is known for {left[0]!r}; add it to WORDS")
    return (
        f"# Written by scripts/write_sync_client.py from {name}; change that file instead.\n{text}"
    )


def formatted(texts: Mapping[Path, str]) -> dict[Path, str]:
    """Modules with sorted imports, list() in place of comprehensions that only copy, and formatted.

    Args:
        texts: by file below CLIENT.
    """
    ruff, settings = [sys.executable, "-m", "ruff"], ["--config", str(ROOT / "pyproject.toml")]
    fix = ["check", "--quiet", "--fix", "--unsafe-fixes", "--select", "I,C416"]
    with TemporaryDirectory() as folder:
        copies = {path: Path(folder) / path.relative_to(CLIENT) for path in texts}
        for path, copy in copies.items():
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(texts[path], "utf-8")
        for command in (fix, ["format", "--quiet"]):
            subprocess.run([*ruff, *command, "--no-cache", *settings, folder], check=True)
        return {path: copy.read_text("utf-8") for path, copy in copies.items()}


def pairs() -> dict[Path, Path]:
    """Each asyncio module, with the blocking one that is generated from it."""
    parts = {source: TARGETS / source.name for source in sorted(SOURCES.glob("*.py"))}
    return {CLIENT / "async_client.py": CLIENT / "sync_client.py", **parts}


def main() -> int:
    """Write or compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="only compare, and fail if a module is out of date"
    )
    check, wrong = parser.parse_args().check, 0
    written = formatted(
        {to: blocking(source.read_text("utf-8"), source) for source, to in pairs().items()}
    )
    if not check:
        TARGETS.mkdir(exist_ok=True)
    for path in sorted({*TARGETS.glob("*.py")} - written.keys()):
        if check:
            print(f"{path} has no asyncio module: run scripts/generate", file=sys.stderr)
            wrong = 1
        else:
            path.unlink()
    for path, text in written.items():
        if not check:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            print(f"{path} is out of date: run scripts/generate", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
