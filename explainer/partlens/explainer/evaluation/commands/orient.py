"""`partlens evaluate orient`: orientation of panoramas from their maps."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

import click
import numpy as np

from partlens.common.results import json_option, say_json
from partlens.common.tables import Table, say_table
from partlens.common.terminal import say
from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.figures import Panel, draw
from partlens.explainer.evaluation.orientation.cvusa import SPLIT, read_cvusa
from partlens.explainer.evaluation.orientation.measure import (
    BIN,
    NEAR,
    Orientations,
    measure_orientation,
)
from partlens.explainer.evaluation.orientation.network import Pooling, StreamTraining, train
from partlens.explainer.evaluation.orientation.scenes import Pair, generate
from partlens.explainer.model import MetricModel

_PATH = click.Path(path_type=Path)
_SEEDS = (1_000_000, 2_000_000)
"""First seeds for training and for measuring; the two sets never overlap."""


@click.command()
@click.option("--panorama-model", type=_PATH, help="Model folder for panoramas.")
@click.option("--aerial-model", type=_PATH, help="Model folder for aerial images.")
@click.option("--cvusa", type=_PATH, help="CVUSA folder; without it, pairs are generated.")
@click.option("--split", default=SPLIT, show_default=True, help="Table of pairs in that folder.")
@click.option(
    "--pairs",
    default=300,
    show_default=True,
    type=click.IntRange(1),
    help="Maximum number of pairs to measure.",
)
@click.option(
    "--steps",
    default=StreamTraining.steps,
    show_default=True,
    type=click.IntRange(1),
    help="Training batches.",
)
@click.option(
    "--train-pairs",
    default=StreamTraining.pairs,
    show_default=True,
    type=click.IntRange(2),
    help="Generated pairs to train on.",
)
@click.option(
    "--pooling",
    default="max",
    show_default=True,
    type=click.Choice(get_args(Pooling)),
    help="Pooling of the trained streams.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--figure", type=_PATH, help="Plot the errors to this file.")
@json_option
def orient(
    panorama_model: Path | None,
    aerial_model: Path | None,
    cvusa: Path | None,
    split: str,
    pairs: int,
    steps: int,
    train_pairs: int,
    pooling: Pooling,
    seed: int,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Estimate the orientation of a panorama from the peaks of its maps (Fig. 6, 7 of the paper).

    Without models, a small two-stream network is first trained on generated pairs, which takes a
    few minutes. Errors are in degrees.
    """
    given = [path for path in (panorama_model, aerial_model) if path is not None]
    if len(given) == 1 or (cvusa is not None and not given):
        raise click.UsageError("give both --panorama-model and --aerial-model")
    try:
        models = [MetricModel.load(path) for path in given] or _trained(
            StreamTraining(seed, train_pairs, steps, pooling)
        )
        found = measure_orientation(models[0], models[1], _pairs(cvusa, split, pairs, seed))
        if figure is not None:
            draw(_panels(found), figure)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json(found.to_json())
    else:
        say_table(_table(found))


def _trained(training: StreamTraining) -> list[MetricModel]:
    def progress(step: int, loss: float) -> None:
        if step % 50 == 0 or step == training.steps - 1:
            say(f"step {step + 1}/{training.steps}  loss {loss:.3f}", err=True)

    pairs = list(generate(training.pairs, _SEEDS[0] + training.seed))
    return list(train(pairs, training, progress))


def _pairs(cvusa: Path | None, split: str, count: int, seed: int) -> Iterable[Pair]:
    if cvusa is None:
        yield from generate(count, _SEEDS[1] + seed)
        return
    # Not islice, which would read one more pair than it returns.
    for _, pair in zip(range(count), read_cvusa(cvusa, split, seed), strict=False):
        yield pair


def _table(found: Orientations) -> Table:
    pairs = len(next(iter(found.methods.values())).errors)
    table = Table(title=f"{pairs} pairs; {found.recall_at_1:.1%} find each other (recall@1)")
    for column in ("method", f"within {NEAR}°", "within 10°", "median", "mean"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method, one in found.methods.items():
        shares = (f"{one.within(degrees):.1%}" for degrees in (NEAR, 10))
        middles = (f"{value:.1f}°" for value in (np.median(one.errors), one.errors.mean()))
        table.add_row(method, *shares, *middles)
    return table


def _panels(found: Orientations) -> list[Panel]:
    methods = found.methods.items()
    degrees = np.arange(0, 181, 2.5).tolist()
    middles = (np.arange(0, 180, BIN) + BIN / 2).tolist()
    within: dict[str, Sequence[float]]
    shares: dict[str, Sequence[float]]
    within = {method: [one.within(at) for at in degrees] for method, one in methods}
    shares = {method: one.histogram.tolist() for method, one in methods}
    return [
        Panel("Errors", "error (degrees)", f"fraction of pairs, bins of {BIN}°", middles, shares),
        Panel("Cumulative errors", "error (degrees)", "fraction of pairs within", degrees, within),
    ]
