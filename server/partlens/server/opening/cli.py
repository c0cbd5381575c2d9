"""`partlens open`."""

from pathlib import Path

import click

from partlens.common.leaving import leave
from partlens.common.local_path import LocalPath
from partlens.common.terminal import say


@click.command("open")
@click.argument("photos", type=click.Path())
@click.option(
    "--model",
    help="Model folder, or the id of a model on the Hugging Face hub. By default"
    " facebook/dinov2-small if it can be downloaded, otherwise the starter model.",
    metavar="MODEL|HUB_ID",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port of the page; by default a free one."
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@click.option(
    "--gallery",
    type=LocalPath(),
    help="Gallery folder to create or continue; by default one in the user's cache folder.",
)
def open_command(
    photos: str, model: str | None, port: int | None, no_browser: bool, gallery: Path | None
) -> None:
    """Index the folder PHOTOS, and search it in a browser on this machine, until Ctrl-C.

    PHOTOS is a folder with all folders in it, or a manifest (CSV, Parquet); nothing is written to
    it. The page opens immediately and searches what is indexed so far. Run it again to resume, and
    to add new and changed pictures.
    """
    # Imported here because they load torch, which --help need not wait for.
    from partlens.explainer.errors import ExplainerError
    from partlens.indexer.errors import IndexerError
    from partlens.runtime.errors import ProgramError
    from partlens.server.errors import AlreadyOpenError
    from partlens.server.opening import browser
    from partlens.server.opening.session import Session

    if not photos:
        raise click.BadParameter("PHOTOS is empty; give a folder of pictures, or . for this one")
    try:
        Session(Path(photos), model, port or 0, gallery, browse=not no_browser).run()
    except AlreadyOpenError as error:
        say(f"{photos} is open already: {error.address}")
        if not no_browser:
            browser.show(error.address)
    except (ProgramError, ExplainerError, IndexerError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{photos} cannot be opened: {error}") from error
    leave(0)  # it may have been stopped while it was loading
