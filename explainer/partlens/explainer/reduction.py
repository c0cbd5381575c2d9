"""Smaller models: the same backbone and head, with fewer positions or fewer dimensions.

Pooling neighbouring positions and any linear map of contributions give a model again: contributions
and bias sum to its embedding, and every score and map is exact for it. Besides dropping dimensions,
a projection may whiten the others and remove directions of position; the similarity of the model
is then that of the new space. Fitting measures what is dropped.
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
_LEAST_SHARE = 1e-6
"""Whitening takes an eigenvalue for at least this share of the largest: smaller ones are rounding
errors of stored contributions."""
_NAME, _WEIGHT = "projection", "projection.weight"


@dataclass(frozen=True, eq=False)
class Projection:
    """A linear map of contributions and bias from D to K dimensions.

    Its directions are those that keep most of the squared length. It is not centred, since
    subtracting a mean from every position would break the sum.

    Attributes:
        basis: float32 [D, K]; its columns are orthogonal, and of length 1 unless whitened.
        lost: fraction of the sum of |c_p|^2 and |b|^2 that it drops, on the images it was fitted
            to; similarities are made of such products c_p.c_p.
        images: number of images it was fitted to.
        bias_share: mean |b| / |E| of these images after the projection.
        whitening: exponent t; direction k is divided by its (eigenvalue k / eigenvalue 1)^(t/2).
        removed: number of positional directions, to which all columns are orthogonal.
    """

    basis: FloatArray
    lost: float
    images: int
    bias_share: float
    whitening: float = 0.0
    removed: int = 0

    @classmethod
    def fit(
        cls,
        images: Iterable[tuple[FloatArray, FloatArray]],
        width: int,
        dimensions: int | None = None,
        *,
        whitening: float = 0.0,
        removed: int = 0,
    ) -> "Projection":
        """Fit a projection to images.

        Args:
            images: batches of contributions [N, P, D] and bias [N, D].
            width: D.
            dimensions: K; None keeps all that `removed` leaves.
            whitening: 0 keeps all lengths; 1 makes all K directions equally long on these images.
            removed: how many positional directions to project out first: those along which the
                mean contributions of the P positions differ most (see _positional).

        Raises:
            ShapeError: K is not in 1..D - removed, whitening is not in 0..1, fewer than
                removed + 1 positions, or no image.
        """
        most = width - removed
        if dimensions is None:
            dimensions = most
        if not 1 <= dimensions <= most:
            raise ShapeError(
                f"{width} dimensions less {removed} positional ones cannot be projected to"
                f" {dimensions}; 1 to {most} is allowed"
            )
        if not 0 <= whitening <= 1:
            raise ShapeError(f"a whitening of {whitening} is not possible; 0 to 1 is allowed")
        seen = _Moments.of(images, width)
        others = _others(_positional(seen.mean, removed))
        values, vectors = np.linalg.eigh(others.T @ seen.moment @ others)
        values, vectors = values[::-1][:dimensions], vectors[:, ::-1][:, :dimensions]
        kept, total = values.sum(), np.trace(seen.moment)
        basis = np.ascontiguousarray(others @ vectors * _scales(values, whitening), np.float32)
        lost = float(np.clip(1 - kept / total, 0, 1)) if total > 0 else 0.0
        share = seen.bias_share(basis)
        return cls(basis, lost, len(seen.embeddings), share, whitening, removed)

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """Project contributions or bias from [..., D] to [..., K]."""
        return vectors @ self.basis


@dataclass(frozen=True, eq=False)
class _Moments:
    """What a projection is fitted to, of N images.

    Attributes:
        moment: sum of c_p c_p^T and b b^T, shape [D, D].
        mean: mean contributions of each position, shape [P, D].
        embeddings, biases: E and b of each image, shape [N, D].
    """

    moment: NDArray[np.float64]
    mean: NDArray[np.float64]
    embeddings: FloatArray
    biases: FloatArray

    @classmethod
    def of(cls, images: Iterable[tuple[FloatArray, FloatArray]], width: int) -> "_Moments":
        """Read batches of contributions [N, P, D] and bias [N, D]; ShapeError if none."""
        moment, total = np.zeros((width, width)), np.zeros((1, width))
        embeddings, biases = list[FloatArray](), list[FloatArray]()
        for contributions, bias in images:
            moment += bias.T @ bias
            for start in range(0, len(contributions), _CHUNK):
                some = contributions[start : start + _CHUNK].reshape(-1, width)
                moment += some.T @ some
            total = total + contributions.sum(0, dtype=np.float64)
            embeddings.append(contributions.sum(1) + bias)
            biases.append(bias)
        if not sum(map(len, biases)):
            raise ShapeError("a projection is fitted to images, and there are none; add some first")
        together = np.concatenate(embeddings)
        return cls(moment, total / len(together), together, np.concatenate(biases))

    def bias_share(self, basis: FloatArray) -> float:
        """Mean |b| / |E| after a map [D, K]."""
        lengths, of_bias = (
            np.linalg.norm(vectors @ basis, axis=1) for vectors in (self.embeddings, self.biases)
        )
        return float((of_bias / np.maximum(lengths, 1e-12)).mean())


def _positional(mean: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Orthonormal directions [D, count] along which mean contributions [P, D] differ most.

    What an image shows at a position changes from image to image; what its position adds does not,
    and remains in the mean.
    """
    if not 0 <= count < len(mean):
        raise ShapeError(
            f"{len(mean)} positions differ along at most {len(mean) - 1} directions, so {count}"
            " positional directions cannot be removed"
        )
    _, _, directions = np.linalg.svd(mean - mean.mean(0), full_matrices=False)
    return np.asarray(directions[:count].T, np.float64)


def _others(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal directions [D, D - R] that complete R orthonormal ones [D, R]."""
    complete, _ = np.linalg.qr(directions, mode="complete")
    return np.asarray(complete[:, directions.shape[1] :], np.float64)


def _scales(values: NDArray[np.float64], whitening: float) -> NDArray[np.float64]:
    """Factor of each direction with an eigenvalue, largest first [K]; 1 for the first."""
    if values[0] <= 0:
        return np.ones(len(values))
    shares = np.maximum(values / values[0], _LEAST_SHARE)
    return np.asarray(shares ** (-whitening / 2), np.float64)


def smaller(
    model: MetricModel,
    name: str,
    grid: tuple[int, int] | None = None,
    projection: Projection | None = None,
) -> MetricModel:
    """A model with fewer positions, fewer dimensions or both; save it to give it a digest.

    Without a projection it keeps the bias share of the larger model.

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
        whitening=projection.whitening if projection else 0.0,
        removed=projection.removed if projection else 0,
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
        bias_share=spec.bias_share if projection is None else projection.bias_share,
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
