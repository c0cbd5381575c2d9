"""`partlens evaluate parts`: precision and hits of region searches."""

from pathlib import Path
from typing import get_args

import click

from partlens.common.results import json_option, say_json
from partlens.common.storage import Storage
from partlens.common.tables import say_table
from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.annotations import read_annotations
from partlens.explainer.evaluation.commands.options import (
    against_option,
    half_options,
    of_half,
    part_options,
    progress,
)
from partlens.explainer.evaluation.commands.scores import scores_json, scores_table
from partlens.explainer.evaluation.comparison import changes, read_earlier
from partlens.explainer.evaluation.part_search import (
    DEFAULT_PARTS,
    choose_queries,
    decompose_all,
    evaluate_parts,
)
from partlens.explainer.evaluation.sampling import Half
from partlens.explainer.model import MetricModel


@click.command()
@part_options
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@half_options
@against_option
@click.option(
    "--storage", default="float16", show_default=True, type=click.Choice(get_args(Storage))
)
@json_option
def parts(
    model: Path,
    images: Path,
    annotations: Path,
    parts_file: Path,
    names: tuple[str, ...],
    queries: int,
    seed: int,
    half: Half | None,
    half_seed: int,
    against: Path | None,
    storage: Storage,
    as_json: bool,
) -> None:
    """Measure whether a region search finds the right images, and the right place in them.

    Default parts: beak, crown, left wing, tail, belly and left leg. --storage is the storage type
    of a gallery. You can also measure a smaller model (`partlens index reduce`). The last rows
    are 95 % bootstrap intervals of the means, from resampled labels.
    """
    try:
        before = None if against is None else read_earlier(against)
        annotated = of_half(read_annotations(annotations, parts_file), half, half_seed)
        chosen = choose_queries(annotated, names or DEFAULT_PARTS, queries, seed)
        loaded = MetricModel.load(model)
        with progress("images decomposed", len(annotated)) as report:
            seen = decompose_all(loaded, annotated, images, storage, report=report)
        with progress("images searched", len(annotated)) as report:
            found = evaluate_parts(loaded, annotated, seen, chosen, seed, report)
        changed = None if before is None else changes(found, before)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json(scores_json("by_part", found, changed))
    else:
        bytes_each = f"{seen.bytes_per_image:,} bytes per image, contributions and bias"
        say_table(scores_table("part", found, bytes_each, changed))
