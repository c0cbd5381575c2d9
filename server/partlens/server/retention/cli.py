"""`partlens index erase` and `partlens index retain`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from partlens.common.bucket_address import Place
from partlens.common.local_path import LocalPath
from partlens.common.moments import duration
from partlens.common.results import json_lines_option, json_option, say_json, say_result
from partlens.common.terminal import say
from partlens.indexer.arguments import GALLERY, clear_errors
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.erasure import (
    Receipt,
    end_erasures,
    require_receipt_place,
    write_receipt,
)
from partlens.indexer.gallery.home.locate import folder_of
from partlens.indexer.gallery.retention import expired
from partlens.indexer.gallery.snapshot_files import Facts
from partlens.indexer.gallery.unfinished import unfinished
from partlens.runtime.config.cli import clear_errors as clear_program_errors
from partlens.runtime.config.cli import load_or_fail
from partlens.runtime.config.options import config_options
from partlens.runtime.config.settings import Settings
from partlens.server.retention.erasing import (
    described,
    erase_from_snapshot,
    erase_images,
    is_complete,
)
from partlens.server.standing.holding import Holder, folders

_FILE = LocalPath(dir_okay=False)
_RECEIPT_TO = click.option(
    "--receipt", required=True, type=_FILE, help="Where to write the receipt (JSON)."
)
_DELETE_STANDING = click.option(
    "--delete-standing",
    is_flag=True,
    help="Also delete the standing queries that are made from these images.",
)
Outcome = tuple[Receipt, list[Holder]]


class _Age(click.ParamType[timedelta]):
    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            return duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("erase")
@GALLERY
@click.option("--id", "ids", multiple=True, required=True, help="Image to erase; repeatable.")
@_RECEIPT_TO
@click.option(
    "--snapshot", "snapshots", multiple=True, type=LocalPath(),
    help="Also erase them from this snapshot, with a receipt of its own; repeatable.",
)  # fmt: skip
@_DELETE_STANDING
@json_lines_option
@config_options
def erase_command(
    gallery: Place,
    ids: tuple[str, ...],
    receipt: Path,
    snapshots: tuple[Path, ...],
    delete_standing: bool,
    file: Path | None,
    texts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Erase images from every file, verify that they are gone, and write a receipt.

    Standing queries that are made from the images are listed, or deleted. The settings say where
    they are, if not next to the gallery. The receipt of the first snapshot is RECEIPT.1, that of
    the second RECEIPT.2, and so on.
    """
    settings = load_or_fail(file, texts).settings
    with clear_errors(), clear_program_errors():
        receipts = [receipt.with_name(f"{receipt.name}.{n + 1}") for n in range(len(snapshots))]
        for snapshot, place in zip(snapshots, receipts, strict=True):
            Facts.read(snapshot)
            require_receipt_place(place, snapshot)
        work = partial(_erase_from_gallery, gallery, ids, settings, delete=delete_standing)
        outcomes = [_erase(gallery, receipt, work, partial(end_erasures, gallery), as_json=as_json)]
        for snapshot, place in zip(snapshots, receipts, strict=True):
            work = partial(erase_from_snapshot, snapshot, ids, delete=delete_standing)
            outcomes.append(_erase(snapshot, place, work, as_json=as_json))
        _require_gone(*outcomes)


@click.command("retain")
@GALLERY
@click.option(
    "--keep", required=True, type=_Age(), help="Retention period, such as 12h, 30d or 8w."
)
@click.option("--camera", "cameras", multiple=True, help="Only images of this camera; repeatable.")
@click.option("--receipt", type=_FILE, help="Erase the images and write the receipt here (JSON).")
@_DELETE_STANDING
@json_option
@config_options
def retain_command(
    gallery: Place,
    keep: timedelta,
    cameras: tuple[str, ...],
    receipt: Path | None,
    delete_standing: bool,
    file: Path | None,
    texts: tuple[str, ...],
    as_json: bool,
) -> None:
    """List images older than the retention period; with --receipt, erase them."""
    settings = load_or_fail(file, texts).settings
    with clear_errors(), clear_program_errors():
        with Gallery.open(gallery) as opened:
            old, begun = expired(opened, keep, cameras), sorted(unfinished(opened.home))
        if receipt is None and as_json:
            facts = {"old": list(old.ids), "kept": old.kept, "undated": old.undated}
            say_json({**facts, "unfinished": begun})
            return
        say(
            f"{len(old.ids)} images are older, {old.kept} are not; {old.undated} have no capture"
            " time and are kept",
            err=as_json,
        )
        if begun:
            say(
                f"an erasure of {len(begun)} images was interrupted, and is to be finished",
                err=True,
            )
        if receipt is None:
            for id in old.ids:
                say(id)
            say("nothing was erased; --receipt FILE erases them")
        elif old.ids or begun:
            work = partial(_erase_from_gallery, gallery, old.ids, settings, delete=delete_standing)
            finished = partial(end_erasures, gallery)
            _require_gone(_erase(gallery, receipt, work, finished, as_json=as_json))
        elif as_json:
            say_json({"erased": []})


def _erase_from_gallery(
    gallery: Place, ids: Sequence[str], settings: Settings, *, delete: bool
) -> Outcome:
    with Gallery.open(gallery) as opened:
        return erase_images(opened, ids, folders(folder_of(gallery), settings), delete=delete)


def _erase(
    place: Place,
    receipt: Path,
    work: Callable[[], Outcome],
    finished: Callable[[], None] = lambda: None,
    *,
    as_json: bool,
) -> tuple[Receipt, list[Holder], Path]:
    require_receipt_place(receipt, folder_of(place))
    outcome, left = work()
    write_receipt(outcome, receipt)
    if is_complete(outcome):
        finished()
    text = (
        f"{len(outcome.erased)} {'image' if len(outcome.erased) == 1 else 'images'} erased from"
        f" {place}, {len(outcome.not_there)} not found,"
        f" {outcome.images_left} left; {len(outcome.files_removed)} files removed,"
        f" {len(outcome.files_written)} written; receipt in {receipt}"
    )
    say_result({**asdict(outcome), "receipt": str(receipt)}, text, as_json=as_json)
    if outcome.standing_queries_deleted:
        say(f"{len(outcome.standing_queries_deleted)} standing queries deleted", err=as_json)
    for one in left:
        say(described(one), err=True)
    return outcome, left, receipt


def _require_gone(*outcomes: tuple[Receipt, list[Holder], Path]) -> None:
    problems = []
    if traces := [str(receipt) for outcome, _, receipt in outcomes if not outcome.gone]:
        problems.append(
            f"some traces remain; the receipt {', '.join(traces)} lists them; repeat when no other"
            " process is using the gallery"
        )
    if kept := [str(receipt) for outcome, _, receipt in outcomes if outcome.object_versions_kept]:
        problems.append(
            f"the bucket keeps older versions of its objects ({', '.join(kept)}), which still hold"
            " the images; delete these versions, and have the bucket keep none"
        )
    if ids := sorted({one.id for _, left, _ in outcomes for one in left}):
        problems.append(
            f"{len(ids)} standing queries still hold something of the images: {', '.join(ids)};"
            " repeat with --delete-standing, or delete each with `partlens standing delete` and"
            " repeat"
        )
    if problems:
        raise click.ClickException("\n".join(problems))
