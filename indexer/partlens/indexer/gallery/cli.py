"""Maintenance commands: `partlens index plan`, `verify`, `compact`, `erase` and `retain`."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from partlens.common.moments import duration
from partlens.common.results import json_lines_option, json_option, say_result
from partlens.common.storage import Storage
from partlens.common.terminal import say
from partlens.indexer.arguments import GALLERY, STORAGE, clear_errors
from partlens.indexer.gallery.erasure import (
    Receipt,
    erase,
    require_receipt_place,
    write_receipt,
)
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.plan import AUTO, IndexChoice, plan
from partlens.indexer.gallery.retention import expired
from partlens.indexer.gallery.snapshot import erase_from
from partlens.indexer.gallery.snapshot_files import Facts
from partlens.indexer.gallery.verification import repair, verify

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_FILE = click.Path(dir_okay=False, path_type=Path)
_RECEIPT_TO = click.option(
    "--receipt", required=True, type=_FILE, help="Where to write the receipt (JSON)."
)


class _Bytes(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]iB|B)?", str(value))
        if match is None:
            self.fail(f"{value!r} is not a size, such as 512MiB or 8GiB", param, ctx)
        return int(float(match[1]) * _UNITS[match[2] or "B"])


_INDEX = click.option(
    "--index", "factory", help="auto, or a FAISS factory string such as IVF4096,SQ8."
)
_MEMORY = click.option(
    "--memory", type=_Bytes(), help="Memory limit of the indexes with --index auto, such as 8GiB."
)


class _Age(click.ParamType[timedelta]):
    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            return duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("verify")
@GALLERY
@json_option
@click.option("--repair", "mend", is_flag=True, help="Rebuild damaged segments from the truth.")
def verify_command(gallery: Path, as_json: bool, mend: bool) -> None:
    """Check every file and row of a gallery. Damage is listed; the exit status is then 1."""
    with clear_errors():
        outcome = repair(gallery) if mend else verify(gallery)
    if as_json:
        say(json.dumps(asdict(outcome)))
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
@_MEMORY
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
        say(json.dumps(asdict(made)))
        return
    recall = "not measured" if made.recall_at_10 is None else f"{made.recall_at_10:.3f}"
    say(
        f"positions: {made.positions_factory}\nimages: {made.images_factory}\n"
        f"memory of the indexes: {made.memory_bytes / 2**30:.2f} GiB,"
        f" {made.index_bytes} bytes per image\n"
        f"disk: {made.disk_bytes / 2**30:.2f} GiB, plus the size of the segments during"
        f" compaction\nrecall@10 against exact search: {recall}\n"
        f"estimate for two cores: {made.search_ms:.0f} ms per in-process search,"
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
@_MEMORY
def compact_command(gallery: Path, factory: str | None, memory: int | None) -> None:
    """Merge small files and drop deleted rows now; adding images does so gradually.

    --index and --memory set how large segments are indexed from now on.
    """
    asked = factory is not None or memory is not None
    choice = IndexChoice(factory or AUTO, memory) if asked else None
    with clear_errors(), Gallery.open(gallery) as opened:
        opened.compact(choice)


@click.command("erase")
@GALLERY
@click.option("--id", "ids", multiple=True, required=True, help="Image to erase; repeatable.")
@_RECEIPT_TO
@click.option(
    "--snapshot", "snapshots", multiple=True, type=click.Path(path_type=Path),
    help="Also erase them from this snapshot, with a receipt of its own; repeatable.",
)  # fmt: skip
@json_lines_option
def erase_command(
    gallery: Path, ids: tuple[str, ...], receipt: Path, snapshots: tuple[Path, ...], as_json: bool
) -> None:
    """Erase images from every file, verify that they are gone, and write a receipt.

    The receipt of the first snapshot is RECEIPT.1, that of the second RECEIPT.2, and so on.
    """
    with clear_errors():
        receipts = [receipt.with_name(f"{receipt.name}.{n + 1}") for n in range(len(snapshots))]
        for snapshot, place in zip(snapshots, receipts, strict=True):
            Facts.read(snapshot)
            require_receipt_place(place, snapshot)
        outcomes = [_erase(gallery, receipt, lambda: erase(gallery, ids), as_json=as_json)]
        for snapshot, place in zip(snapshots, receipts, strict=True):
            work = partial(erase_from, snapshot, ids)
            outcomes.append(_erase(snapshot, place, work, as_json=as_json))
        _require_gone(*outcomes)


@click.command("retain")
@GALLERY
@click.option(
    "--keep", required=True, type=_Age(), help="Retention period, such as 12h, 30d or 8w."
)
@click.option("--camera", "cameras", multiple=True, help="Only images of this camera; repeatable.")
@click.option("--receipt", type=_FILE, help="Erase the images and write the receipt here (JSON).")
@json_option
def retain_command(
    gallery: Path, keep: timedelta, cameras: tuple[str, ...], receipt: Path | None, as_json: bool
) -> None:
    """List images older than the retention period; with --receipt, erase them."""
    with clear_errors():
        with Gallery.open(gallery) as opened:
            old = expired(opened, keep, cameras)
        if receipt is None and as_json:
            facts = {"old": list(old.ids), "kept": old.kept, "undated": old.undated}
            say(json.dumps(facts))
            return
        say(
            f"{len(old.ids)} images are older, {old.kept} are not; {old.undated} have no capture"
            " time and are kept",
            err=as_json,
        )
        if receipt is None:
            for id in old.ids:
                say(id)
            say("nothing was erased; --receipt FILE erases them")
        elif old.ids:
            outcome = _erase(gallery, receipt, lambda: erase(gallery, old.ids), as_json=as_json)
            _require_gone(outcome)
        elif as_json:
            say(json.dumps({"erased": []}))


def _erase(
    place: Path, receipt: Path, work: Callable[[], Receipt], *, as_json: bool
) -> tuple[Receipt, Path]:
    require_receipt_place(receipt, place)
    outcome = work()
    write_receipt(outcome, receipt)
    text = (
        f"{len(outcome.erased)} images erased from {place}, {len(outcome.not_there)} not found,"
        f" {outcome.images_left} left; {len(outcome.files_removed)} files removed,"
        f" {len(outcome.files_written)} written; receipt in {receipt}"
    )
    say_result({**asdict(outcome), "receipt": str(receipt)}, text, as_json=as_json)
    return outcome, receipt


def _require_gone(*outcomes: tuple[Receipt, Path]) -> None:
    left = [str(receipt) for outcome, receipt in outcomes if not outcome.gone]
    if left:
        raise click.ClickException(
            f"some traces remain; the receipt {', '.join(left)} lists them; repeat when no other"
            " process is using the gallery"
        )


COMMANDS = (plan_command, verify_command, compact_command, erase_command, retain_command)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
