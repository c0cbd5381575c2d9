"""`partlens index`: create, fill and inspect galleries."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from partlens.common.bucket_address import Place
from partlens.common.compute import Compute
from partlens.common.leaving import leave
from partlens.common.local_path import LocalPath
from partlens.common.results import json_lines_option, json_option, say_json, say_result
from partlens.common.storage import Storage
from partlens.common.tables import progress_bar
from partlens.common.terminal import say
from partlens.common.text import visible
from partlens.explainer.model import MetricModel, read_spec, unregistered_digest
from partlens.indexer.arguments import (
    GALLERY,
    MODEL,
    STORAGE,
    GalleryPlace,
    clear_errors,
    compute_options,
)
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery import cli as upkeep
from partlens.indexer.indexing import Progress, index_groups, index_images
from partlens.indexer.reduction import copy_images, fit_smaller
from partlens.indexer.sources import Listing, read_source
from partlens.indexer.video import LiveStream
from partlens.indexer.video.arguments import VideoOptions, stopped_by_signals, video_options
from partlens.indexer.workers import interruptible

_WARNINGS = 10
"""Maximum number of warnings about images that replaced one from another place."""


BATCH = click.option(
    "--batch", "batch_size", default=32, show_default=True, type=click.IntRange(1, 1024),
    help="Images per model pass.",
)  # fmt: skip


@click.group()
def index() -> None:
    """Create and fill galleries."""


@index.command()
@GALLERY
@MODEL
@STORAGE
@json_option
def create(gallery: Place, model: Path, storage: Storage, as_json: bool) -> None:
    """Create an empty gallery for a model."""
    with clear_errors():
        Gallery.create(gallery, read_spec(model), storage).close()
    say_result({"gallery": str(gallery)}, f"created {gallery}", as_json=as_json)


@index.command()
@GALLERY
@click.argument("source")
@MODEL
@click.option("--strict", is_flag=True, help="Stop at the first unusable image.")
@BATCH
@compute_options
@video_options
@json_option
def add(
    gallery: Place,
    source: str,
    model: Path,
    strict: bool,
    batch_size: int,
    video: VideoOptions,
    compute: Compute,
    as_json: bool,
) -> None:
    """Add the images of a folder, a manifest, a bucket (s3://), a video or a stream (rtsp://).

    Run it again to resume, or to update images and metadata that have changed. A stream is read
    until Ctrl-C or SIGTERM; the frames read so far are added.
    """
    if not source:  # which would be the working folder, where a script's variable is not set
        raise click.UsageError("SOURCE is empty; give a folder, a manifest, a video or a stream")
    with clear_errors(), told_when_stopped():
        of_video = video.read(source, batch_size)
        # A folder on an unresponsive disk would block Ctrl-C.
        images = interruptible(lambda: read_source(source)) if of_video is None else of_video
        loaded = MetricModel.load(model, compute)
        with Gallery.open(gallery, loaded.spec) as opened:
            if isinstance(images, LiveStream):
                with stopped_by_signals(images.stop), reporting(0) as report:
                    progress = index_groups(opened, loaded, images, strict=strict, report=report)
            else:
                with reporting(len(images)) as report:
                    progress = index_images(
                        opened, loaded, images, strict=strict, batch_size=batch_size, report=report
                    )
    warn(progress)
    if isinstance(images, Listing) and images.not_looked_at:
        say(f"ignored: {images.not_looked_at}", err=True)
    if isinstance(images, LiveStream) and images.left_out:
        say(f"dropped {images.left_out} frames: the model was busy", err=True)
    say_progress(progress, as_json=as_json)


@index.command()
@GALLERY
@click.argument("smaller_model", type=LocalPath())
@MODEL
@click.option(
    "--dimensions", type=click.IntRange(1), help="Dimensions to keep in a projection (PCA)."
)
@click.option(
    "--grid",
    nargs=2,
    type=click.IntRange(1),
    help="Rows and columns to keep; neighbouring cells are summed.",
)
@click.option(
    "--whiten",
    "whitening",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="How far to even out the lengths of the dimensions: 0 keeps them, 1 makes them equal.",
)
@click.option(
    "--remove-position",
    "removed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Dimensions that say where a cell is, to remove first; for transformers.",
)
@json_option
def reduce(
    gallery: Place,
    smaller_model: Path,
    model: Path,
    dimensions: int | None,
    grid: tuple[int, int] | None,
    whitening: float,
    removed: int,
    as_json: bool,
) -> None:
    """Create the model folder SMALLER_MODEL with fewer dimensions or positions, fitted to GALLERY.

    A gallery made with it (`index create`, then `index add` or `index copy`) takes less space, and
    every score and map is exact for that model. The loss is printed; measure its effect with
    `evaluate parts`. --whiten and --remove-position change which images are similar: measure them
    first.
    """
    if dimensions is None and grid is None and not whitening and not removed:
        raise click.UsageError("give --dimensions, --grid, --whiten or --remove-position")
    with clear_errors():
        loaded = MetricModel.load(model)
        with Gallery.open(gallery, loaded.spec) as opened:
            made = fit_smaller(
                opened,
                loaded,
                smaller_model,
                grid,
                dimensions,
                whitening=whitening,
                removed=removed,
            )
    spec = made.spec
    lost = spec.reduction.lost if spec.reduction else 0.0
    text = (
        f"{smaller_model}: {spec.positions} positions of {spec.dimensions} dimensions, reduced from"
        f" {loaded.spec.positions} of {loaded.spec.dimensions}; the projection loses {lost:.2%} of"
        " the contributions' squared length"
    )
    say_result(spec.to_json(), text, as_json=as_json)


@index.command()
@GALLERY
@click.argument("to", type=GalleryPlace())
@MODEL
@json_option
def copy(gallery: Place, to: Place, model: Path, as_json: bool) -> None:
    """Copy the images of GALLERY to the gallery TO; the originals are not needed.

    Run it again to resume. Give the model of TO: the same as that of GALLERY, a registered copy of
    it (`model register`), or a smaller one made from it (`index reduce`).
    """
    with clear_errors():
        loaded = MetricModel.load(model)
        with (
            Gallery.open(gallery) as source,
            Gallery.open(to, loaded.spec) as opened,
            reporting(len(source.view)) as report,
        ):
            alike = unregistered_digest(model)
            progress = copy_images(source, opened, loaded, report, alike)
    warn(progress)
    say_progress(progress, as_json=as_json, speed=False)


@index.command()
@GALLERY
@click.argument("ids", nargs=-1, required=True)
@json_option
def delete(gallery: Place, ids: tuple[str, ...], as_json: bool) -> None:
    """Delete images by id; name the ids that no image has."""
    with clear_errors(), Gallery.open(gallery) as opened:
        known = opened.view.live.find(ids)
        deleted = opened.delete(ids)
    unknown = [id for id in dict.fromkeys(ids) if id not in known]
    for id in unknown:
        say(f"no image has the id {id}; see `partlens index list`", err=True)
    facts = {"deleted": deleted, "unknown_ids": unknown}
    say_result(facts, f"{deleted} of {len(ids)} deleted", as_json=as_json)


@index.command("list")
@GALLERY
@json_lines_option
def list_command(gallery: Place, as_json: bool) -> None:
    """List the ids of a gallery's images, one a line."""
    with clear_errors(), Gallery.open(gallery) as opened:
        ids = sorted(opened.view.digests())
    for id in ids:
        say_result({"id": id}, id, as_json=as_json)


@index.command()
@GALLERY
@json_option
def status(gallery: Place, as_json: bool) -> None:
    """Show what a gallery contains and which model it uses."""
    with clear_errors(), Gallery.open(gallery) as opened:
        spec = opened.spec
        facts: dict[str, object] = {
            "images": len(opened.view),
            "version": opened.view.number,
            "model": spec.name,
            "model_digest": spec.digest,
            "grid": list(spec.grid),
            "dimensions": spec.dimensions,
            "storage": opened.bound.storage,
            "bytes_per_image": opened.bound.row_bytes,
        }
        if spec.reduction is not None:
            facts["lost_share"] = spec.reduction.lost
            facts["reduced_from"] = spec.reduction.of
            facts["whitening"] = spec.reduction.whitening
            facts["positional_removed"] = spec.reduction.removed
    if as_json:
        say_json(facts)
    else:
        say("\n".join(f"{name}: {visible(str(value))}" for name, value in facts.items()))


for _command in upkeep.COMMANDS:
    index.add_command(_command)


def say_progress(progress: Progress, *, as_json: bool, speed: bool = True) -> None:
    """Print how many images were added, replaced and so on."""
    facts = progress_facts(progress)
    text = (
        f"{progress.added} added, {progress.replaced} replaced, {progress.updated} updated,"
        f" {progress.unchanged} unchanged, {len(progress.bad)} skipped"
    )
    if speed:
        facts["images_per_second"] = round(progress.images_per_second, 2)
        text += f", {progress.images_per_second:.1f} images/s"
    say_result(facts, text, as_json=as_json)


def progress_facts(progress: Progress) -> dict[str, object]:
    """How many images were added and so on, and those that were skipped, for --json."""
    return {
        "added": progress.added,
        "replaced": progress.replaced,
        "updated": progress.updated,
        "unchanged": progress.unchanged,
        "skipped": [{"id": bad.id, "reason": bad.reason} for bad in progress.bad],
    }


def warn(progress: Progress) -> None:
    """List images that were skipped and images that came from another place before."""
    for bad in progress.bad:
        say(f"skipped {visible(bad.id)}: {visible(bad.reason)}", err=True)
    for one in progress.displaced[:_WARNINGS]:
        say(f"warning: {one.now} replaced {one.before}: both have the id {one.id!r}", err=True)
    if (more := len(progress.displaced) - _WARNINGS) > 0:
        say(f"warning: {more} more images replaced one from another place", err=True)
    if progress.moved:
        one, count = progress.moved[0], len(progress.moved)
        what = "1 image comes" if count == 1 else f"{count} images come"
        say(
            f"warning: {what} from another place than before, such as {one.id!r}: {one.now}, not"
            f" {one.before}",
            err=True,
        )


@contextmanager
def told_when_stopped() -> Iterator[None]:
    """On Ctrl-C, end the command and say how to resume."""
    try:
        yield
    except KeyboardInterrupt:
        say("stopped; run the command again to resume", err=True)
        leave(128 + signal.SIGINT)  # the gallery is closed, but a thread may still read or decode


@contextmanager
def reporting(total: int) -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar on a terminal; print a JSON line per batch elsewhere."""
    if not sys.stderr.isatty():
        yield _print_line
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.1f} images/s"),
        TimeRemainingColumn(),
    )
    with progress_bar(*columns) as bar:
        task = bar.add_task("", total=total or None, speed=0.0)
        yield lambda p: bar.update(task, completed=p.done, speed=p.images_per_second)


def _print_line(progress: Progress) -> None:
    facts = {
        "done": progress.done,
        "total": progress.total,
        "added": progress.added,
        "replaced": progress.replaced,
        "updated": progress.updated,
        "unchanged": progress.unchanged,
        "bad": len(progress.bad),
        "images_per_second": round(progress.images_per_second, 2),
        "seconds_left": None if (left := progress.seconds_left) is None else round(left),
    }
    say_json(facts, err=True)
