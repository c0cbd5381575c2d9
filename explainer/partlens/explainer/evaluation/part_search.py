"""Measures how well a region search finds a part: the right images first, and the right place.

For each part, the queries are images where it is visible, the region is a square around it, and the
gallery is all other images. Each score is compared with a random ranking.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.common.storage import Storage
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_picture
from partlens.explainer.model import MetricModel
from partlens.explainer.regions import position_weights
from partlens.explainer.scoring import QueryPart, Score, query_part, score_images
from partlens.explainer.spec import ModelSpec
from partlens.explainer.stored import Stored

DEFAULT_PARTS = ("beak", "crown", "left wing", "tail", "belly", "left leg")
TOP = 10
REACH = 0.25
"""Side of the square, and largest distance of a hit, in units of sqrt(box width * box height)."""
_CHUNK = 64

Ranking = Literal["random", "whole", "part", "context"]


@dataclass(frozen=True)
class PartQuery:
    """A part of an image to search for.

    Attributes:
        image: number of the image among the annotated images.
        part: name of the part.
    """

    image: int
    part: str


@dataclass(frozen=True)
class PartScores:
    """Quality of a ranking for one part, or the mean over parts.

    Attributes:
        precision_at_10: fraction of the first 10 images that show the query's label.
        part_hit: of the first 10 images that show the part, the fraction with the match point
            within REACH of it.
    """

    precision_at_10: float
    part_hit: float


@dataclass(frozen=True)
class PartEvaluation:
    """The mean over the parts, and the scores of each part."""

    mean: PartScores
    by_part: Mapping[str, PartScores]

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "precision_at_10": self.mean.precision_at_10,
            "part_hit": self.mean.part_hit,
            "by_part": {part: vars(scores) for part, scores in self.by_part.items()},
        }


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
) -> Contributions:
    """Decompose every annotated image.

    Args:
        model: the model.
        images: the annotated images.
        folder: folder that the images' paths are relative to.
        storage: storage type of the contributions.
        batch: images per pass.

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
    return Contributions(Stored.of(contributions, storage), bias)


def evaluate_parts(
    model: MetricModel,
    images: Sequence[AnnotatedImage],
    seen: Contributions,
    queries: Sequence[PartQuery],
    seed: int = 0,
) -> dict[Ranking, PartEvaluation]:
    """Measure how well each score finds parts.

    Args:
        model: the model that gave `seen`.
        images: N annotated images.
        seen: their contributions.
        queries: the parts to search for.
        seed: seed of the random ranking.
    """
    parts = [query_region(model.spec, images[q.image], q.part, seen, q.image) for q in queries]
    found: dict[Ranking, PartEvaluation] = {
        "random": judge(images, queries, *_random(images, len(queries), seed))
    }
    for score in sorted(get_args(Score), key=("whole", "part", "context").index):
        found[score] = judge(images, queries, *_ranked(model, images, seen, parts, score))
    return found


def _reach(image: AnnotatedImage) -> float:
    return REACH * float(np.sqrt(image.box.width * image.box.height))


def query_region(
    spec: ModelSpec, image: AnnotatedImage, part: str, seen: Contributions, number: int
) -> QueryPart:
    """The square around a part, as a search sees it.

    Args:
        seen: contributions of the gallery.
        number: number of the image in it.
    """
    (x, y), side = image.parts[part], _reach(image)
    square = Box(x - side / 2, y - side / 2, side, side)
    size = (image.width, image.height)
    weights = position_weights(square, size, spec.preprocessing, spec.grid)
    return query_part(seen.contributions[number], seen.bias[number], weights, spec.grid)


def _random(
    images: Sequence[AnnotatedImage], queries: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    sizes = np.array([(image.width, image.height) for image in images], np.float64)
    places = random.random((queries, len(images), 2)) * sizes
    return random.random((queries, len(images))), places


def _ranked(
    model: MetricModel,
    images: Sequence[AnnotatedImage],
    seen: Contributions,
    parts: Sequence[QueryPart],
    score: Score,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores [Q, N] and match points (x, y) in pixels of each image [Q, N, 2]."""
    preprocessing, (rows, cols) = model.spec.preprocessing, model.spec.grid
    scores = np.empty((len(parts), len(images)))
    places = np.empty((len(parts), len(images), 2))
    frames = [preprocessing.frame(image.width, image.height) for image in images]
    for start in range(0, len(images), _CHUNK):
        some = slice(start, min(start + _CHUNK, len(images)))
        contributions = seen.contributions[some]
        for q, part in enumerate(parts):
            scored = score_images(score, [part], contributions, seen.bias[some], (rows, cols))
            scores[q, some] = scored.scores
            row, col = scored.windows[:, [0, 2]].mean(1), scored.windows[:, [1, 3]].mean(1)
            places[q, some] = [
                frame.to_original(x, y)
                for frame, x, y in zip(
                    frames[some],
                    col * preprocessing.width / cols,
                    row * preprocessing.height / rows,
                    strict=True,
                )
            ]
    return scores, places


def judge(
    images: Sequence[AnnotatedImage],
    queries: Sequence[PartQuery],
    scores: NDArray[np.float64],
    places: NDArray[np.float64],
) -> PartEvaluation:
    """Quality of rankings; a query's own image is skipped.

    Args:
        scores: of each image for each query, shape [Q, N]; equal ones in order of the images.
        places: match points (x, y) in pixels of each image, shape [Q, N, 2].
    """
    by_part: dict[str, PartScores] = {}
    for part in dict.fromkeys(query.part for query in queries):
        right, near = list[bool](), list[bool]()
        for q, query in enumerate(queries):
            if query.part != part:
                continue
            order = np.argsort(-scores[q], kind="stable")
            for i in order[order != query.image][:TOP]:
                right.append(images[i].label == images[query.image].label)
                if part in images[i].parts:
                    away = np.hypot(*(places[q, i] - images[i].parts[part]))
                    near.append(bool(away <= _reach(images[i])))
        by_part[part] = PartScores(float(np.mean(right)), float(np.mean(near)) if near else 0.0)
    means = [np.mean([getattr(s, name) for s in by_part.values()]) for name in vars(_ZERO)]
    return PartEvaluation(PartScores(*map(float, means)), by_part)


_ZERO = PartScores(0.0, 0.0)
