"""Measures whether the positions that a map ranks first carry the score: deletion and insertion.

Each image is explained against a region of its nearest other image: the annotated box. The score is
that of a search for this region, WHOLE = f.E / (|E||E_other|). Deletion removes positions from the
image in the order of a map, highest first, so the score falls: a low area under the curve is good.
Insertion adds them in the same order: a high area is good (Petsiuk et al., 2018). A random order is
the baseline.

There are three kinds of removal:
- contributions: c_p is subtracted from the embedding. This is exact and runs no network, but the
  nonlinear parts of the head stay frozen, and a decomposition ranks by nearly the same sum, so it
  has an advantage. It does not win by definition only because |E| is recomputed.
- blur, mean: the position's cell of the picture is blurred (standard deviation: half a cell) or
  filled with the picture's mean colour, and the whole network runs again. No method has an
  advantage, but the network was not trained on such pictures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from partlens.common.registration import Registration
from partlens.explainer.backbone import FloatArray
from partlens.explainer.comparators import COMPARATORS, Target
from partlens.explainer.errors import ShapeError
from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.batches import Batch, batches, nearest
from partlens.explainer.head.run import run
from partlens.explainer.model import MetricModel
from partlens.explainer.regions import position_weights

Removal = Literal["contributions", "blur", "mean"]
FRACTIONS = tuple(round(step / 10, 1) for step in range(11))
RANDOM = "random"
Embedder = Callable[[Tensor], Tensor]
"""From a mask of the positions to keep, bool [N, P], to the images' embeddings [N, D]."""


@dataclass(frozen=True)
class Faithfulness:
    """One method's curves, each the mean over the images.

    Attributes:
        deletion: scores without the top FRACTIONS of the positions.
        insertion: scores with only the top FRACTIONS.
    """

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    def to_json(self) -> dict[str, object]:
        """Plain values: the areas and the curves."""
        return {
            "deletion": area(self.deletion),
            "insertion": area(self.insertion),
            "deletion_curve": self.deletion.tolist(),
            "insertion_curve": self.insertion.tolist(),
        }


def area(curve: NDArray[np.floating]) -> float:
    """Area under a curve over FRACTIONS, by trapezoids.

    Args:
        curve: a score for each of FRACTIONS, shape [11].

    >>> area(np.linspace(1, 0, 11))
    0.5
    """
    return float(np.trapezoid(curve, FRACTIONS))


def measure_faithfulness(
    model: MetricModel,
    folder: Path,
    images: Sequence[AnnotatedImage],
    removal: Removal,
    sample: int | None = None,
) -> dict[str, Faithfulness]:
    """Deletion and insertion of every comparator and of a random order.

    Args:
        folder: folder that the images' paths are relative to.
        removal: how a position is removed.
        sample: number of images to explain, evenly spaced; the nearest image may be any.

    Raises:
        AnnotationError: fewer than two images, or an unusable one.
        RegionError: the model does not see an annotated box.
        ShapeError: an embedding of zero length, or tokens with no known place in the picture.
    """
    _require_cells(model, removal)
    targets = _targets(model, folder, images)
    count = min(sample or len(images), len(images))
    some = np.linspace(0, len(images) - 1, count).round().astype(np.int64)
    random = torch.Generator().manual_seed(0)
    sums: dict[str, NDArray[np.float64]] = {}
    for batch in batches(model, folder, [images[i] for i in some]):
        target = targets[torch.from_numpy(some[batch.numbers])]
        orders = _orders(model, batch, target, random)
        for method, curves in mean_curves(orders, _embedder(model, batch, removal), target).items():
            weighted = curves * len(batch.images)
            sums[method] = sums[method] + weighted if method in sums else weighted
    return {method: Faithfulness(*(total / count)) for method, total in sums.items()}


def mean_curves(
    orders: Mapping[str, Tensor], embed: Embedder, target: Target
) -> dict[str, NDArray[np.float64]]:
    """Deletion and insertion over FRACTIONS, the mean over N images, shape [2, FRACTIONS].

    Args:
        orders: method -> positions in the order of removal, int64 [N, P].
        embed: from a mask of the positions to keep, bool [N, P], to embeddings [N, D].
        target: N targets for the score.
    """
    # Methods that the paper proves equal give the same order: one run of the network serves all.
    known: dict[bytes, NDArray[np.float64]] = {}
    found = {}
    for method, order in orders.items():
        key = order.numpy().tobytes()
        if key not in known:
            known[key] = _both_curves(order, embed, target)
        found[method] = known[key]
    return found


