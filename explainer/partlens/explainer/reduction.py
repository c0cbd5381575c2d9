"""Smaller models: the same backbone and head, with fewer positions or fewer dimensions.

Pooling neighbouring positions and projecting are linear, so the result is again a model:
contributions and bias sum to its embedding, and every score and map is exact for it. Fitting
measures what the smaller model loses against the larger one.
Axis letters: N images, P positions, D dimensions, K of them kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.explainer.errors import ModelError, ShapeError
from partlens.explainer.head.operators import Head, Operator
from partlens.explainer.model import MetricModel
from partlens.explainer.pooling import pool
from partlens.explainer.spec import Reduction

FloatArray = NDArray[np.float32]
_CHUNK = 64
_NAME, _WEIGHT = "projection", "projection.weight"


@dataclass(frozen=True, eq=False)
class Projection:
    """Projection onto the K orthonormal directions that keep most of the squared length.

    It is not centred, since subtracting a mean from every position would break the sum.

    Attributes:
        basis: orthonormal columns, float32 [D, K].
        lost: fraction of the sum of |c_p|^2 and |b|^2 that it drops, on the images it was fitted
            to; similarities are made of such products c_p.c_p.
        images: number of images it was fitted to.
    """

    basis: FloatArray
    lost: float
    images: int

    @classmethod
    def fit(
        cls, images: Iterable[tuple[FloatArray, FloatArray]], width: int, dimensions: int
    ) -> "Projection":
        """Fit a projection to images.

        Args:
            images: batches of contributions [N, P, D] and bias [N, D].
            width: D.
            dimensions: K.

        Raises:
            ShapeError: K is not in 1..D, or there is no image.
        """
        if not 1 <= dimensions <= width:
            raise ShapeError(
                f"{width} dimensions cannot be projected to {dimensions}; 1 to {width} is allowed"
            )
        moment, count = np.zeros((width, width)), 0
        for contributions, bias in images:
            moment += bias.T @ bias
            for start in range(0, len(contributions), _CHUNK):
                some = contributions[start : start + _CHUNK].reshape(-1, width)
                moment += some.T @ some
            count += len(contributions)
        if not count:
            raise ShapeError("a projection is fitted to images, and there are none; add some first")
        values, vectors = np.linalg.eigh(moment)
        kept, total = values[::-1][:dimensions].sum(), values.sum()
        basis = np.ascontiguousarray(vectors[:, ::-1][:, :dimensions], np.float32)
        return cls(basis, float(1 - kept / total) if total > 0 else 0.0, count)

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Project contributions or bias from [..., D] to [..., K]."""
        return vectors @ self.basis


def smaller(
    model: MetricModel,
    name: str,
    grid: tuple[int, int] | None = None,
    projection: Projection | None = None,
) -> MetricModel:
    """A model with fewer positions, fewer dimensions or both; save it to give it a digest.

    It keeps the bias share of the larger model.

    Args:
        model: the larger model.
        name: name of the smaller model.
        grid: its rows and columns; None keeps them.
        projection: projection of the dimensions; None keeps them.

    Raises:
        ModelError: the model is already a reduced one.
        ShapeError: the grid is finer than the model's.
    """
    spec = model.spec
    if spec.reduction is not None:
        raise ModelError(
            f"model {spec.name!r} is already a reduced model; use the model that it was made from,"
            f" {spec.reduction.of}"
        )
    grid = grid or spec.grid
    pool(np.zeros((0, spec.positions, 1), np.float32), spec.grid, grid)
    reduction = Reduction(
        of=spec.digest,
        grid=spec.grid,
        dimensions=spec.dimensions,
        lost=round(projection.lost, 6) if projection else 0.0,
        images=projection.images if projection else 0,
    )
    head, dimensions, steps = model.head, spec.dimensions, spec.head
    if projection is not None:
        head, dimensions = _projected(head, projection), projection.basis.shape[1]
        steps = f"{steps} -> linear ({_NAME})"
    made = replace(
        spec,
        name=name,
        digest="",
        grid=grid,
        dimensions=dimensions,
        head=steps,
        reduction=reduction,
        registered=spec.registered and spec.registered.pooled(grid),
    )
    return replace(model, spec=made, head=head, measured={})


def reduced(
    model: MetricModel, contributions: FloatArray, bias: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Convert the larger model's contributions and bias to those of the smaller model.

    Args:
        model: the smaller model.
        contributions: of the larger model, shape [N, P, D].
        bias: of the larger model, shape [N, D].

    Returns:
        Contributions [N, P', K] and bias [N, K].

    Raises:
        ModelError: the model is not a reduced model.
    """
    if model.spec.reduction is None:
        raise ModelError(f"model {model.spec.name!r} was not made from a larger one")
    contributions = pool(contributions, model.spec.feature_grid, model.spec.grid)
    if model.head.output != _NAME:
        return contributions, bias
    basis = model.head.weights[_WEIGHT].numpy().T
    return contributions @ basis, bias @ basis


def _projected(head: Head, projection: Projection) -> Head:
    last = Operator("linear", _NAME, _NAME, (head.output, _WEIGHT))
    weight = torch.from_numpy(projection.basis.T.copy())
    return Head((*head.operators, last), {**head.weights, _WEIGHT: weight}, _NAME)
