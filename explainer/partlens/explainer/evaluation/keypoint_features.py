"""Feature maps and contributions of images, to transfer keypoints by."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.explainer.errors import RegionError
from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.batches import batches
from partlens.explainer.evaluation.part_quality import reach
from partlens.explainer.evaluation.progress import Report, ignore
from partlens.explainer.evaluation.region_search import joined
from partlens.explainer.model import MetricModel
from partlens.explainer.pooling import pool
from partlens.explainer.regions import position_weights
from partlens.explainer.scoring import QueryPart, query_part
from partlens.explainer.spec import ModelSpec
from partlens.explainer.stored import Stored

Method = Literal["features", "contributions", "map", "region"]
METHODS: Sequence[Method] = get_args(Method)
"""Ways to transfer a point:

features, contributions: to the nearest neighbour, by cosine, of the feature (contribution) at the
    point, interpolated between cells.
map: to the maximum of the point's map: contributions with the largest product.
region: to where a search lays a square around the point; see scoring.placement.place.
"""

FloatArray = NDArray[np.float32]


class KeypointFeatures:
    """Vectors of all positions of N images.

    Args:
        model: the model.
        folder: folder that the images' paths are relative to.
        images: the images.
        report: called with the number of images done.

    Raises:
        AnnotationError: an image is missing or unusable, or its size is not the annotated one.
    """

    def __init__(
        self,
        model: MetricModel,
        folder: Path,
        images: Sequence[AnnotatedImage],
        report: Report = ignore,
    ) -> None:
        self._model, self._images = model, images
        features, contributions = list[Stored](), list[Stored]()
        for batch in batches(model, folder, images):
            seen = model.decompose_features(batch.feature)
            features.append(Stored.of(_positions(model, batch.feature), "float16"))
            contributions.append(Stored.of(seen.contributions, "float16"))
            report(batch.numbers.stop)
        self._features, self._contributions = joined(features), joined(contributions)

    def of(self, images: Sequence[int]) -> Mapping[Method, FloatArray]:
        """Vectors of some of the images for each method, shape [M, P, dimensions]."""
        numbers = np.asarray(images, np.int64)
        contributions = self._contributions[numbers]
        return {
            "features": self._features[numbers],
            "contributions": contributions,
            "map": _same_length(contributions),
            "region": contributions,
        }

    def query(
        self, method: Method, vectors: FloatArray, image: int, point: tuple[float, float]
    ) -> QueryPart | None:
        """A point of an image to look for; None where the model does not see it.

        Args:
            method: how to look for it.
            vectors: vectors of the image for this method, shape [P, dimensions].
            image: number of the image.
            point: (x, y) in pixels of the image.
        """
        spec, annotated = self._model.spec, self._images[image]
        size = annotated.width, annotated.height
        if method == "region":
            side = reach(annotated)
            box = Box(point[0] - side / 2, point[1] - side / 2, side, side)
            try:
                weights = position_weights(box, size, spec.preprocessing, spec.registration)
            except RegionError:
                return None
        else:
            weights = _interpolation(spec, size, point)
            if not weights.any():
                return None
            nearest = int(weights.argmax())
            feature = weights @ vectors
            if method == "map":
                feature[-1] = 0
            # Nothing around the vector, which would help to place it.
            vectors, weights = np.zeros_like(vectors), np.zeros_like(weights)
            vectors[nearest], weights[nearest] = feature, 1
        return query_part(vectors, np.zeros(vectors.shape[1], np.float32), weights, spec.grid)


def _interpolation(
    spec: ModelSpec, size: tuple[int, int], point: tuple[float, float]
) -> FloatArray:
    """Weight of each position at a point, bilinear between the centres of the cells, shape [P]."""
    x, y = spec.preprocessing.frame(*size).to_input(*point)
    down = spec.registration.rows.interpolation(np.array([y / spec.preprocessing.height]))
    across = spec.registration.cols.interpolation(np.array([x / spec.preprocessing.width]))
    return (down.T @ across).astype(np.float32).reshape(-1)


def _positions(model: MetricModel, feature: torch.Tensor) -> FloatArray:
    """A feature map [N, C, rows, cols] or tokens [N, T, C] as cells of the grid, [N, P, C]."""
    spec = model.spec
    tokens = feature.flatten(2).transpose(1, 2) if feature.ndim == 4 else feature
    cells = tokens[:, len(spec.extras) :].contiguous().numpy()
    return cells if spec.feature_grid == spec.grid else pool(cells, spec.feature_grid, spec.grid)


def _same_length(vectors: FloatArray) -> FloatArray:
    """Vectors [M, P, D] with one more dimension, in which all of an image are equally long.

    Their cosine with a vector that is 0 there is then proportional to the product of the two.
    """
    squares = np.vecdot(vectors, vectors)
    more = np.sqrt(squares.max(1, keepdims=True) - squares)
    return np.concatenate([vectors, more[..., None]], axis=2)
