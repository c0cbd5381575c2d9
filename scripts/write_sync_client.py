"""Generates the blocking client from the asyncio one, so that there is one client to maintain.

With --check it only compares, and fails if a module is out of date.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "client/partlens/client"
# Source and generated module.
PAIRS = (("async_client.py", "sync_client.py"), ("async_sending.py", "sync_sending.py"))
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
    ("async_sending", "sync_sending"),
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


def blocking(source: str, name: str) -> str:
    """The blocking form of an asyncio module.

    Args:
        source: text of the asyncio module.
        name: name of its file, for the note at the top.

    Raises:
        ValueError: an asyncio word has no counterpart in WORDS.
    """
    said = dict(WORDS)
    text = _ANY.sub(lambda found: said[found[0]], source)
    if left := _LEFT.search(text):
        raise ValueError(f"{name}: no blocking form is known for {left[0]!r}; add it to WORDS")
    note = f"# Written by scripts/write_sync_client.py from {name}; change that file instead.\n"
    return _formatted(note + text)


def _formatted(text: str) -> str:
    """Sort imports, replace comprehensions that only copy by list(), and reformat."""
    ruff, at = [sys.executable, "-m", "ruff"], ["--stdin-filename", str(CLIENT / "made.py"), "-"]
    fix = ["check", "--quiet", "--fix", "--unsafe-fixes", "--select", "I,C416"]
    for command in (fix, ["format", "--quiet"]):
        done = subprocess.run(
            [*ruff, *command, *at], input=text, stdout=subprocess.PIPE, text=True, check=True
        )
        text = done.stdout
    return text


def main() -> int:
    """Write or compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="only compare, and fail if a module is out of date"
    )
    check, wrong = parser.parse_args().check, 0
    for source, target in PAIRS:
        text, path = blocking((CLIENT / source).read_text("utf-8"), source), CLIENT / target
        if not check:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            print(f"{path} differs from {source}: run scripts/generate", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
