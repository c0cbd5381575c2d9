"""Measures how well a region search finds a part: the right images first, and the right place.

For each part, the queries are images where it is visible, the region is a square around it, and the
gallery is all other images. Each score is compared with a random ranking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.common.storage import Storage
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_picture
from partlens.explainer.evaluation.part_quality import (
    PartEvaluation,
    PartQuery,
    best,
    judge,
    reach,
)
from partlens.explainer.evaluation.progress import Report, ignore
from partlens.explainer.model import MetricModel
from partlens.explainer.regions import position_weights, window_box
from partlens.explainer.scoring import (
    ManySearches,
    QueryPart,
    Score,
    query_part,
    score_images,
)
from partlens.explainer.stored import Stored

DEFAULT_PARTS = ("beak", "crown", "left wing", "tail", "belly", "left leg")
_CHUNK = 64

Ranking = Literal["random", "whole", "part", "context"]


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


@dataclass(frozen=True, eq=False)
class Contributions:
    """What a gallery stores of N images: contributions [N, P, D] and bias [N, D]."""

    contributions: Stored
    bias: NDArray[np.float32]

    @property
    def bytes_per_image(self) -> int:
        """Bytes of an image's contributions and bias."""
        return self.contributions.bytes_per_image + self.bias[:1].nbytes


def decompose_all(
    model: MetricModel,
    images: Sequence[AnnotatedImage],
    folder: Path,
    storage: Storage = "float16",
    batch: int = 16,
    report: Report = ignore,
) -> Contributions:
    """Decompose every annotated image.

    Args:
        model: the model.
        images: the annotated images.
        folder: folder that the images' paths are relative to.
        storage: storage type of the contributions.
        batch: images per pass.
        report: called with the number of images done.

    Raises:
        AnnotationError: an image is missing or unusable, or its size is not the annotated one.
    """
    spec = model.spec
    shape = (len(images), spec.positions, spec.dimensions)
    contributions, bias = np.empty(shape, np.float32), np.empty(shape[::2], np.float32)
    for start in range(0, len(images), batch):
        some = [read_picture(folder, image) for image in images[start : start + batch]]
        seen = model.decompose(some)
        contributions[start : start + len(some)] = seen.contributions
        bias[start : start + len(some)] = seen.bias
        report(start + len(some))
    return Contributions(Stored.of(contributions, storage), bias)


def evaluate_parts(
    model: MetricModel,
    images: Sequence[AnnotatedImage],
    seen: Contributions,
    queries: Sequence[PartQuery],
    seed: int = 0,
    report: Report = ignore,
) -> dict[Ranking, PartEvaluation]:
    """Measure how well each score finds parts.

    Args:
        model: the model that gave `seen`.
        images: N annotated images.
        seen: their contributions.
        queries: the parts to search for.
        seed: seed of the random ranking.
        report: called with the number of images searched.
    """
    parts = [_region(model, images[q.image], q.part, seen, q.image) for q in queries]
    own = np.array([query.image for query in queries])
    random = np.random.default_rng(seed)
    points = random.random((len(queries), len(images), 2))
    first = best(random.random((len(queries), len(images))), own)
    sizes = np.array([(image.width, image.height) for image in images], np.float64)
    places = np.take_along_axis(points, first[..., None], axis=1) * sizes[first]
    found: dict[Ranking, PartEvaluation] = {"random": judge(images, queries, first, places)}
    for score, scores in _scores(model, seen, parts, report).items():
        first = best(scores, own)
        places = np.stack(
            [_places(model, images, seen, p, score, f) for p, f in zip(parts, first, strict=True)]
        )
        found[score] = judge(images, queries, first, places)
    return found


def _region(
    model: MetricModel, image: AnnotatedImage, part: str, seen: Contributions, number: int
) -> QueryPart:
    (x, y), side = image.parts[part], reach(image)
    square = Box(x - side / 2, y - side / 2, side, side)
    spec = model.spec
    size = (image.width, image.height)
    weights = position_weights(square, size, spec.preprocessing, spec.grid)
    return query_part(seen.contributions[number], seen.bias[number], weights, spec.grid)


def _scores(
    model: MetricModel, seen: Contributions, parts: Sequence[QueryPart], report: Report
) -> dict[Score, NDArray[np.float32]]:
    """Each score of all N images for Q parts, shape [Q, N]."""
    names = sorted(get_args(Score), key=("whole", "part", "context").index)
    searches = ManySearches([(score, [part]) for score in names for part in parts])
    count = len(seen.bias)
    scores = np.empty((count, len(names), len(parts)), np.float32)
    for start in range(0, count, _CHUNK):
        some = slice(start, start + _CHUNK)
        found = searches.scores(seen.contributions[some], seen.bias[some], model.spec.grid)
        scores[some] = found.reshape(-1, *scores.shape[1:])
        report(min(start + _CHUNK, count))
    return {name: scores[:, number].T for number, name in enumerate(names)}


def _places(
    model: MetricModel,
    images: Sequence[AnnotatedImage],
    seen: Contributions,
    part: QueryPart,
    score: Score,
    found: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Middles (x, y) of the hits' boxes in K images by their numbers, in pixels, shape [K, 2]."""
    preprocessing, grid = model.spec.preprocessing, model.spec.grid
    contributions, bias = seen.contributions[found], seen.bias[found]
    windows = score_images(score, [part], contributions, bias, grid).windows
    middles = []
    for number, (row0, col0, row1, col1) in zip(found, windows.tolist(), strict=True):
        size = images[number].width, images[number].height
        box = window_box(row0, col0, row1, col1, size, preprocessing, grid)
        middles.append((box.x + box.width / 2, box.y + box.height / 2))
    return np.array(middles)
