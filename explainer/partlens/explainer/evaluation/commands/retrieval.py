"""`partlens evaluate retrieval`: recall@k and mAP by label."""

from pathlib import Path

import click

from partlens.common.results import json_option, say_result
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
    help="Without --labels: regular expression with groups label[, camera][, query], matched"
    " against the path below the folder.  [default: its folder]",
)
@json_option
def retrieval(
    model: Path, images: Path, labels: Path | None, label_pattern: str | None, as_json: bool
) -> None:
    """Measure whether images of the same label find each other: recall@k and mAP.

    Each image is a query against all others. If some images are marked as queries, only those are
    searched for among the rest. If cameras are given, images with the query's label and camera are
    excluded.
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
    text = "\n".join(f"{name}: {value}" for name, value in facts.items())
    say_result(facts, text, as_json=as_json)
