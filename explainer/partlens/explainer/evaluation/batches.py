"""Runs annotated images through the backbone, and finds the nearest other image of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from partlens.explainer.backbone import FloatArray
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_picture
from partlens.explainer.model import MetricModel

BATCH = 32

Passes = Callable[[], Iterator[tuple[slice, Tensor]]]
"""Starts another pass over the feature maps of all images, in batches [N, C, rows, cols] or tokens
[N, T, C], each with the numbers of its images."""


@dataclass(frozen=True)
class Batch:
    """Some of the images, and the backbone's output for them.

    Attributes:
        images: N images.
        numbers: their numbers among all images.
        pixels: the model's input, float32 [N, 3, height, width].
        feature: A, shape [N, C, rows, cols] or tokens [N, T, C].
    """

    images: Sequence[AnnotatedImage]
    numbers: slice
    pixels: FloatArray
    feature: Tensor


def batches(model: MetricModel, folder: Path, images: Sequence[AnnotatedImage]) -> Iterator[Batch]:
    """All images in batches, in their order.

    Args:
        folder: folder that the images' paths are relative to.

    Raises:
        AnnotationError: an image is missing or unusable, or its size is not the annotated one.
    """
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        how = model.spec.preprocessing
        pictures = [read_picture(folder, image, how.least) for image in some]
        pixels = np.stack([how.pixels(picture) for picture in pictures])
        feature = torch.from_numpy(model.backbone(pixels))
        yield Batch(some, slice(start, start + len(some)), pixels, feature)


def passes(model: MetricModel, folder: Path, images: Sequence[AnnotatedImage]) -> Passes:
    """Passes that run the backbone each time and hold only one batch in memory; see batches."""
    return lambda: ((batch.numbers, batch.feature) for batch in batches(model, folder, images))


def passes_over(maps: Tensor) -> Passes:
    """Passes over feature maps in memory, [N, C, rows, cols] or tokens [N, T, C]."""
    starts = range(0, len(maps), BATCH)
    return lambda: ((slice(i, i + BATCH), maps[i : i + BATCH]) for i in starts)


def embedded(model: MetricModel, source: Passes) -> tuple[Tensor, Tensor]:
    """E and b of all images by the model's head, [N, D] each."""
    embeddings, biases = [], []
    for _, feature in source():
        seen = model.decompose_features(feature)
        embeddings.append(torch.from_numpy(seen.contributions.sum(1) + seen.bias))
        biases.append(torch.from_numpy(seen.bias))
    return torch.cat(embeddings), torch.cat(biases)


def nearest(embeddings: Tensor) -> Tensor:
    """Number of the most similar other embedding by cosine, for each embedding; int64 [N].

    Raises:
        AnnotationError: fewer than two images.
    """
    if len(embeddings) < 2:
        raise AnnotationError("a single image has no nearest other image; give at least two")
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    found = []
    for start in range(0, len(unit), 1024):
        similarity = unit[start : start + 1024] @ unit.T
        row = torch.arange(len(similarity))
        similarity[row, row + start] = -torch.inf
        found.append(similarity.argmax(1))
    return torch.cat(found)
