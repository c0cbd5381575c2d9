"""An ONNX node as a lowering sees it, and lowerings that several families share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.explainer.head.lowering.lowered import Lowered

Constant = NDArray[Any]


@dataclass(frozen=True)
class OnnxCall:
    """One ONNX node, the argument of a lowering.

    Attributes:
        inputs: the name of a live value, a constant, or None where an optional one is left out.
        attributes: as in the file.
        shape: shape of the result, without the image axis.
    """

    inputs: Sequence[str | Constant | None]
    attributes: Mapping[str, Any]
    shape: tuple[int, ...]

    @property
    def x(self) -> str:
        """The name of the first input; ValueError if it is not live."""
        if not isinstance(self.inputs[0], str):
            raise ValueError("its first input must depend on the feature map")
        return self.inputs[0]

    def constant(self, index: int) -> Constant | None:
        """An optional input; ValueError if it is not a constant."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(value, str):
            raise ValueError(f"input {index} must not depend on the feature map")
        return value

    def weight(self, index: int) -> torch.Tensor:
        """An input as a tensor, in its own shape; ValueError if missing or not a constant."""
        value = self.constant(index)
        if value is None:
            raise ValueError(f"input {index} is missing")
        return torch.from_numpy(np.array(value))

    def value(self, index: int) -> str | torch.Tensor:
        """An input that may be either: the name of a live value, or a constant as a tensor."""
        one = self.inputs[index]
        return one if isinstance(one, str) else self.weight(index)

    def axes(self) -> tuple[int, ...]:
        """Axes, from the attribute of older opsets or the input of newer ones; else ValueError."""
        given = self.attributes.get("axes")
        given = self.constant(1) if given is None else given
        if given is None:
            raise ValueError("it must name its axes; without them it mixes the images")
        return tuple(int(axis) for axis in np.atleast_1d(given))


Lowering = Callable[[OnnxCall], Lowered]
"""Lowers one operator; a ValueError says why this use of it cannot be expressed."""


def window(call: OnnxCall, kernel: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Stride, padding and dilation of a convolution or a pool, rows before columns."""
    given = call.attributes
    if given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ValueError("its padding must be given in pixels, not by auto_pad")
    pads = tuple(given.get("pads", (0, 0, 0, 0)))
    if len(kernel) != 2 or len(pads) != 4 or pads[:2] != pads[2:]:
        raise ValueError("only two-dimensional windows with equal padding at both ends are allowed")
    return {
        "stride": tuple(given.get("strides", (1, 1))),
        "padding": pads[:2],
        "dilation": tuple(given.get("dilations", (1, 1))),
    }


def reduced(kind: str) -> Lowering:
    """A mean, sum, maximum or norm along named axes."""

    def lowering(call: OnnxCall) -> Lowered:
        keepdim = bool(call.attributes.get("keepdims", 1))
        return kind, (call.x,), {"axes": call.axes(), "keepdim": keepdim}

    return lowering


def of_two(kind: str) -> Lowering:
    """The operator of two inputs, each live or a constant."""

    def lowering(call: OnnxCall) -> Lowered:
        if len(call.inputs) != 2:
            raise ValueError("only two inputs are supported")
        return kind, (call.value(0), call.value(1)), {}

    return lowering
