"""`partlens index reindex`."""

from pathlib import Path

import click

from partlens.common.bucket_address import Place
from partlens.common.compute import Compute
from partlens.common.results import json_option, say_json
from partlens.common.terminal import say
from partlens.common.text import visible
from partlens.explainer.model import MetricModel
from partlens.indexer.arguments import MODEL, GalleryPlace, clear_errors, compute_options
from partlens.indexer.cli import (
    BATCH,
    progress_facts,
    reporting,
    say_progress,
    told_when_stopped,
    warn,
)
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.creation import exists
from partlens.indexer.originals import Originals
from partlens.indexer.reindexing import only_in
from partlens.indexer.reindexing import reindex as reindex_images
from partlens.runtime.config.cli import clear_errors as clear_program_errors
from partlens.runtime.config.cli import load_or_fail
from partlens.runtime.config.options import config_options
from partlens.runtime.config.settings import Settings
from partlens.server.reindexing.carrying import Carrying
from partlens.server.standing.standing import beside, folder_of

_SHOWN = 10
"""Most ids to show of images that only the new gallery has."""


@click.command()
@click.argument("old", type=GalleryPlace())
@click.argument("new", type=GalleryPlace())
@MODEL
@click.option(
    "--originals",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder that originals may be read from; repeatable. Default: server.originals.",
)
@click.option(
    "--delete-others", is_flag=True, help="Delete the images of NEW that OLD does not have."
)
@BATCH
@compute_options
@json_option
@config_options
def reindex(
    old: Place,
    new: Place,
    model: Path,
    originals: tuple[Path, ...],
    delete_others: bool,
    batch_size: int,
    compute: Compute,
    file: Path | None,
    texts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fill the gallery NEW of another model with the images of OLD, which a server may be serving.

    NEW is created if it is missing. Originals are read from where the images' uris say, and only
    if they are the bytes that OLD has indexed; others are listed. Metadata, attributes and standing
    queries are carried over. Run it again to resume, and to follow changes of OLD.
    """
    settings = load_or_fail(file, texts).settings
    folders = originals or settings.server.originals
    if not folders:
        raise click.UsageError(
            "give --originals FOLDER, or set server.originals: originals are read from nowhere else"
        )
    with clear_errors(), clear_program_errors(), told_when_stopped():
        loaded = MetricModel.load(model, compute)
        with Gallery.open(old) as source:
            if source.spec.digest == loaded.spec.digest:
                raise click.UsageError(
                    f"{old} has this model already; `partlens index copy` needs no originals"
                )
            if not exists(new):
                Gallery.create(new, loaded.spec, source.bound.storage).close()
            with Gallery.open(new, loaded.spec) as gallery:
                with reporting(len(source.view)) as report:
                    progress = reindex_images(
                        source, gallery, loaded, Originals(folders), batch_size, report
                    )
                warn(progress)
                _others(source, gallery, delete=delete_others)
                if not as_json:
                    say_progress(progress, as_json=False)
                carried = _carry(source, gallery, loaded, settings, aside=as_json)
                if as_json:
                    say_json({**progress_facts(progress), **carried})
                if progress.bad and not len(gallery.view):
                    raise click.ClickException(
                        f"no original could be read, so {new} is empty; see --originals"
                    )


def _others(source: Gallery, gallery: Gallery, *, delete: bool) -> None:
    others = only_in(gallery, source)
    if delete and others:
        say(f"{gallery.delete(others)} images deleted that {source.home} does not have", err=True)
    elif others:
        shown = ", ".join(map(visible, others[:_SHOWN]))
        more = f" and {len(others) - _SHOWN} more" if others[_SHOWN:] else ""
        say(
            f"warning: {source.home} does not have {len(others)} images of {gallery.home}, such as"
            f" images deleted since: {shown}{more}; --delete-others deletes them",
            err=True,
        )


def _carry(
    source: Gallery, gallery: Gallery, model: MetricModel, settings: Settings, *, aside: bool
) -> dict[str, object]:
    folder, limits = folder_of(source.path, settings), settings.limits
    carrying = Carrying((folder, source.spec), beside(gallery.path), gallery, model, limits)
    carried = carrying.run()
    for one in carried.left:
        say(
            f"not carried over: standing query {one.id} ({visible(one.name)}): "
            f"{visible(one.reason)}",
            err=True,
        )
    if carried.made or carried.left:
        say(
            f"{carried.made} of {carried.made + len(carried.left)} standing queries carried over;"
            " check their thresholds, since another model gives other scores",
            err=aside,
        )
    left = [{"id": one.id, "name": one.name, "reason": one.reason} for one in carried.left]
    return {"standing_queries": carried.made, "standing_queries_left": left}
