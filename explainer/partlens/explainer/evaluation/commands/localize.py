"""`partlens evaluate localize`: localisation accuracy of the maps."""

from collections.abc import Mapping
from pathlib import Path

import click

from partlens.common.results import json_option, say_json
from partlens.common.tables import Table, say_table
from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.annotations import read_annotations
from partlens.explainer.evaluation.batches import passes
from partlens.explainer.evaluation.figures import Panel, draw
from partlens.explainer.evaluation.localisation import (
    RIGHT,
    THRESHOLDS,
    Localisation,
    measure_localisation,
)
from partlens.explainer.model import MetricModel

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--model", required=True, type=_PATH, help="Model folder.")
@click.option("--images", required=True, type=_PATH, help="Folder of the images.")
@click.option("--annotations", required=True, type=_PATH, help="CSV: labels, sizes and boxes.")
@click.option("--figure", type=_PATH, help="Plot accuracy over thresholds to this file.")
@json_option
def localize(
    model: Path,
    images: Path,
    annotations: Path,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Find objects by their activation maps (Tables 1 and 4 of the paper).

    Each image is explained against its nearest neighbour, CAM against its class. A box is correct
    if its IoU with the annotated box is at least 0.5.
    """
    try:
        listed = read_annotations(annotations)
        loaded = MetricModel.load(model)
        found = measure_localisation(loaded, listed, passes(loaded, images, listed))
        if figure is not None:
            draw([_panel(found)], figure)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json({method: one.to_json() for method, one in found.items()})
    else:
        say_table(_table(found, len(listed)))


def _table(found: Mapping[str, Localisation], images: int) -> Table:
    table = Table(title=f"Correct boxes (IoU >= {RIGHT}) on {images} images")
    for name in ("method", "best", "at threshold", "at 0.20"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method, one in found.items():
        at_20 = one.by_threshold[0.2]
        table.add_row(method, f"{one.best:.1%}", f"{one.threshold:.2f}", f"{at_20:.1%}")
    return table


def _panel(found: Mapping[str, Localisation]) -> Panel:
    return Panel(
        "Localisation",
        "threshold (fraction of the map's maximum)",
        f"boxes of IoU >= {RIGHT}",
        THRESHOLDS,
        {method: list(one.by_threshold.values()) for method, one in found.items()},
    )
