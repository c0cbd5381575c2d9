"""`partlens evaluate diagnose`: compare overfitting and localisation of two models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import click
import numpy as np

from partlens.common.files import read_file
from partlens.common.results import json_option, say_json
from partlens.common.tables import Table, say_table
from partlens.common.terminal import say
from partlens.explainer.errors import AnnotationError, ExplainerError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_annotations
from partlens.explainer.evaluation.diagnosis.heads import HeadTraining, Loss
from partlens.explainer.evaluation.diagnosis.measure import (
    PAPER_ORDER,
    Comparison,
    Diagnosis,
    compare,
    diagnose_models,
    order_kept,
    spread,
)
from partlens.explainer.evaluation.figures import Panel, draw
from partlens.explainer.evaluation.localisation import RIGHT, THRESHOLDS
from partlens.explainer.model import MetricModel

_PATH = click.Path(path_type=Path)
Runs = Mapping[str, Sequence[Diagnosis]]


@click.command()
@click.option(
    "--model", "models", required=True, multiple=True, type=_PATH, help="Model folder; give two."
)
@click.option("--images", required=True, type=_PATH, help="Folder of the images.")
@click.option("--annotations", required=True, type=_PATH, help="CSV: labels, sizes and boxes.")
@click.option("--seen", type=_PATH, help="Text file of labels seen in training, one per line.")
@click.option(
    "--loss",
    "losses",
    multiple=True,
    type=click.Choice(get_args(Loss)),
    help="Train a GMP+FC head with this loss on the frozen backbone of one --model; give both.",
)
@click.option(
    "--seeds", default=5, show_default=True, type=click.IntRange(1), help="Seeds per loss."
)
@click.option(
    "--steps",
    default=HeadTraining.steps,
    show_default=True,
    type=click.IntRange(1),
    help="Training batches.",
)
@click.option(
    "--figure", type=_PATH, help="Plot recall during training and localisation to this file."
)
@json_option
def diagnose(
    models: tuple[Path, ...],
    images: Path,
    annotations: Path,
    seen: Path | None,
    losses: tuple[Loss, ...],
    seeds: int,
    steps: int,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Test if the model that overfits localises worse (Tables 2, 3, 5, 6, Fig. 5 of the paper).

    Compares two models on the same images: recall@1 on labels seen and not seen in training, and
    localisation on the seen labels. Give two models and --seen, or one model and both losses. With
    losses, each seed draws half of the labels for training unless --seen lists them (needs
    `pip install "partlens[train]"`).
    """
    if len(set(losses)) not in (0, 2) or len(set(models)) != (1 if losses else 2):
        raise click.UsageError(
            "give two different --model, or one --model and two different --loss"
        )
    try:
        listed = read_annotations(annotations)
        labels = None if seen is None else _labels(seen)
        if losses:
            found = _trained(models[0], images, listed, losses, range(seeds), steps, labels)
        else:
            found = _given(models, images, listed, labels)
        if figure is not None:
            draw(_panels(found), figure)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    comparison = compare(found)
    if as_json:
        say_json(_to_json(found, comparison))
    else:
        _print(found, comparison)


def _trained(
    model: Path,
    folder: Path,
    images: Sequence[AnnotatedImage],
    losses: Sequence[Loss],
    seeds: Sequence[int],
    steps: int,
    labels: frozenset[str] | None,
) -> Runs:
    from partlens.explainer.evaluation.diagnosis.trained import diagnose_losses

    return diagnose_losses(
        MetricModel.load(model),
        folder,
        images,
        losses,
        seeds,
        HeadTraining(steps=steps),
        labels,
        lambda doing: say(doing, err=True),
    )


def _given(
    models: Sequence[Path],
    folder: Path,
    images: Sequence[AnnotatedImage],
    labels: frozenset[str] | None,
) -> Runs:
    if labels is None:
        raise click.UsageError("give --seen with the labels that the two models were trained on")
    return diagnose_models({str(m): MetricModel.load(m) for m in models}, folder, images, labels)


def _labels(file: Path) -> frozenset[str]:
    try:
        lines = read_file(file).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{file} cannot be read as UTF-8 text: {error}") from error
    return frozenset(line.strip() for line in lines if line.strip())


def _to_json(found: Runs, comparison: Comparison) -> dict[str, object]:
    return {
        "models": {
            name: {
                "recall_at_1": {
                    "train": spread([one.train for one in runs]),
                    "validation": spread([one.validation for one in runs]),
                },
                "localisation": {
                    method: spread([one.localisation[method].best for one in runs])
                    for method in PAPER_ORDER
                },
                "runs_in_the_paper's_order": order_kept(runs),
                "runs": [one.to_json() for one in runs],
            }
            for name, runs in found.items()
        },
        "comparison": comparison.to_json(),
    }


def _print(found: Runs, comparison: Comparison) -> None:
    runs = len(comparison.gap)
    table = Table(title=f"Recall@1 and correct boxes on seen labels; mean ± std of {runs} run(s)")
    for column in ("", *found, "difference", "< 0"):
        table.add_column(column, justify="right" if column else "left", no_wrap=not column)
    first, second = (_measured(some) for some in found.values())
    for name in first:
        difference = [a - b for a, b in zip(first[name], second[name], strict=True)]
        cells = (_shown(some) for some in (first[name], second[name], difference))
        below = f"{sum(d < 0 for d in difference)}/{runs}"
        table.add_row(name, *cells, below, end_section=name == "gap")
    say_table(table)
    for name, some in found.items():
        say(f"{name}: runs (of {runs}) in the paper's order")
        for step, count in order_kept(some).items():
            say(f"  {step}: {count}")
    say(f"{comparison.overfits} has the larger gap between seen and unseen labels")


def _measured(runs: Sequence[Diagnosis]) -> dict[str, list[float]]:
    """Rows of the table, one number per run."""
    rows = {
        "recall@1, seen": [one.train for one in runs],
        "recall@1, unseen": [one.validation for one in runs],
        "gap": [one.gap for one in runs],
    }
    for method in PAPER_ORDER:
        rows[method] = [one.localisation[method].best for one in runs]
    return rows


def _shown(values: Sequence[float]) -> str:
    both = spread(values)
    return f"{both['mean']:.3f} ± {both['std']:.3f}"


def _panels(found: Runs) -> list[Panel]:
    panels = []
    first = next(iter(found.values()))[0]
    if first.curve:
        lines = {}
        for name, runs in found.items():
            for label, side in (("train", "seen"), ("validation", "unseen")):
                recalls = [[getattr(point, label) for point in one.curve] for one in runs]
                lines[f"{name}, {side}"] = np.mean(recalls, 0).tolist()
        steps = [float(point.step) for point in first.curve]
        panels.append(Panel("Training", "step", "recall@1", steps, lines))
    maps = {
        f"{name}, {method}": np.mean(
            [list(one.localisation[method].by_threshold.values()) for one in runs], 0
        ).tolist()
        for method in PAPER_ORDER
        for name, runs in found.items()
    }
    label = "threshold (fraction of the map's maximum)"
    panels.append(Panel("Localisation", label, f"boxes of IoU >= {RIGHT}", THRESHOLDS, maps))
    return panels
