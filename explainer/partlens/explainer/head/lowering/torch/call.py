"""One ATen call, and the lowerings that several families share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from partlens.explainer.head.lowering.lowered import Lowered


@dataclass(frozen=True)
class Call:
    """One ATen call with named inputs, for a lowering.

    Attributes:
        arguments: by ATen's own argument names, defaults filled in; a live value is its name.
        shape: of the result, without the axis of images.
    """

    arguments: Mapping[str, Any]
    shape: tuple[int, ...]


Lowering = Callable[[Call], Lowered]
"""What an operator becomes; a ValueError says why this use of it has no place in the list."""


def pair(sizes: Any) -> tuple[int, int]:
    """Rows and columns; ATen may give one number for both."""
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    return (sizes[0], sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def unary(kind: str, **attributes: str) -> Lowering:
    """The operator of one input; attributes: ours -> ATen's name."""

    def lowering(call: Call) -> Lowered:
        given = {ours: call.arguments[theirs] for ours, theirs in attributes.items()}
        return kind, (call.arguments["self"],), given

    return lowering


def reduced(kind: str) -> Lowering:
    """A mean, sum, maximum or norm along named axes."""

    def lowering(call: Call) -> Lowered:
        given = call.arguments
        axes = given["dim"]
        axes = [axes] if isinstance(axes, int) else axes
        if not axes:
            raise ValueError("it must name its axes; without, it mixes the images")
        if given.get("ord", 2) != 2 or given.get("p", 2) != 2:
            raise ValueError("only the Euclidean norm is known")
        return kind, (given["self"],), {"axes": tuple(axes), "keepdim": bool(given["keepdim"])}

    return lowering
