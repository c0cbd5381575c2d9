"""`partlens evaluate retrieval`: the measure of label_retrieval, as a command."""

import json
from pathlib import Path

import click

from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.label_retrieval import embed, measure_labelled
from partlens.explainer.evaluation.labels import read_labels
from partlens.explainer.model import MetricModel

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--model", required=True, type=_PATH, help="Model folder.")
@click.option("--images", required=True, type=_PATH, help="Folder of the images.")
@click.option("--labels", type=_PATH, help="CSV: image, label[, camera][, query].")
@click.option(
    "--label-pattern",
    metavar="REGEX",
    help="Without --labels: groups label[, camera][, query] of the path below the folder."
    "  [default: its folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retrieval(
    model: Path, images: Path, labels: Path | None, label_pattern: str | None, as_json: bool
) -> None:
    """Whether images of the same label find each other: recall@k and mAP.

    Each image is searched with among all the others, or, where some are marked as queries, those
    among the rest. Where cameras are given, images of the query's label and camera are left out.
    """
    if labels is not None and label_pattern is not None:
        raise click.UsageError("give one of --labels and --label-pattern")
    try:
        listed = read_labels(images, labels, label_pattern)
        loaded = MetricModel.load(model)
        measured = measure_labelled(embed(loaded, listed), listed)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    facts = {
        "model": loaded.spec.name,
        "images": len(listed),
        "labels": len({image.label for image in listed}),
        "cameras": len({image.camera for image in listed} - {""}),
        **measured.to_json(),
    }
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{k}: {v}" for k, v in facts.items()))
