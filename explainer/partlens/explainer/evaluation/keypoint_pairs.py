"""Pairs of annotated images for the transfer of keypoints from one to the other."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage

PAIRS = 10_000


@dataclass(frozen=True)
class KeypointPairs:
    """Images, and pairs of them that share at least one visible point.

    Attributes:
        images: the images.
        pairs: numbers of source and target among the images.
    """

    images: Sequence[AnnotatedImage]
    pairs: Sequence[tuple[int, int]]


def random_pairs(images: Sequence[AnnotatedImage], count: int, seed: int) -> KeypointPairs:
    """Distinct random pairs of different images with a common point; all, if there are fewer.

    Raises:
        AnnotationError: no two images have a common point.
    """
    names = sorted({name for image in images for name in image.parts})
    shown = np.array([[name in image.parts for name in names] for image in images], np.float32)
    shown = shown.reshape(len(images), len(names))
    usable = shown @ shown.T > 0
    np.fill_diagonal(usable, False)
    sources, targets = np.nonzero(usable)
    if not len(sources):
        raise AnnotationError(
            f"no two of the {len(images)} images have a common visible point; give parts of more"
            " images"
        )
    random = np.random.default_rng(seed)
    chosen = random.choice(len(sources), min(count, len(sources)), replace=False)
    pairs = zip(sources[chosen].tolist(), targets[chosen].tolist(), strict=True)
    return KeypointPairs(images, list(pairs))


def of_labels(given: KeypointPairs, labels: Container[str]) -> KeypointPairs:
    """The pairs whose images both have one of these labels."""
    wanted = [image.label in labels for image in given.images]
    return KeypointPairs(given.images, [(a, b) for a, b in given.pairs if wanted[a] and wanted[b]])


def mirrored_names(names: Sequence[str]) -> dict[str, str]:
    """The mirrored part of each part that has one, by "left" and "right" in their names.

    >>> mirrored_names(["left wing", "right wing", "tail", "left leg"])
    {'left wing': 'right wing', 'right wing': 'left wing'}
    """
    swapped = {"left": "right", "right": "left"}
    found = dict[str, str]()
    for name in names:
        other = " ".join(swapped.get(word, word) for word in name.split(" "))
        if other != name and other in names:
            found[name] = other
    return found


def both_ways(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The other name of each name in pairs of names."""
    listed = list(pairs)
    return dict(listed) | {other: one for one, other in listed}
