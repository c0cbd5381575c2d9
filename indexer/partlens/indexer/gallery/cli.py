"""`partlens index verify`: a gallery's upkeep."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from partlens.indexer.arguments import GALLERY, clear_errors
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.verification import repair, verify


@click.command("verify")
@GALLERY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--repair", "mend", is_flag=True, help="Make damaged segments again from the truth.")
def verify_command(gallery: Path, as_json: bool, mend: bool) -> None:
    """Look at every file and row of a gallery; a line for each damage, and exit status 1."""
    with clear_errors():
        outcome = repair(gallery) if mend else verify(gallery)
    if as_json:
        click.echo(json.dumps(asdict(outcome)))
    else:
        for finding in outcome.findings:
            click.echo(str(finding))
        click.echo(
            f"{outcome.images} images, {outcome.segments} segments, {outcome.unchecked} files"
            f" without a checksum, {len(outcome.findings)} damaged"
        )
    sys.exit(1 if outcome.findings else 0)


@click.command("compact")
@GALLERY
def compact_command(gallery: Path) -> None:
    """Put small files together and leave out what was deleted; adding does it by and by."""
    with clear_errors(), Gallery.open(gallery) as opened:
        opened.compact()


COMMANDS = (verify_command, compact_command)
