"""`partlens maps`: what each image of a folder has in common with a query."""

from pathlib import Path

import click

from partlens.cli.commands import needing
from partlens.cli.figures import model_errors, scale_option
from partlens.client.cli.images import named_picture
from partlens.client.cli.regions import Marked, region_options, require_images
from partlens.common.results import json_option, say_result
from partlens.common.terminal import say
from partlens.common.text import visible

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option(
    "--against",
    "query",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="QUERY",
    help="Picture to compare each image with.",
)
@click.option("--model", required=True, type=_FOLDER, help="Model folder.")
@click.option("--out", required=True, type=_FOLDER, help="Folder to write to, outside FOLDER.")
@region_options
@scale_option
@json_option
def maps(
    folder: Path,
    query: Path,
    model: Path,
    out: Path,
    marked: list[Marked],
    scale: float | None,
    as_json: bool,
) -> None:
    """Write what each image of FOLDER has in common with a query, without a server.

    For each image IMAGE, writes IMAGE.png, a figure with the query, the image under its map and the
    sums, and IMAGE.npy, the map as float32 [rows, cols]. One region of the query gives its partial
    map; without a region, the map is the overall one. maps.jsonl lists the sums and the size of
    each image. All figures have one colour scale: by default a round number that suits the query
    compared with itself. If a run is stopped, run it again to resume: only new and changed images
    go through the model. Images that cannot be read are reported and skipped.
    """
    if len(marked) > 1:
        raise click.UsageError(
            f"{len(marked)} regions given; give one, and run again with another --out for the next"
        )
    require_images(marked, 1)
    if any(one.weight is not None for one in marked):
        raise click.UsageError("a map takes no @WEIGHT; leave it out")
    name, data = named_picture(query)
    with needing("partlens.explainer"):
        from partlens.explainer.folder_maps import Asked, write_maps
        from partlens.explainer.model import MetricModel
    region = marked[0].region if marked else None
    written, unchanged, skipped = 0, 0, list[dict[str, str]]()
    try:
        with model_errors():
            asked = Asked(folder, name, data, region, out, scale)
            for one in write_maps(MetricModel.load(model), asked):
                written += not (one.skipped or one.unchanged)
                unchanged += one.unchanged
                if one.skipped:
                    skipped.append({"image": one.image, "reason": one.skipped})
                    say(f"skipped {visible(one.image)}: {one.skipped}", err=True)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror}") from error
    facts = {"written": written, "unchanged": unchanged, "skipped": skipped}
    text = f"{written} maps written to {out}, {unchanged} unchanged, {len(skipped)} skipped"
    say_result(facts, text, as_json=as_json)
    if not (written or unchanged):
        raise click.ClickException("no image of the folder could be read")
