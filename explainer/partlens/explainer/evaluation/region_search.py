"""Decomposes images, and searches them by regions as a search without an index would."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.common.pictures import UprightPicture
from partlens.common.regions import Box
from partlens.common.storage import Storage
from partlens.explainer.evaluation.progress import Report, ignore
from partlens.explainer.model import MetricModel
from partlens.explainer.regions import position_weights
from partlens.explainer.scoring import (
    MIXTURES,
    ManySearches,
    QueryPart,
    Score,
    query_part,
    score_images,
)
from partlens.explainer.stored import Stored

TOP = 10
SCORES: Sequence[Score] = tuple(MIXTURES)
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class Contributions:
    """What a gallery stores of N images.

    Attributes:
        contributions: shape [N, P, D].
        bias: shape [N, D].
        sizes: (width, height) of each upright image in pixels, N.
    """

    contributions: Stored
    bias: NDArray[np.float32]
    sizes: Sequence[tuple[int, int]]

    @property
    def bytes_per_image(self) -> int:
        """Bytes of an image's contributions and bias."""
        return self.contributions.bytes_per_image + self.bias[:1].nbytes


def decompose_pictures(
    model: MetricModel,
    pictures: Sequence[Callable[[], UprightPicture]],
    storage: Storage = "float16",
    batch: int = 16,
    report: Report = ignore,
) -> Contributions:
    """Decompose pictures.

    Args:
        model: the model.
        pictures: read each of the N pictures, decoded at Preprocessing.least of the model.
        storage: storage type of the contributions.
        batch: images per pass.
        report: called with the number of images done.
    """
    count = len(pictures)
    bias = np.empty((count, model.spec.dimensions), np.float32)
    stored, sizes = list[Stored](), list[tuple[int, int]]()
    for start in range(0, count, batch):
        some = [read() for read in pictures[start : start + batch]]
        seen = model.decompose(some)
        stored.append(Stored.of(seen.contributions, storage))
        bias[start : start + len(some)] = seen.bias
        sizes += [picture.size for picture in some]
        report(len(sizes))
    return Contributions(joined(stored), bias, sizes)


def joined(batches: Sequence[Stored]) -> Stored:
    """Batches of images in storage form as one."""
    values = np.concatenate([np.asarray(batch.values) for batch in batches])
    scales = [np.asarray(batch.scales) for batch in batches if batch.scales is not None]
    return Stored(values, np.concatenate(scales) if scales else None)


def region_of(model: MetricModel, seen: Contributions, image: int, box: Box) -> QueryPart:
    """A box of an image, in its pixels, prepared for a search.

    Raises:
        RegionError: the box is empty, or outside what the model sees of the image.
    """
    spec = model.spec
    weights = position_weights(box, seen.sizes[image], spec.preprocessing, spec.registration)
    return query_part(seen.contributions[image], seen.bias[image], weights, spec.grid)


def score_all(
    model: MetricModel, seen: Contributions, parts: Sequence[QueryPart], report: Report = ignore
) -> dict[Score, NDArray[np.float32]]:
    """Each score of all N images for Q regions, shape [Q, N]."""
    searches = ManySearches([(score, [part]) for score in SCORES for part in parts])
    count = len(seen.bias)
    scores = np.empty((count, len(SCORES), len(parts)), np.float32)
    for start in range(0, count, _CHUNK):
        some = slice(start, start + _CHUNK)
        found = searches.scores(seen.contributions[some], seen.bias[some], model.spec.grid)
        scores[some] = found.reshape(-1, *scores.shape[1:])
        report(min(start + _CHUNK, count))
    return {score: scores[:, number].T for number, score in enumerate(SCORES)}


def best(
    scores: NDArray[np.floating], skipped: NDArray[np.bool_], count: int = TOP
) -> list[NDArray[np.int64]]:
    """Numbers of the best images for each query, best first; equal ones in order of the images.

    Args:
        scores: of each image for each query, shape [Q, N].
        skipped: whether an image is left out of a query's ranking, shape [Q, N].
        count: length of a ranking; shorter if fewer images are left.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    return [row[~out[row]][:count] for row, out in zip(order, skipped, strict=True)]


def match_points(
    model: MetricModel,
    seen: Contributions,
    part: QueryPart,
    score: Score,
    images: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Middles (x, y) of the matches in K images, in pixels of each, shape [K, 2]."""
    contributions, bias = seen.contributions[images], seen.bias[images]
    windows = score_images(score, [part], contributions, bias, model.spec.grid).windows
    return middles(model, windows, [seen.sizes[i] for i in images])


def middles(
    model: MetricModel, windows: NDArray[np.float64], sizes: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """Middles (x, y) of windows of K images, in pixels of each, shape [K, 2].

    Args:
        windows: (row0, col0, row1, col1) in cells of the grid, shape [K, 4].
        sizes: (width, height) of each image.
    """
    preprocessing, registration = model.spec.preprocessing, model.spec.registration
    y = registration.rows.to_places(windows[:, [0, 2]].mean(1)) * preprocessing.height
    x = registration.cols.to_places(windows[:, [1, 3]].mean(1)) * preprocessing.width
    frames = [preprocessing.frame(*size) for size in sizes]
    return np.array([f.to_original(*at) for f, *at in zip(frames, x, y, strict=True)])
