"""Whether an image's embedding depends on the images that happen to be computed with it.

Such a model gives a gallery rows that no query can match: batch statistics that were never stored,
or a mean or maximum over the whole input.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ModelError
from partlens.explainer.preprocessing import Preprocessing

Array = NDArray[Any]
TOLERANCE = 1e-4
"""Largest |alone - in the batch| over the length of a tensor. Kernels that differ with the size of
the batch cause about 1e-6."""

_SAME = 1e-7
"""Largest difference of embeddings, over their length, that is no more than rounding."""


def varied(preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Pixels of images that differ in mean, deviation and extremes, [4, 3, height, width]."""
    random = np.random.default_rng(0)
    size = (preprocessing.height, preprocessing.width, 3)
    ranges = ((0, 256), (0, 64), (120, 136), (150, 251))
    return np.stack([preprocessing.pixels(random.integers(*r, size, np.uint8)) for r in ranges])


def require_independent(
    outputs: Callable[[NDArray[np.float32]], Sequence[Array]],
    trace: Callable[[NDArray[np.float32]], Iterable[tuple[str, Array]]],
    pixels: NDArray[np.float32],
) -> None:
    """Compare each image computed on its own with the same image in a batch.

    Args:
        outputs: pixels [N, 3, height, width] to what must not depend on the batch, [N, ...] each;
            the embedding is the last.
        trace: pixels to the name and value of every operator's result, in the order of computation.
        pixels: of at least two images that differ.

    Raises:
        ModelError: one depends on the batch, and names the first operator that does; or it is NaN
            or infinite, or the same for every image.
    """
    together = outputs(pixels)
    if len(together[-1]) != len(pixels):
        raise ModelError(
            f"{len(pixels)} images give an embedding of shape {list(together[-1].shape)}, so the"
            " number of images is built into the model; export it for batches of any size (a"
            " dynamic axis)"
        )
    if not all(np.isfinite(one).all() for one in together):
        raise ModelError(
            "the model gives NaN or infinity for an ordinary picture; the first operator that does"
            f" is {_first_not_finite(trace, pixels)}. Check its weights, and mean and std"
        )
    for number in range(len(pixels)):
        one = pixels[number : number + 1]
        try:
            alone = outputs(one)
        except Exception as error:  # whatever an operator raises that needs several images
            raise ModelError(f"the model cannot be run on a single image: {error}") from error
        gaps = [_gap(a, b, number, len(pixels)) for a, b in zip(alone, together, strict=True)]
        if not max(gaps) <= TOLERANCE:
            raise ModelError(
                "an image's embedding depends on the images computed with it: alone and in a batch"
                f" they differ by {max(gaps):.2g} of their length; at most {TOLERANCE:g} is"
                f" allowed. The first operator that mixes images is"
                f" {_first(trace, pixels, number)}. Use statistics that are stored in the model, or"
                " of each image alone"
            )
    if all(_difference(one, together[-1][0]) <= _SAME for one in together[-1]):
        raise ModelError(
            "the embedding is the same whatever the picture shows, so nothing can be found by it."
            " Check the weights, and which tensor the embedding is (--embedding)"
        )


def largest_gap(one: Array, other: Array) -> float:
    """Largest |one - other| of an image, over the longer of its two tensors, [N, ...] each."""
    return max(_difference(a, b) for a, b in zip(one, other, strict=True))


def require_float32(what: str, kind: object) -> None:
    """Raise ModelError unless numbers are of the kind that galleries keep.

    Args:
        what: for the message, as "the embedding".
        kind: type of its elements, as torch.float32 or a dtype of NumPy.
    """
    name = str(kind).removeprefix("torch.")
    if name != "float32":
        raise ModelError(
            f"{what} holds {name}; float32 is needed: export the model in float32, or choose a"
            " tensor behind a conversion to it"
        )


def _first(
    trace: Callable[[NDArray[np.float32]], Iterable[tuple[str, Array]]],
    pixels: NDArray[np.float32],
    number: int,
) -> str:
    """The name of the first operator that gives an image another value in a batch."""
    alone, together = trace(pixels[number : number + 1]), trace(pixels)
    for (name, one), (_, several) in zip(alone, together, strict=True):
        # Whole numbers are sizes, the number of images among them.
        data = np.issubdtype(one.dtype, np.floating)
        if data and not _gap(one, several, number, len(pixels)) <= TOLERANCE:
            return name
    return "none that differs by as much"


def _first_not_finite(
    trace: Callable[[NDArray[np.float32]], Iterable[tuple[str, Array]]], pixels: NDArray[np.float32]
) -> str:
    for name, value in trace(pixels):
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            return name
    return "unknown"


def _gap(alone: Array, together: Array, number: int, count: int) -> float:
    """|alone - what the batch holds of the same image| / the larger length."""
    if alone.ndim != together.ndim:
        return np.inf
    axes = [a for a in range(alone.ndim) if alone.shape[a] != together.shape[a]]
    if not axes:  # nothing in it belongs to one image
        return _difference(alone, together)
    (axis, *more), size = axes, alone.shape[axes[0]]
    if more or together.shape[axis] != count * size:
        return np.inf
    # Images may have been joined with another axis, which lies inside or outside of theirs.
    inside = together.take(np.arange(number * size, (number + 1) * size), axis)
    outside = together.take(np.arange(number, count * size, count), axis)
    return min(_difference(alone, inside), _difference(alone, outside))


def _difference(one: Array, other: Array) -> float:
    first, second = one.astype(np.float64), other.astype(np.float64)
    length = max(float(np.linalg.norm(first)), float(np.linalg.norm(second)), 1e-12)
    return float(np.linalg.norm(first - second)) / length
