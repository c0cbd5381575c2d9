"""`partlens evaluate feedback`: what marking the first hits adds to a region search."""

from dataclasses import asdict
from pathlib import Path

import click

from partlens.common.results import json_option, say_json
from partlens.common.tables import Table, say_table
from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.annotations import read_annotations
from partlens.explainer.evaluation.commands.options import part_options
from partlens.explainer.evaluation.feedback import Weights, evaluate_feedback
from partlens.explainer.evaluation.part_search import DEFAULT_PARTS, choose_queries, decompose_all
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import LIKE, UNLIKE

_NAMES = {"like": "more like this", "unlike": "less like this", "both": "both"}


@click.command()
@part_options
@click.option(
    "--shown", default=10, show_default=True, type=click.IntRange(1), help="First hits to mark."
)
@click.option(
    "--like", default=LIKE, show_default=True, type=float,
    help="Weight of each mark of the query's label.",
)  # fmt: skip
@click.option(
    "--unlike", default=UNLIKE, show_default=True, type=float,
    help="Weight of all other marks together.",
)  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@json_option
def feedback(
    model: Path,
    images: Path,
    annotations: Path,
    parts_file: Path,
    names: tuple[str, ...],
    queries: int,
    shown: int,
    like: float,
    unlike: float,
    seed: int,
    as_json: bool,
) -> None:
    """Measure one round of feedback on region searches.

    The first hits of each search are marked by their labels: more like this, less like this, or
    both. The images that were shown are left out of both rankings. mAP is the mean average
    precision over the others. Default parts: those of `evaluate parts`.
    """
    try:
        annotated = read_annotations(annotations, parts_file)
        chosen = choose_queries(annotated, names or DEFAULT_PARTS, queries, seed)
        loaded = MetricModel.load(model)
        seen = decompose_all(loaded, annotated, images)
        found = evaluate_feedback(
            loaded, annotated, seen, chosen, shown, Weights(like, unlike), seed
        )
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json({kind: asdict(one) for kind, one in found.items()})
        return
    table = Table("marks", "queries", "precision@10", "mAP", "gain (95 %)")
    for kind, one in found.items():
        low, high = one.interval
        table.add_row(
            _NAMES[kind],
            str(one.queries),
            f"{one.precision_before:.3f} -> {one.precision_after:.3f}",
            f"{one.average_before:.3f} -> {one.average_after:.3f}",
            f"{one.average_after - one.average_before:+.3f} ({low:+.3f} to {high:+.3f})",
        )
    say_table(table)
