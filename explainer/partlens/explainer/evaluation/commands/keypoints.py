"""`partlens evaluate keypoints`: PCK of points transferred between images."""

from collections.abc import Mapping
from pathlib import Path

import click

from partlens.common.results import json_option, say_json
from partlens.common.tables import Table, say_table
from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.annotations import read_annotations
from partlens.explainer.evaluation.commands.options import half_options, of_half, progress
from partlens.explainer.evaluation.commands.scores import written
from partlens.explainer.evaluation.keypoint_features import KeypointFeatures, Method
from partlens.explainer.evaluation.keypoint_pairs import (
    PAIRS,
    both_ways,
    mirrored_names,
    of_labels,
    random_pairs,
)
from partlens.explainer.evaluation.keypoints import ALPHA, Transfers, measure_keypoints
from partlens.explainer.evaluation.sampling import Half
from partlens.explainer.evaluation.spair import PICTURES, read_spair
from partlens.explainer.model import MetricModel

_PATH = click.Path(path_type=Path)


class _Mirror(click.ParamType[tuple[str, str]]):
    name = "PART=PART"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Two parts that mirror each other."""
        one, _, other = value.partition("=")
        if not one or not other or one == other:
            self.fail(f"{value!r} is not a pair of parts such as 'left eye=right eye'", param, ctx)
        return one, other


@click.command()
@click.option("--model", required=True, type=_PATH, help="Model folder.")
@click.option("--images", type=_PATH, help="Folder of the images.")
@click.option("--annotations", type=_PATH, help="CSV: labels, sizes and boxes.")
@click.option("--parts", type=_PATH, help="CSV: visible parts.")
@click.option("--spair", type=_PATH, help="Instead of all three: the folder SPair-71k.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(["trn", "val", "test"]),
    help="Pairs of SPair-71k.",
)
@click.option("--category", help="Only this category of SPair-71k.")
@click.option(
    "--pairs",
    default=PAIRS,
    show_default=True,
    type=click.IntRange(1),
    help="Random pairs; SPair-71k has its own.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--alpha",
    default=ALPHA,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Largest distance of a correct transfer, in longer sides of the target's box.",
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    type=_Mirror(),
    help="Parts that mirror each other; repeatable.  [default: 'left X' and 'right X']",
)
@half_options
@json_option
def keypoints(
    model: Path,
    images: Path | None,
    annotations: Path | None,
    parts: Path | None,
    spair: Path | None,
    split: str,
    category: str | None,
    pairs: int,
    seed: int,
    alpha: float,
    mirrors: tuple[tuple[str, str], ...],
    half: Half | None,
    half_seed: int,
    as_json: bool,
) -> None:
    """Measure how well points transfer between images (PCK).

    Each part that two images show is transferred from the first to the second: to the nearest
    neighbour of its feature or contribution, to the maximum of its map, and to where a search lays
    a square region around it. "mirrored" counts only parts with the mirrored part ("left wing",
    "right wing") visible in the second image too. Intervals are 95 % bootstrap intervals, from
    resampled labels. Points of SPair-71k have numbers: for its birds, give --mirror 1=2, 4=5, 7=8,
    10=11, 12=13 and 14=15.
    """
    try:
        if spair is not None and not (images or annotations or parts):
            folder, given = spair / PICTURES, read_spair(spair, split, category)
            labels = {image.label for image in of_half(given.images, half, half_seed)}
            given = of_labels(given, labels)
        elif spair is None and images and annotations and parts and category is None:
            listed = of_half(read_annotations(annotations, parts), half, half_seed)
            folder, given = images, random_pairs(listed, pairs, seed)
        else:
            raise click.UsageError(
                "give --images, --annotations and --parts, or --spair with or without --category"
            )
        loaded = MetricModel.load(model)
        with progress("images", len(given.images)) as report:
            features = KeypointFeatures(loaded, folder, given.images, report)
        names = sorted({name for image in given.images for name in image.parts})
        mirrored = both_ways(mirrors) or mirrored_names(names)
        with progress("pairs", len(given.pairs)) as report:
            found = measure_keypoints(loaded, features, given, mirrored, alpha, report)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json({method: one.to_json() for method, one in found.items()})
    else:
        say_table(_table(found, alpha))


def _table(found: Mapping[Method, Transfers], alpha: float) -> Table:
    table = Table("transfer by", "per image", "per point", "mirrored", title=f"PCK@{alpha:g}")
    for method, one in found.items():
        shares = one.shares.values()
        table.add_row(method, *(f"{written(s.value)}\n{written(s.interval())}" for s in shares))
    pairs, points, mirrored = (
        int(share.tries.sum()) for share in next(iter(found.values())).shares.values()
    )
    table.caption = f"{pairs:,} pairs, {points:,} points, {mirrored:,} of them mirrored"
    return table
