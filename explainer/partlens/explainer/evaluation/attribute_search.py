"""Measures whether a region search finds an attribute among other people, such as glasses.

The queries are images with a value of the attribute, the region is where it is visible, and the
gallery is all images of other people that the table lists for the attribute. Without leaving out
the same person, a search that recognises faces would find glasses too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError, RegionError
from partlens.explainer.evaluation.attributes import ABSENT, Attribute
from partlens.explainer.evaluation.labels import LabelledImage
from partlens.explainer.evaluation.part_quality import PartEvaluation
from partlens.explainer.evaluation.progress import Report, ignore
from partlens.explainer.evaluation.region_search import (
    Contributions,
    best,
    match_points,
    region_of,
    score_all,
)
from partlens.explainer.evaluation.sampling import Count, Tally
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import QueryPart

Shares = tuple[float, float, float, float]
"""A box (x, y, width, height) in shares of the image's width and height."""


@dataclass(frozen=True)
class AttributeQuery:
    """A value of an attribute to search for.

    Attributes:
        image: number of the image.
        attribute: name of the attribute.
        value: its value in this image.
        box: the region; for a Shares, of the image's size.
    """

    image: int
    attribute: str
    value: str
    box: Box | Shares

    @property
    def name(self) -> str:
        """Attribute and value, such as "glasses=yes"."""
        return f"{self.attribute}={self.value}"


def choose_attribute_queries(
    attributes: Mapping[str, Attribute],
    default_boxes: Mapping[str, Shares],
    count: int,
    seed: int,
) -> list[AttributeQuery]:
    """Random images with each value of each attribute, except "no".

    Args:
        attributes: what the images show.
        default_boxes: for an attribute, where to look in an image without a box of its own.
        count: most queries for each value.
        seed: the same seed gives the same queries.

    Raises:
        AnnotationError: a default box is for an unknown attribute, a value is in no image with a
            box, or all values are "no".
    """
    if unknown := default_boxes.keys() - attributes.keys():
        raise AnnotationError(
            f"there is no attribute {sorted(unknown)[0]!r}; there are {', '.join(attributes)}"
        )
    chosen = list[AttributeQuery]()
    for name, attribute in attributes.items():
        default = default_boxes.get(name)
        for value in dict.fromkeys(attribute.values.values()):
            if value == ABSENT:
                continue
            usable = [
                AttributeQuery(image, name, value, box)
                for image, other in attribute.values.items()
                if other == value and (box := attribute.boxes.get(image, default))
            ]
            if not usable:
                raise AnnotationError(
                    f"no image with {name}={value} has a box; add box_x, box_y, box_w and box_h,"
                    f" or give a default with --box {name}=X,Y,W,H"
                )
            random = np.random.default_rng([seed, len(chosen)])
            some = random.choice(len(usable), min(count, len(usable)), replace=False)
            chosen += [usable[i] for i in some]
    if not chosen:
        raise AnnotationError(f"every value is {ABSENT!r}, so there is nothing to search for")
    return chosen


def evaluate_attributes(
    model: MetricModel,
    images: Sequence[LabelledImage],
    seen: Contributions,
    attributes: Mapping[str, Attribute],
    queries: Sequence[AttributeQuery],
    report: Report = ignore,
    *,
    same_label: bool = False,
) -> dict[str, PartEvaluation]:
    """Measure how well rankings find attributes.

    Besides the scores, "random" is what a random ranking is expected to give, and "image" ranks by
    the cosine similarity of the whole images. The place of a match counts where the table has a box
    for an image with the query's value: its middle must lie in it.

    Args:
        model: the model that gave `seen`.
        images: N images; the label of each is what must differ, such as the person.
        seen: their contributions.
        attributes: what they show.
        queries: what to search for.
        report: called with the number of images searched.
        same_label: search other images of the query's label too; only its own is left out.

    Raises:
        AnnotationError: no image of another person has a query's value, or a box cannot be used.
    """
    labels = [image.label for image in images]
    apart = np.arange(len(images)) if same_label else np.asarray(labels)
    skipped = np.stack(
        [
            (apart == apart[query.image]) | ~_listed(attributes[query.attribute], len(labels))
            for query in queries
        ]
    )
    for query, out in zip(queries, skipped, strict=True):
        values = attributes[query.attribute].values
        if not any(values[int(i)] == query.value for i in np.flatnonzero(~out)):
            raise AnnotationError(
                f"{query.name} is only in images of {labels[query.image]!r}; a search among other"
                " people has nothing to find"
            )
    parts = [_region(model, images, seen, query) for query in queries]
    judged = _Judge(labels, attributes, queries)
    found = {"random": judged.by_chance(skipped, seen.sizes)}
    found["image"] = judged.rankings(best(_similarities(seen, queries), skipped))
    for score, scores in score_all(model, seen, parts, report).items():
        first = best(scores, skipped)
        pairs = zip(parts, first, strict=True)
        places = [match_points(model, seen, part, score, some) for part, some in pairs]
        found[score] = judged.rankings(first, places)
    return found


