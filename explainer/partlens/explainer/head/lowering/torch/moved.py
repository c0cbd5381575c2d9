"""ATen values that have the images on another axis than the first.

Many transformers split queries, keys and values by qkv.permute(2, 0, 3, 1, 4).unbind(0), and some
put tokens before images. In the operator list the images are always first. Such a value is kept
with them first, and with the axis on which the graph has them, until the graph moves them back.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, fx

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.torch import activations, arithmetic
from partlens.explainer.head.lowering.torch.call import Call
from partlens.explainer.head.lowering.torch.table import LOWERINGS, SAME
from partlens.explainer.head.operators import Attribute

Emit = Callable[[str, Lowered], str]
"""Adds an operator under the node's name and a suffix; gives its name."""


class Moved(NamedTuple):
    """A live value, images first; in the graph the images are at `axis`."""

    name: str
    axis: int


_PIECES = frozenset({"aten.select.int", "aten.unbind.int"})
# A prelu is none: its weights lie along an axis.
_EACH_ELEMENT = (activations.LOWERINGS.keys() | arithmetic.LOWERINGS.keys()) - {
    "aten.prelu.default"
}
_LAST_AXES = frozenset({"aten.linear.default", "aten.layer_norm.default"})
_WHY = "it moves or removes the axis of images, or works on a value of which that axis was moved"


def has_moved(name: str, named: Mapping[str, Any]) -> bool:
    """Whether an operator reads a value that had its axis of images moved."""
    given = named["tensors"] if name == "aten.cat.default" else named.values()
    return any(isinstance(value, Moved) for value in given)


def concerns(name: str, node: fx.Node, named: Mapping[str, Any]) -> bool:
    """Whether an operator must be lowered here."""
    if name in ("aten.permute.default", "aten.transpose.int"):
        return has_moved(name, named) or isinstance(node.meta["val"].shape[0], int)
    return name == "aten.unbind.int" or has_moved(name, named)


def lower_moved(name: str, node: fx.Node, named: Mapping[str, Any], emit: Emit) -> Any:
    """What the operator gives: a value, or the list that an unbind gives.

    Args:
        name: of the ATen operator.
        node: the call.
        named: its arguments by ATen's names; live values are names or Moved.
        emit: adds an operator to the list.

    Raises:
        ValueError: it mixes the axis of images with others.
    """
    if name in SAME:
        return named["self"]
    if name in _EACH_ELEMENT or name in _LAST_AXES:
        return _kept(name, node, named, emit)
    ndim = node.all_input_nodes[0].meta["val"].ndim
    if name in _PIECES:
        return _pieces(name, node, named, emit)
    if name not in _TAKES_NDIM:
        raise ValueError(_WHY)
    return _TAKES_NDIM[name](named, ndim, emit)


def _order(value: str | Moved, ndim: int) -> list[int]:
    """The list's axes of a value, in the graph's order."""
    axes = list(range(1, ndim))
    axes.insert(value.axis if isinstance(value, Moved) else 0, 0)
    return axes


def _moved(name: str, axis: int) -> str | Moved:
    return Moved(name, axis) if axis else name


def _name(value: str | Moved) -> str:
    return value.name if isinstance(value, Moved) else value


def _permuted(named: Mapping[str, Any], ndim: int, emit: Emit) -> str | Moved:
    dims = list(range(ndim))
    if "dims" in named:
        dims = list(named["dims"])
    else:
        first, second = named["dim0"], named["dim1"]
        dims[first], dims[second] = dims[second], dims[first]
    order = _order(named["self"], ndim)
    order = [order[axis] for axis in dims]
    axes = (0, *(axis for axis in order if axis))
    kept = _name(named["self"])
    if axes != tuple(range(ndim)):
        kept = emit("", ("permute", (kept,), {"axes": axes}))
    return _moved(kept, order.index(0))


def _pieces(name: str, node: fx.Node, named: Mapping[str, Any], emit: Emit) -> Any:
    """x[:, i] along an axis, or all of them."""
    given, values = named["self"], node.meta["val"]
    one = name == "aten.select.int"
    ndim = 1 + (values if one else values[0]).ndim
    dim = named["dim"] % ndim
    along = _order(given, ndim)[dim]
    if along == 0:
        raise ValueError(_WHY)
    before = given.axis if isinstance(given, Moved) else 0
    pieces = []
    for i in [named["index"]] if one else range(len(values)):
        lowered: Lowered = ("select", (_name(given),), {"axis": along, "index": i})
        pieces.append(_moved(emit("" if one else f"_{i}", lowered), before - (dim < before)))
    return pieces[0] if one else pieces


