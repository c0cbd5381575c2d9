"""Generates pages and files under docs/ from the code.

cli.md has every command with its --help text, configuration.md every setting, reference.md every
public name of the Python libraries, and ingest-event.schema.json the format of the events that
detectors send.

With --check it only compares, and fails if a page is out of date.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from reference import reference_page

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
        "The `--help` text of `partlens` and its commands. A command whose packages are missing"
        "\nreports what to install.",
    ]
    for path, text in commands(partlens, click.Context(partlens, info_name="partlens")):
        parts.append(f"{'#' * min(2 + path.count(' '), 4)} {path}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """(command path, help text) of a command and all its subcommands, in alphabetical order."""
    context.terminal_width = context.max_content_width = _WIDTH
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            # A stand-in for a part that is not installed has no help text.
            if below is not None and below.add_help_option:
                yield from commands(below, click.Context(below, info_name=name, parent=context))


def main() -> int:
    """Write or compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="only compare, and fail if a page is out of date"
    )
    check = parser.parse_args().check
    pages = {
        DOCS / "cli.md": cli_page(),
        DOCS / "configuration.md": markdown() + "\n",
        DOCS / "reference.md": reference_page(_NOTE),
        DOCS / "ingest-event.schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }
    stale = [
        page
        for page, text in pages.items()
        if not page.exists() or page.read_text(encoding="utf-8") != text
    ]
    for page in stale:
        if check:
            message = f"{page.name} is out of date: run scripts/write_docs.py"
            print(message, file=sys.stderr)
        else:
            page.write_text(pages[page], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