def _listed(attribute: Attribute, count: int) -> NDArray[np.bool_]:
    listed = np.zeros(count, np.bool_)
    listed[list(attribute.values)] = True
    return listed


def _region(
    model: MetricModel, images: Sequence[LabelledImage], seen: Contributions, query: AttributeQuery
) -> QueryPart:
    number = query.image
    try:
        return region_of(model, seen, number, _pixels(query.box, seen.sizes[number]))
    except RegionError as error:
        raise AnnotationError(f"{query.name} of {images[number].path}: {error}") from error


def _pixels(box: Box | Shares, size: tuple[int, int]) -> Box:
    if isinstance(box, Box):
        return box
    (x, y, wide, high), (width, height) = box, size
    return Box(x * width, y * height, wide * width, high * height)


def _similarities(seen: Contributions, queries: Sequence[AttributeQuery]) -> NDArray[np.floating]:
    """Cosine similarity of each query's image with all images, shape [Q, N]."""
    embeddings = np.stack([seen.contributions[i].sum(0) + bias for i, bias in enumerate(seen.bias)])
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    similar: NDArray[np.floating] = unit[[query.image for query in queries]] @ unit.T
    return similar


@dataclass(frozen=True)
class _Judge:
    labels: Sequence[str]
    attributes: Mapping[str, Attribute]
    queries: Sequence[AttributeQuery]

    def rankings(
        self,
        found: Sequence[NDArray[np.int64]],
        places: Sequence[NDArray[np.float64]] | None = None,
    ) -> PartEvaluation:
        """Quality of the best images [K] for each query, and of the places [K, 2] in them."""
        right, near = list[Count](), list[Count]()
        for number, (query, some) in enumerate(zip(self.queries, found, strict=True)):
            values, label = self.attributes[query.attribute].values, self.labels[query.image]
            same = [values[i] == query.value for i in some.tolist()]
            right.append(Count(query.name, label, sum(same), len(same)))
            hits = [] if places is None else list(self._hits(query, some, places[number]))
            near.append(Count(query.name, label, sum(hits), len(hits)))
        return PartEvaluation(Tally.of(right), Tally.of(near))

    def by_chance(
        self, skipped: NDArray[np.bool_], sizes: Sequence[tuple[int, int]]
    ) -> PartEvaluation:
        """What random rankings and random places are expected to give."""
        right, near = list[Count](), list[Count]()
        for query, out in zip(self.queries, skipped, strict=True):
            attribute, label = self.attributes[query.attribute], self.labels[query.image]
            others = np.flatnonzero(~out).tolist()
            showing = [i for i in others if attribute.values[i] == query.value]
            right.append(Count(query.name, label, len(showing) / len(others), 1))
            areas = [
                box.width * box.height / (sizes[i][0] * sizes[i][1])
                for i in showing
                if (box := attribute.boxes.get(i))
            ]
            near.append(Count(query.name, label, sum(areas), len(areas)))
        return PartEvaluation(Tally.of(right), Tally.of(near))

    def _hits(
        self, query: AttributeQuery, found: NDArray[np.int64], points: NDArray[np.float64]
    ) -> Iterator[bool]:
        attribute = self.attributes[query.attribute]
        for i, (x, y) in zip(found.tolist(), points.tolist(), strict=True):
            box = attribute.boxes.get(i)
            if attribute.values[i] == query.value and box is not None:
                inside_x = box.x <= x <= box.x + box.width
                yield inside_x and box.y <= y <= box.y + box.height
