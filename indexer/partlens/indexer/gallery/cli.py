"""Maintenance commands: `partlens index plan`, `verify` and `compact`."""

import re
import sys
from dataclasses import asdict
from typing import Any

import click

from partlens.common.bucket_address import Place
from partlens.common.results import json_option, say_json
from partlens.common.storage import Storage
from partlens.common.terminal import say
from partlens.indexer.arguments import GALLERY, STORAGE, clear_errors
from partlens.indexer.gallery.estimates import plan
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.plan import AUTO, IndexChoice
from partlens.indexer.gallery.verification import repair, verify

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


class Bytes(click.ParamType[int]):
    """A size such as 8GiB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the size."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]iB|B)?", str(value))
        if match is None:
            self.fail(f"{value!r} is not a size, such as 512MiB or 8GiB", param, ctx)
        return int(float(match[1]) * _UNITS[match[2] or "B"])


_INDEX = click.option(
    "--index", "factory", help="auto, or a FAISS factory string such as IVF4096,SQ8."
)
MEMORY = click.option(
    "--memory", type=Bytes(), help="Memory limit of the indexes with --index auto, such as 8GiB."
)


@click.command("verify")
@GALLERY
@json_option
@click.option("--repair", "mend", is_flag=True, help="Rebuild damaged segments from the truth.")
def verify_command(gallery: Place, as_json: bool, mend: bool) -> None:
    """Check every file and row of a gallery. Damage is listed; the exit status is then 1."""
    with clear_errors():
        outcome = repair(gallery) if mend else verify(gallery)
    if as_json:
        say_json(asdict(outcome))
    else:
        for finding in outcome.findings:
            say(str(finding))
        if mend and not all(one.repairable for one in outcome.findings):
            say("nothing was repaired: the truth is damaged too")
        say(str(outcome))
    sys.exit(1 if outcome.findings else 0)


@click.command("plan")
@click.option("--images", required=True, type=click.IntRange(1))
@click.option("--positions", default=32, show_default=True, type=click.IntRange(1))
@click.option("--dimensions", default=128, show_default=True, type=click.IntRange(1))
@STORAGE
@_INDEX
@MEMORY
@json_option
def plan_command(
    images: int,
    positions: int,
    dimensions: int,
    storage: Storage,
    factory: str | None,
    memory: int | None,
    as_json: bool,
) -> None:
    """Show how a gallery of this size would be indexed, and the memory, disk and time it needs.

    Take positions and dimensions from the model (`partlens model show`).
    """
    made = plan(images, positions, dimensions, IndexChoice(factory or AUTO, memory), storage)
    if as_json:
        say_json(asdict(made))
        return
    recall = "not measured" if made.recall_at_10 is None else f"{made.recall_at_10:.3f}"
    say(
        f"positions: {made.positions_factory}\nimages: {made.images_factory}\n"
        f"memory of the indexes: {made.memory_bytes / 2**30:.2f} GiB,"
        f" {made.index_bytes} bytes per image\n"
        f"disk: {made.disk_bytes / 2**30:.2f} GiB, plus the size of the segments during"
        f" compaction\nrecall@10 against exact search: {recall}\n"
        f"estimate for one thread: {made.search_ms:.1f} ms per in-process search,"
        f" {_duration(made.build_seconds)} to build the indexes"
    )
    if not made.fits:
        raise click.ClickException(
            f"that is more than {(memory or 0) / 2**30:.2f} GiB: allow more memory, or use a"
            " model with fewer positions or dimensions"
        )


@click.command("compact")
@GALLERY
@_INDEX
@MEMORY
def compact_command(gallery: Place, factory: str | None, memory: int | None) -> None:
    """Merge small files and drop deleted rows now; adding images does so gradually.

    --index and --memory set how large segments are indexed from now on.
    """
    asked = factory is not None or memory is not None
    choice = IndexChoice(factory or AUTO, memory) if asked else None
    with clear_errors(), Gallery.open(gallery) as opened:
        opened.compact(choice)


COMMANDS = (plan_command, verify_command, compact_command)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
