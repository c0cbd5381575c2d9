"""Finer feature maps: the last strides of a network removed, and the windows after them dilated.

A window of stride 2 is laid at every second place. Without its stride it is laid at all of them,
and every second result is the old one. Windows after it must then take every second of their inputs
(twice the dilation and the padding) to give the old results there. So the finer map holds the
coarser one at every second position.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ModelError

Strides = tuple[int, int]
"""Pixels between neighbours of a map, along rows and columns."""

Made = TypeVar("Made")

SAME = 1e-4
"""Largest difference of shared positions, over the length of the map."""


@dataclass(frozen=True)
class Window:
    """A convolution or pool along one axis.

    Attributes:
        kernel, stride, dilation: as usual.
        before, after: padding at either end.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    def finer(self, stride: int, most: int, centred: bool, uneven: int = 0) -> "Window":
        """The same window in a network whose maps have at most `most` pixels between neighbours.

        Args:
            stride: pixels between neighbours of its input, in the original network.
            most: pixels between neighbours of any map of the finer network.
            centred: whether a stride that was removed evens its padding out. Networks converted
                from TensorFlow pad less before than after, so that the first result looks at the
                second pixel; a result more, before it, restores the balance. Otherwise the result
                is added after the others.
            uneven: padding that another operator added after its input, less that before.

        Raises:
            ModelError: its stride cannot be divided as needed.
        """
        spread, here = max(1, stride // most), min(stride, most)
        kept = min(self.stride, most // here)
        if stride % here or most % here or self.stride % kept:
            raise ModelError(
                f"a stride of {most} cannot be reached: a map with {stride} pixels between"
                f" neighbours is followed by a stride of {self.stride}"
            )
        before, after = self.before * spread, self.after * spread
        if kept < self.stride:
            missing = after - before + uneven
            before, after = (
                (before + max(missing, 0), after + max(-missing, 0))
                if centred
                else (before + max(-missing, 0), after + max(missing, 0))
            )
        return Window(self.kernel, kept, self.dilation * spread, before, after)


def of_output(strides: Strides, window: tuple[Window, Window]) -> Strides:
    """Pixels between neighbours of what a window gives, from those of its input."""
    return strides[0] * window[0].stride, strides[1] * window[1].stride


def require_finer(strides: Strides, most: int, layer: str) -> None:
    """Refuse a stride that the feature map has already.

    Raises:
        ModelError: it has.
    """
    if max(strides) <= most:
        raise ModelError(
            f"the feature map {layer!r} has a stride of {strides[0]}x{strides[1]} already; --stride"
            f" {most} would change nothing. Leave it out, or choose a smaller one"
        )


def require_same_dimensions(
    before: NDArray[np.float32], after: NDArray[np.float32], most: int
) -> None:
    """Refuse a head that gives another embedding for a finer map.

    Raises:
        ModelError: it does.
    """
    if before.shape != after.shape:
        raise ModelError(
            f"with --stride {most}, the embedding would have the shape {list(after.shape)} instead"
            f" of {list(before.shape)}: the head takes maps of one size only. Leave --stride out"
        )


def first_shared(
    coarse: NDArray[np.float32],
    made: Callable[[bool], tuple[Made, NDArray[np.float32], Strides]],
    most: int,
) -> Made:
    """The first finer network whose map holds the original one at every nth position.

    Args:
        coarse: feature maps of the original network, [N, C, rows, cols].
        made: given whether padding is evened out (see Window.finer), a network, its feature maps
            for the same pixels, and the strides of the original map.
        most: --stride, for the message and to know n.

    Raises:
        ModelError: there is none.
    """
    errors = list[float]()
    for centred in (True, False):
        try:
            network, fine, strides = made(centred)
        except ModelError:
            if not centred:
                raise
            continue
        errors.append(min(_differences(coarse, fine, strides, most), default=np.inf))
        if errors[-1] <= SAME:
            return network
    raise ModelError(
        f"with --stride {most}, no positions of the finer map keep their values: the nearest differ"
        f" by {min(errors):.2g} of its length, at most {SAME:g} is allowed. An operator before the"
        " feature map looks at the whole map (squeeze and excitation, a channel gate), or the map"
        " is not [N, C, rows, cols]. Leave --stride out"
    )


def _differences(
    coarse: NDArray[np.float32], fine: NDArray[np.float32], strides: Strides, most: int
) -> Iterator[float]:
    """Of the original map and every nth position of the finer one, from each first position."""
    if coarse.ndim != 4 or fine.ndim != 4:
        return
    rows, cols = (max(1, stride // most) for stride in strides)
    length = max(float(np.linalg.norm(coarse)), 1e-12)
    for row, col in product(range(rows), range(cols)):
        shared = fine[:, :, row::rows, col::cols][:, :, : coarse.shape[2], : coarse.shape[3]]
        if shared.shape == coarse.shape:
            yield float(np.linalg.norm(shared - coarse)) / length
