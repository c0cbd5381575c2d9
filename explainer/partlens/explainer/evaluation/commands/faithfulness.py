"""`partlens evaluate faithfulness`: deletion and insertion curves of the maps."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import click

from partlens.common.results import json_option, say_json
from partlens.common.tables import Table, say_table
from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.annotations import read_annotations
from partlens.explainer.evaluation.figures import Panel, draw
from partlens.explainer.evaluation.removal import (
    FRACTIONS,
    Faithfulness,
    Removal,
    area,
    measure_faithfulness,
)
from partlens.explainer.model import MetricModel

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--model", required=True, type=_PATH, help="Model folder.")
@click.option("--images", required=True, type=_PATH, help="Folder of the images.")
@click.option("--annotations", required=True, type=_PATH, help="CSV: labels, sizes and boxes.")
@click.option(
    "--remove",
    type=click.Choice(get_args(Removal)),
    default="contributions",
    show_default=True,
    help="How a position is removed; blur and mean run the network again.",
)
@click.option(
    "--sample", type=click.IntRange(1), help="Number of images to explain, evenly spaced."
)
@click.option("--figure", type=_PATH, help="Plot both curves to this file.")
@json_option
def faithfulness(
    model: Path,
    images: Path,
    annotations: Path,
    remove: Removal,
    sample: int | None,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Remove positions in the order of each map and measure the score.

    Each image is explained against the annotated region of its nearest neighbour. Lower is better
    for deletion, higher for insertion.
    """
    try:
        listed = read_annotations(annotations)
        found = measure_faithfulness(MetricModel.load(model), images, listed, remove, sample)
        if figure is not None:
            draw(_panels(found), figure)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        methods = {method: one.to_json() for method, one in found.items()}
        say_json({"fractions": FRACTIONS, "methods": methods})
    else:
        say_table(_table(found, remove, min(sample or len(listed), len(listed))))


def _table(found: Mapping[str, Faithfulness], removal: Removal, images: int) -> Table:
    table = Table(title=f"Area under the score curve of {images} images, removal: {removal}")
    for name in ("method", "deletion (lower is better)", "insertion (higher is better)"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method, one in found.items():
        table.add_row(method, f"{area(one.deletion):.4f}", f"{area(one.insertion):.4f}")
    return table


def _panels(found: Mapping[str, Faithfulness]) -> list[Panel]:
    return [
        Panel(
            name.capitalize(),
            f"fraction of positions {done}",
            "score",
            FRACTIONS,
            {method: getattr(one, name).tolist() for method, one in found.items()},
        )
        for name, done in (("deletion", "removed"), ("insertion", "added"))
    ]