def _both_curves(order: Tensor, embed: Embedder, target: Target) -> NDArray[np.float64]:
    rank = order.argsort(1)
    gone = [rank < round(fraction * rank.shape[1]) for fraction in FRACTIONS]
    return np.array(
        [
            [_scores(embed(kept), target).mean().item() for kept in curve]
            for curve in ([~some for some in gone], gone)
        ]
    )


def _scores(embeddings: Tensor, target: Target) -> Tensor:
    """WHOLE of each image, shape [N]; 0 if nothing of the image is left."""
    products: Tensor = (embeddings * target.feature).sum(1)
    lengths = embeddings.norm(dim=1) * target.norm
    return torch.where(lengths > 0, products / lengths.clamp(min=1e-30), 0.0)


def _targets(model: MetricModel, folder: Path, images: Sequence[AnnotatedImage]) -> Target:
    """For each image, the annotated region of its nearest other image."""
    embeddings, features = [], []
    for batch in batches(model, folder, images):
        seen = model.decompose_features(batch.feature)
        contributions = torch.from_numpy(seen.contributions)
        embeddings.append(contributions.sum(1) + torch.from_numpy(seen.bias))
        shares = [
            position_weights(
                image.box,
                (image.width, image.height),
                model.spec.preprocessing,
                model.spec.registration,
            )
            for image in batch.images
        ]
        weights = torch.from_numpy(np.stack(shares)).to(contributions)
        features.append(torch.einsum("np,npd->nd", weights, contributions))
    all_embeddings, feature = torch.cat(embeddings), torch.cat(features)
    target = Target(feature, torch.zeros_like(feature), all_embeddings.norm(dim=1))
    return target[nearest(all_embeddings)]


def _orders(
    model: MetricModel, batch: Batch, target: Target, random: torch.Generator
) -> dict[str, Tensor]:
    """method -> positions from the highest to the lowest, int64 [N, P]; equals in their order."""
    orders = {}
    for method, compare in COMPARATORS.items():
        maps = model.on_grid(compare(model.head, batch.feature, target)).flatten(1)
        orders[method] = maps.argsort(stable=True, dim=1, descending=True)
    orders[RANDOM] = torch.rand(orders["cam"].shape, generator=random).argsort(1)
    return orders


def _embedder(model: MetricModel, batch: Batch, removal: Removal) -> Embedder:
    if removal == "contributions":
        seen = model.decompose_features(batch.feature)
        contributions, bias = torch.from_numpy(seen.contributions), torch.from_numpy(seen.bias)
        return lambda kept: bias + torch.einsum("np,npd->nd", kept.to(bias), contributions)
    grid, registration = model.spec.grid, model.spec.registration
    filled = _blurred(batch.pixels, grid) if removal == "blur" else _mean_colour(batch.pixels)

    def embed(kept: Tensor) -> Tensor:
        shown = cells_to_pixels(
            kept.reshape(-1, *grid).numpy(), registration, batch.pixels.shape[2:]
        )
        pixels = np.where(shown[:, None], batch.pixels, filled)
        return run(model.head, torch.from_numpy(model.backbone(pixels)))

    return embed


def cells_to_pixels(
    cells: NDArray[np.bool_], registration: Registration, size: Sequence[int]
) -> NDArray[np.bool_]:
    """Each pixel's cell: [N, rows, cols] at the size (height, width) of the model's input."""
    rows, cols = (
        axis.to_cells((np.arange(length) + 0.5) / length).astype(int)
        for length, axis in zip(size, (registration.rows, registration.cols), strict=True)
    )
    return cells[:, rows[:, None], cols]


def _blurred(pixels: FloatArray, grid: tuple[int, int]) -> FloatArray:
    sigma = [length / count / 2 for length, count in zip(pixels.shape[2:], grid, strict=True)]
    blurred = ndimage.gaussian_filter(pixels, sigma, axes=(2, 3), mode="nearest")
    return np.asarray(blurred, np.float32)


def _mean_colour(pixels: FloatArray) -> FloatArray:
    return np.broadcast_to(pixels.mean((2, 3), keepdims=True), pixels.shape)


def _require_cells(model: MetricModel, removal: Removal) -> None:
    if removal != "contributions" and model.spec.grid[1] == 1:
        raise ShapeError(
            f"the positions of a {model.spec.grid[0]}x1 grid have no cells in the picture; use"
            " --remove contributions"
        )
