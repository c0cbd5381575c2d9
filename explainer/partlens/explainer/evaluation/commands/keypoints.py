"""`partlens evaluate keypoints`: PCK of points transferred between images."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from partlens.common.tables import Table, say_table
from partlens.common.terminal import say
from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.annotations import read_annotations
from partlens.explainer.evaluation.commands.options import half_options, of_half, progress
from partlens.explainer.evaluation.commands.scores import written
from partlens.explainer.evaluation.keypoint_features import KeypointFeatures, Method
from partlens.explainer.evaluation.keypoint_pairs import PAIRS, mirrored_names, random_pairs
from partlens.explainer.evaluation.keypoints import ALPHA, Transfers, measure_keypoints
from partlens.explainer.evaluation.sampling import Half
from partlens.explainer.model import MetricModel

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--model", required=True, type=_PATH, help="Model folder.")
@click.option("--images", required=True, type=_PATH, help="Folder of the images.")
@click.option("--annotations", required=True, type=_PATH, help="CSV: labels, sizes and boxes.")
@click.option("--parts", "parts_file", required=True, type=_PATH, help="CSV: visible parts.")
@click.option(
    "--pairs", default=PAIRS, show_default=True, type=click.IntRange(1), help="Random pairs."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--alpha",
    default=ALPHA,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Largest distance of a correct transfer, in longer sides of the target's box.",
)
@half_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def keypoints(
    model: Path,
    images: Path,
    annotations: Path,
    parts_file: Path,
    pairs: int,
    seed: int,
    alpha: float,
    half: Half | None,
    half_seed: int,
    as_json: bool,
) -> None:
    """Measure how well points transfer between images (PCK).

    Each part that two images show is transferred from the first to the second: to the nearest
    neighbour of its feature or contribution, to the maximum of its map, and to where a search lays
    a square region around it. "mirrored" counts only parts with the mirrored part ("left wing",
    "right wing") visible in the second image too. Intervals are 95 % bootstrap intervals, from
    resampled labels.
    """
    try:
        annotated = of_half(read_annotations(annotations, parts_file), half, half_seed)
        given = random_pairs(annotated, pairs, seed)
        loaded = MetricModel.load(model)
        with progress("images", len(annotated)) as report:
            features = KeypointFeatures(loaded, images, annotated, report)
        mirrored = mirrored_names(sorted({name for image in annotated for name in image.parts}))
        with progress("pairs", len(given.pairs)) as report:
            found = measure_keypoints(loaded, features, given, mirrored, alpha, report)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say(json.dumps({method: one.to_json() for method, one in found.items()}))
    else:
        say_table(_table(found, alpha))


def _table(found: Mapping[Method, Transfers], alpha: float) -> Table:
    table = Table("transfer by", "per image", "per point", "mirrored", title=f"PCK@{alpha:g}")
    for method, one in found.items():
        shares = (one.per_image, one.per_point, one.mirrored)
        table.add_row(method, *(f"{written(s.value)}\n{written(s.interval())}" for s in shares))
    counts = [int(share.tries.sum()) for share in (one.per_image, one.per_point, one.mirrored)]
    table.caption = f"{counts[0]:,} pairs, {counts[1]:,} points, {counts[2]:,} of them mirrored"
    return table
