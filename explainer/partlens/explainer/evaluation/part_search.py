"""Measures how well a region search finds a part: the right images first, and the right place.

For each part, the queries are images where it is visible, the region is a square around it, and the
gallery is all other images. Each score is compared with a random ranking.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.common.storage import Storage
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_picture
from partlens.explainer.evaluation.part_quality import PartEvaluation, PartQuery, judge, reach
from partlens.explainer.evaluation.progress import Report, ignore
from partlens.explainer.evaluation.region_search import (
    Contributions,
    best,
    decompose_pictures,
    match_points,
    region_of,
    score_all,
)
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import QueryPart

DEFAULT_PARTS = ("beak", "crown", "left wing", "tail", "belly", "left leg")


def choose_queries(
    images: Sequence[AnnotatedImage], parts: Sequence[str], count: int, seed: int
) -> list[PartQuery]:
    """Random images in which each part is visible; the same seed gives the same images.

    Raises:
        AnnotationError: a part is visible in fewer than two images.
    """
    chosen = []
    for number, part in enumerate(parts):
        visible = [i for i, image in enumerate(images) if part in image.parts]
        if len(visible) < 2:
            known = sorted({name for image in images for name in image.parts})
            raise AnnotationError(
                f"part {part!r} is visible in {len(visible)} images, but 2 are needed; annotated"
                f" parts: {', '.join(known) or 'none'} (choose with --part)"
            )
        random = np.random.default_rng([seed, number])
        some = random.choice(visible, min(count, len(visible)), replace=False)
        chosen += [PartQuery(int(i), part) for i in some]
    return chosen


def decompose_all(
    model: MetricModel,
    images: Sequence[AnnotatedImage],
    folder: Path,
    storage: Storage = "float16",
    report: Report = ignore,
) -> Contributions:
    """Decompose every annotated image.

    Args:
        model, storage, report: see decompose_pictures.
        images: the annotated images.
        folder: folder that the images' paths are relative to.

    Raises:
        AnnotationError: an image is missing or unusable, or its size is not the annotated one.
    """
    least = model.spec.preprocessing.least
    pictures = [partial(read_picture, folder, image, least) for image in images]
    return decompose_pictures(model, pictures, storage, report=report)


def evaluate_parts(
    model: MetricModel,
    images: Sequence[AnnotatedImage],
    seen: Contributions,
    queries: Sequence[PartQuery],
    seed: int = 0,
    report: Report = ignore,
) -> dict[str, PartEvaluation]:
    """Measure how well each score finds parts.

    Args:
        model: the model that gave `seen`.
        images: N annotated images.
        seen: their contributions.
        queries: the parts to search for.
        seed: seed of the random ranking.
        report: called with the number of images searched.
    """
    parts = [part_region(model, images, seen, query) for query in queries]
    own = np.array([query.image for query in queries])[:, None] == np.arange(len(images))
    found: dict[str, PartEvaluation] = {"random": _random(images, queries, own, seed)}
    for score, scores in score_all(model, seen, parts, report).items():
        first = best(scores, own)
        pairs = zip(parts, first, strict=True)
        places = [match_points(model, seen, part, score, some) for part, some in pairs]
        found[score] = judge(images, queries, first, places)
    return found


def part_region(
    model: MetricModel, images: Sequence[AnnotatedImage], seen: Contributions, query: PartQuery
) -> QueryPart:
    """The square around a part, as a search sees it."""
    image = images[query.image]
    (x, y), side = image.parts[query.part], reach(image)
    return region_of(model, seen, query.image, Box(x - side / 2, y - side / 2, side, side))


def _random(
    images: Sequence[AnnotatedImage],
    queries: Sequence[PartQuery],
    own: NDArray[np.bool_],
    seed: int,
) -> PartEvaluation:
    random = np.random.default_rng(seed)
    sizes = np.array([(image.width, image.height) for image in images], np.float64)
    points = random.random((len(queries), len(images), 2)) * sizes
    first = best(random.random(own.shape), own)
    return judge(images, queries, first, [at[some] for at, some in zip(points, first, strict=True)])
