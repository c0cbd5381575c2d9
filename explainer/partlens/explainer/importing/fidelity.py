"""Whether a model gives what the network that it was made of gives for the same pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.backbone import FloatArray
from partlens.explainer.drafts import drafted
from partlens.explainer.errors import CompletenessError
from partlens.explainer.model import MetricModel

COSINE = 0.9999
"""Smallest cosine of a gallery's embedding with the original network's own."""

Original = Callable[[FloatArray], FloatArray]
"""Pixels [N, 3, height, width] to the original network's embeddings [N, D], image by image."""


@dataclass(frozen=True)
class Imported:
    """A model, and the network it was made of."""

    model: MetricModel
    original: Original


def require_same(model: MetricModel, original: Original, pixels: FloatArray) -> float:
    """Smallest cosine of sum_p c_p + b, as a gallery holds it, with the original's embedding.

    Args:
        pixels: preprocessed for the model, [N, 3, height, width].

    Raises:
        CompletenessError: it is below COSINE.
    """
    seen = model.decompose_pixels(pixels)
    ours = (seen.contributions.sum(1) + seen.bias).astype(np.float64)
    theirs = original(pixels).astype(np.float64)
    if ours.shape != theirs.shape:
        raise CompletenessError(
            f"the original gives embeddings of shape {list(theirs.shape)}, the model"
            f" {list(ours.shape)}; the named embedding is another tensor"
        )
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosine = float(((ours * theirs).sum(1) / np.maximum(lengths, 1e-12)).min())
    if not cosine >= COSINE:
        raise CompletenessError(
            f"the model's embeddings differ from those of the original network: their cosine falls"
            f" to {cosine:.4f}; at least {COSINE} is needed. Check --mean, --std, --colours and the"
            " declared input of the file"
        )
    return cosine


def save_checked(
    imported: Imported, folder: Path, pictures: Sequence[NDArray[np.uint8]]
) -> tuple[MetricModel, float]:
    """Write a model folder, once what was written gives what the original gives.

    Args:
        pictures: upright RGB, uint8 [height, width, 3].

    Returns:
        The model with its digest, and the smallest cosine with the original.

    Raises:
        CompletenessError: as require_same; there is no folder then.
        ModelError: as MetricModel.save.
    """
    with drafted(folder) as draft:
        saved = imported.model.save(draft)
        pixels = np.stack([saved.spec.preprocessing.pixels(picture) for picture in pictures])
        cosine = require_same(MetricModel.load(draft), imported.original, pixels)
    return saved, cosine
