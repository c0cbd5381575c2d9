"""`partlens evaluate attributes`: whether region searches find glasses, bags and the like."""

from functools import partial
from pathlib import Path

import click

from partlens.common.results import json_option, say_json
from partlens.common.tables import say_table
from partlens.explainer.errors import ExplainerError
from partlens.explainer.evaluation.attribute_search import (
    Shares,
    choose_attribute_queries,
    evaluate_attributes,
)
from partlens.explainer.evaluation.attributes import for_images, listed_images, read_attributes
from partlens.explainer.evaluation.commands.options import (
    against_option,
    half_options,
    of_half,
    progress,
)
from partlens.explainer.evaluation.commands.scores import scores_json, scores_table
from partlens.explainer.evaluation.comparison import changes, read_earlier
from partlens.explainer.evaluation.instre import read_instre
from partlens.explainer.evaluation.label_retrieval import read_upright
from partlens.explainer.evaluation.labels import read_labels
from partlens.explainer.evaluation.region_search import decompose_pictures
from partlens.explainer.evaluation.sampling import Half
from partlens.explainer.model import MetricModel

_PATH = click.Path(path_type=Path)


class _DefaultBox(click.ParamType[tuple[str, Shares]]):
    name = "ATTRIBUTE=X,Y,W,H"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Shares]:
        """An attribute and its box in shares of the image."""
        attribute, _, box = value.rpartition("=")
        try:
            x, y, width, height = map(float, box.split(","))
        except ValueError:
            x, y, width, height = (-1.0,) * 4
        inside = 0 <= x < x + width <= 1 and 0 <= y < y + height <= 1
        if not attribute or not inside:
            self.fail(
                f"{value!r} is not a name and a box such as glasses=0.1,0.3,0.8,0.3 (left, top,"
                " width and height as fractions of the image, within 0..1)",
                param,
                ctx,
            )
        return attribute, (x, y, width, height)


@click.command()
@click.option("--model", required=True, type=_PATH, help="Model folder.")
@click.option("--images", type=_PATH, help="Folder of the images.")
@click.option(
    "--attributes",
    "table",
    type=_PATH,
    help="CSV: image, attribute, value[, box_x, box_y, box_w, box_h].",
)
@click.option("--labels", type=_PATH, help="CSV: image, label (the person).")
@click.option(
    "--label-pattern",
    metavar="REGEX",
    help="Without --labels: regular expression with a group label, matched against the path below"
    " the folder.  [default: its folder]",
)
@click.option(
    "--instre",
    type=_PATH,
    help="Instead of --images and --attributes: the folder with INSTRE-S1 and INSTRE-S2; objects"
    " are searched for among all other pictures.",
)
@click.option(
    "--box",
    "boxes",
    multiple=True,
    type=_DefaultBox(),
    help="Region in images without a box of their own, in fractions of the image; repeatable.",
)
@click.option(
    "--queries", default=120, show_default=True, type=click.IntRange(1), help="Queries per value."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@half_options
@against_option
@json_option
def attributes(
    model: Path,
    images: Path | None,
    table: Path | None,
    labels: Path | None,
    label_pattern: str | None,
    instre: Path | None,
    boxes: tuple[tuple[str, Shares], ...],
    queries: int,
    seed: int,
    half: Half | None,
    half_seed: int,
    against: Path | None,
    as_json: bool,
) -> None:
    """Measure whether a region search finds an attribute, such as glasses, in other people.

    Each query is an image with the attribute, and the region is its box; images with the value "no"
    are not queries. The gallery is all other people's images that the table lists for the
    attribute. precision@10 is the fraction of the first 10 images with the query's value; a hit is
    one of them with the middle of the match in its box. "image" ranks by whole images. The last
    rows are 95 % bootstrap intervals of the means, from resampled people.
    """
    if labels is not None and label_pattern is not None:
        raise click.UsageError("give one of --labels and --label-pattern")
    try:
        before = None if against is None else read_earlier(against)
        if instre is not None and not (images or table or labels or label_pattern):
            people, listed = read_instre(instre)
        elif instre is None and images and table:
            people = read_labels(images, labels, label_pattern)
            listed = read_attributes(table, images, people)
        else:
            raise click.UsageError(
                "give --images and --attributes, or --instre without them and without labels"
            )
        kept = of_half([people[i] for i in listed_images(listed)], half, half_seed)
        of_kept = for_images(listed, people, kept)
        chosen = choose_attribute_queries(of_kept, dict(boxes), queries, seed)
        loaded = MetricModel.load(model)
        with progress("images decomposed", len(kept)) as report:
            least = loaded.spec.preprocessing.least
            pictures = [partial(read_upright, person.path, least) for person in kept]
            seen = decompose_pictures(loaded, pictures, report=report)
        with progress("images searched", len(kept)) as report:
            found = evaluate_attributes(
                loaded, kept, seen, of_kept, chosen, report, same_label=instre is not None
            )
        changed = None if before is None else changes(found, before)
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        say_json(scores_json("by_value", found, changed))
    else:
        caption = f"{len(chosen)} queries, {len(kept)} images"
        say_table(scores_table("value", found, caption, changed))