def _kept(name: str, node: fx.Node, named: Mapping[str, Any], emit: Emit) -> Moved:
    """An operator on each element or on the last axes: it does the same with the images first."""
    shape, values = list(node.meta["val"].shape), dict(named)
    axis = _one_axis(values.values())
    last = len(values.get("normalized_shape", (0,))) if name in _LAST_AXES else 0
    if isinstance(shape.pop(axis), int) or last > len(shape) - axis:
        raise ValueError(_WHY)
    for key in values.keys() & {"input", "self", "other"}:
        values[key] = _images_first(values[key], axis, len(shape) + 1)
    return Moved(emit("", LOWERINGS[name](Call(values, tuple(int(size) for size in shape)))), axis)


def _concatenated(named: Mapping[str, Any], ndim: int, emit: Emit) -> Moved:
    axis, dim = _one_axis(named["tensors"]), named["dim"] % ndim
    if dim == axis:
        raise ValueError(_WHY)
    parts = tuple(_images_first(x, axis, ndim) for x in named["tensors"])
    attributes: dict[str, Attribute] = {"axis": dim + (dim < axis)}
    return Moved(emit("", ("concat", parts, attributes)), axis)


def _one_axis(values: Iterable[Any]) -> int:
    """Where all live values have their images."""
    axes = {value.axis for value in values if isinstance(value, Moved)}
    if len(axes) != 1:
        raise ValueError(_WHY)
    return next(iter(axes))


def _images_first(value: Any, axis: int, ndim: int) -> Any:
    """A value for an operator on each element; a constant is the same for every image."""
    if isinstance(value, Moved):
        return value.name
    if isinstance(value, str):
        raise ValueError(_WHY)
    if not isinstance(value, Tensor) or value.ndim < ndim - axis:
        return value
    value = value[(None,) * (ndim - value.ndim)]
    if value.shape[axis] != 1:
        raise ValueError(_WHY)
    return value.movedim(axis, 0)


def _sliced(named: Mapping[str, Any], ndim: int, emit: Emit) -> Moved:
    """x[start:stop:step] along an axis."""
    given: Moved = named["self"]
    along = _order(given, ndim)[named["dim"]]
    if along == 0:
        raise ValueError(_WHY)
    attributes: dict[str, Attribute] = {"axis": along, "start": named["start"]}
    attributes |= {"stop": named["end"], "step": named["step"]}
    return Moved(emit("", ("slice", (given.name,), attributes)), given.axis)


def _squeezed(named: Mapping[str, Any], ndim: int, emit: Emit) -> str | Moved:
    """Some axes of size 1 left out."""
    given, axes, before = _reduced(named["self"], named["dim"], ndim)
    return _moved(emit("", ("squeeze", (given.name,), {"axes": axes})), given.axis - before)


def _averaged(named: Mapping[str, Any], ndim: int, emit: Emit) -> str | Moved:
    given, axes, before = _reduced(named["self"], named["dim"], ndim)
    attributes: dict[str, Attribute] = {"axes": axes, "keepdim": bool(named["keepdim"])}
    axis = given.axis - (0 if named["keepdim"] else before)
    return _moved(emit("", ("mean", (given.name,), attributes)), axis)


def _reduced(given: Moved, dim: Any, ndim: int) -> tuple[Moved, tuple[int, ...], int]:
    """The value, the list's axes that the graph's `dim` names, and how many lie before images."""
    dims = [one % ndim for one in ([dim] if isinstance(dim, int) else dim or ())]
    axes = tuple(_order(given, ndim)[one] for one in dims)
    if 0 in axes or not axes:
        raise ValueError(_WHY)
    return given, axes, sum(one < given.axis for one in dims)


_TAKES_NDIM: Mapping[str, Callable[[Mapping[str, Any], int, Emit], str | Moved]] = {
    "aten.permute.default": _permuted,
    "aten.transpose.int": _permuted,
    "aten.cat.default": _concatenated,
    "aten.slice.Tensor": _sliced,
    "aten.squeeze.dim": _squeezed,
    "aten.squeeze.dims": _squeezed,
    "aten.mean.dim": _averaged,
}
"""What is lowered by the number of axes of its input."""
