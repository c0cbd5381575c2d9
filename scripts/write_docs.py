"""Writes the pages and files under docs/ that are made from the code.

cli.md has every command with its --help text, configuration.md every setting, and
ingest-event.schema.json the form of what detectors send.

With --check it compares instead, and fails where a page is not what the code says.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from partlens.cli.main import main as partlens
from partlens.ingest.event import json_schema
from partlens.runtime.config.table import markdown

DOCS = Path(__file__).parents[1] / "docs"
_WIDTH = 88
_NOTE = "<!-- Written by scripts/write_docs.py; change the code instead. -->"


def cli_page() -> str:
    """Every command with its --help text."""
    parts = [
        "# Commands",
        _NOTE,
        "`partlens` and what its commands say with `--help`. Those of a part that is not installed"
        "\nsay what to install.",
    ]
    for path, text in commands(partlens, click.Context(partlens, info_name="partlens")):
        parts.append(f"{'#' * min(2 + path.count(' '), 4)} {path}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """(command path, help text) of a command and all below it, in alphabetical order."""
    context.terminal_width = context.max_content_width = _WIDTH
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            # A stand-in for a part that is not installed has no help of its own.
            if below is not None and below.add_help_option:
                yield from commands(below, click.Context(below, info_name=name, parent=context))


def main() -> int:
    """Write or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and fail if it differs")
    check = parser.parse_args().check
    pages = {
        DOCS / "cli.md": cli_page(),
        DOCS / "configuration.md": markdown() + "\n",
        DOCS / "ingest-event.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }
    stale = [
        page
        for page, text in pages.items()
        if not page.exists() or page.read_text(encoding="utf-8") != text
    ]
    for page in stale:
        if check:
            message = f"{page.name} is not what the code says: run scripts/write_docs.py"
            print(message, file=sys.stderr)
        else:
            page.write_text(pages[page], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
