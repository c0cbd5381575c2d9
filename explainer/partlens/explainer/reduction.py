"""Smaller models: the same backbone and head, with fewer positions or fewer dimensions.

Adding neighbouring positions up and projecting are linear, so what is left is again a model whose
contributions and bias sum to its embedding, and every score and map is exact for it. What the
smaller model loses against the larger one is measured where it is fitted.
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
    """Onto the K orthonormal directions that keep most of the contributions' squared length.

    Uncentred, as a mean taken away from every position would break the sum.

    Attributes:
        basis: orthonormal columns, float32 [D, K].
        lost: share of the sum of |c_p|^2 and |b|^2 that it drops, on what it was fitted to: of
            the products c_p.c_p that similarities are made of.
        images: to how many it was fitted.
    """

    basis: FloatArray
    lost: float
    images: int

    @classmethod
    def fit(
        cls, images: Iterable[tuple[FloatArray, FloatArray]], width: int, dimensions: int
    ) -> "Projection":
        """Fitted to images.

        Args:
            images: contributions [N, P, D] and bias [N, D] of some at a time.
            width: D.
            dimensions: K.

        Raises:
            ShapeError: K is not 1 to D, or there is no image.
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
            raise ShapeError("a projection is fitted to images, and there is none; add some first")
        values, vectors = np.linalg.eigh(moment)
        kept, total = values[::-1][:dimensions].sum(), values.sum()
        basis = np.ascontiguousarray(vectors[:, ::-1][:, :dimensions], np.float32)
        return cls(basis, float(1 - kept / total) if total > 0 else 0.0, count)

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Contributions or bias [..., D] as [..., K]."""
        return vectors @ self.basis


def smaller(
    model: MetricModel,
    name: str,
    grid: tuple[int, int] | None = None,
    projection: Projection | None = None,
) -> MetricModel:
    """A model of fewer positions, fewer dimensions or both; save it to give it a digest.

    Its bias share stays that of the larger one.

    Args:
        model: the larger one.
        name: of the smaller one.
        grid: rows and columns to keep; None for all.
        projection: of the dimensions; None for all.

    Raises:
        ModelError: of a model that is a smaller one already.
        ShapeError: the grid is finer than the model's.
    """
    spec = model.spec
    if spec.reduction is not None:
        raise ModelError(
            f"model {spec.name!r} is a smaller one already; use the one that it was made of,"
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
    )
    return replace(model, spec=made, head=head, measured={})


def reduced(
    model: MetricModel, contributions: FloatArray, bias: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What a smaller model gives where the one it was made of gave this.

    Args:
        contributions: of the larger model, shape [N, P, D].
        bias: likewise, shape [N, D].

    Returns:
        Contributions [N, P', K] and bias [N, K].

    Raises:
        ModelError: the model is no smaller one.
    """
    if model.spec.reduction is None:
        raise ModelError(f"model {model.spec.name!r} was made of no larger one")
    contributions = pool(contributions, model.spec.feature_grid, model.spec.grid)
    if model.head.output != _NAME:
        return contributions, bias
    basis = model.head.weights[_WEIGHT].numpy().T
    return contributions @ basis, bias @ basis


def _projected(head: Head, projection: Projection) -> Head:
    last = Operator("linear", _NAME, _NAME, (head.output, _WEIGHT))
    weight = torch.from_numpy(projection.basis.T.copy())
    return Head((*head.operators, last), {**head.weights, _WEIGHT: weight}, _NAME)
