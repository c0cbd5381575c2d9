"""`partlens index snapshot` and `partlens index restore`."""

from pathlib import Path

import click

from partlens.common.bucket_address import Place
from partlens.common.local_path import LocalPath
from partlens.common.results import json_option, say_result
from partlens.common.terminal import say
from partlens.indexer.arguments import GALLERY, clear_errors
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.home.locate import folder_of
from partlens.indexer.gallery.snapshot import Other, restore, take
from partlens.indexer.gallery.snapshot_files import Facts
from partlens.indexer.gallery.unfinished import unfinished
from partlens.runtime.config.cli import clear_errors as clear_program_errors
from partlens.runtime.config.cli import load_or_fail
from partlens.runtime.config.options import config_options
from partlens.runtime.config.settings import file_here
from partlens.server.audit.verification import verify
from partlens.server.backup.kept import galleries_left_out, kept_files

_LINK = click.option(
    "--link/--copy",
    default=True,
    help="Hard-link the gallery's files on the same file system (the default), or copy them.",
)


@click.command("snapshot")
@GALLERY
@click.argument("target", type=LocalPath())
@click.option(
    "--also", multiple=True, type=click.Path(path_type=Path, exists=True),
    help="Also keep this file or folder; repeatable.",
)  # fmt: skip
@_LINK
@json_option
@config_options
def snapshot_command(
    gallery: Place,
    target: Path,
    also: tuple[Path, ...],
    link: bool,
    file: Path | None,
    texts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write a snapshot of GALLERY, and of what its server keeps, to the new folder TARGET.

    A server may run meanwhile. With the server's settings (--config), the snapshot has the files
    that they name: tokens, certificates with their keys, the model. Without, it has the audit log
    and the standing queries next to the gallery.
    """
    settings = load_or_fail(file, texts).settings
    config = file or file_here()
    real = folder_of(gallery).resolve()

    def kept() -> list[Other]:
        return kept_files(real, settings, config, also)

    def verify_log(draft: Path) -> None:
        for log in [other.place for other in kept() if other.lines][-1:]:
            verify(draft / log)

    with clear_errors(), clear_program_errors():
        left_out = galleries_left_out(real, settings)
        facts = take(gallery, target, kept, link=link, check=verify_log)
    text = (
        f"{target}: {facts.images} images at version {facts.version}, and {len(facts.origins)}"
        " other files, each with its checksum"
    )
    say_result(_plain(target, facts), text, as_json=as_json)
    if begun := unfinished(FolderHome(target / facts.gallery)):
        say(
            f"warning: an erasure of {len(begun)} images is running or was interrupted, and the"
            " snapshot still holds them; let `partlens index erase` end, take another snapshot and"
            " delete this one",
            err=True,
        )
    if left_out:
        say(
            f"not in it: the server's other galleries ({', '.join(left_out)}); take a snapshot of"
            " each",
            err=True,
        )


@click.command("restore")
@click.argument("snapshot", type=LocalPath())
@click.argument("folder", type=LocalPath())
@_LINK
@json_option
def restore_command(snapshot: Path, folder: Path, link: bool, as_json: bool) -> None:
    """Write FOLDER with everything of a snapshot, each file compared with its checksum.

    FOLDER must not exist. It takes the place of the folder that held the gallery.
    """
    with clear_errors():
        facts = restore(snapshot, folder, link=link)
    text = (
        f"{folder / facts.gallery}: {facts.images} images at version {facts.version}, as of"
        f" {facts.taken_at}"
    )
    say_result(_plain(folder, facts), text, as_json=as_json)
    for place, origin in sorted(facts.origins.items()):
        if place.startswith("elsewhere/"):
            say(f"put {folder / place} back to {origin}", err=as_json)


def _plain(folder: Path, facts: Facts) -> dict[str, object]:
    return {
        "folder": str(folder),
        "gallery": facts.gallery,
        "images": facts.images,
        "version": facts.version,
        "taken_at": str(facts.taken_at),
        "origins": {str(place): str(origin) for place, origin in facts.origins.items()},
    }
