"""Lowers the ATen nodes of a PyTorch head to the operator list.

A table maps each ATen operator to its lowering. A node that reads no live value is evaluated at
once and becomes a weight.
"""

import operator as python_operator
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, fx

from partlens.explainer.errors import ModelError, UnsupportedOperatorError
from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.torch.builder import HeadBuilder
from partlens.explainer.head.lowering.torch.call import Call
from partlens.explainer.head.lowering.torch.moved import Moved, concerns, has_moved, lower_moved
from partlens.explainer.head.lowering.torch.table import LOWERINGS, SAME, SPLITS, keeps_all
from partlens.explainer.head.operators import FEATURE, Attribute, Head, without_last_normalisation


def lower(
    nodes: Sequence[fx.Node],
    feature: fx.Node,
    output: fx.Node,
    module: fx.GraphModule,
    module_path: Callable[[fx.Node], str],
    own: Collection[str] = (),
) -> Head:
    """Lower a PyTorch head to the operator list.

    Args:
        nodes: the head's nodes in order, without those that return sizes.
        feature: the node that returns the feature map.
        output: the node that returns the embedding.
        module: owner of the weights that get_attr nodes name.
        module_path: gives a node's path in the model, for messages.
        own: ATen operators (such as "aten.cumsum.default") that the caller has rules for. They
            become operators of that kind; their tensor arguments are its inputs, the others its
            attributes, by ATen's names.

    Raises:
        UnsupportedOperatorError: an ATen operator, or a use of it, that cannot be lowered.
    """
    builder = HeadBuilder()
    # Node -> a live value (a name or Moved), a constant, or a list of either (split, maximum).
    values: dict[fx.Node, Any] = {feature: FEATURE}
    for node in nodes:
        if node.op == "get_attr":
            tensor: Any = reduce(getattr, str(node.target).split("."), module)
            values[node] = tensor.detach()
            continue
        path = module_path(node)
        arguments = [_resolve(argument, values) for argument in node.args]
        keywords = {key: _resolve(argument, values) for key, argument in node.kwargs.items()}
        if node.target is python_operator.getitem:
            values[node] = arguments[0][arguments[1]]
        elif not any(_is_live(values.get(read)) for read in node.all_input_nodes):
            values[node] = _constant(node, values)
        else:
            values[node] = _lower_call(node, arguments, keywords, path, own, builder)
    name = values[output]
    if isinstance(name, Moved):
        raise ModelError("the embedding must have its images on the first axis")
    if not isinstance(name, str):
        raise ModelError(
            "the embedding does not depend on the feature layer; choose an earlier one"
        )
    return without_last_normalisation(builder.head(name))


def _resolve(argument: Any, values: Mapping[fx.Node, Any], unknown: int | None = None) -> Any:
    """The argument with nodes replaced by their results, and symbolic sizes by unknown."""
    if isinstance(argument, list | tuple):
        return [_resolve(item, values, unknown) for item in argument]
    return values.get(argument, unknown) if isinstance(argument, fx.Node) else argument


def _constant(node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
    """The result of a call that reads no live value, for a batch of one image.

    An attention mask that the model repeats for each image broadcasts from there.
    """
    target: Any = node.target
    keywords = {key: _resolve(argument, values, 1) for key, argument in node.kwargs.items()}
    return target(*(_resolve(argument, values, 1) for argument in node.args), **keywords)


def _is_live(value: Any) -> bool:
    """Whether what a node gave depends on the feature map; an argument may be any string."""
    if isinstance(value, list):
        return any(_is_live(item) for item in value)
    return isinstance(value, str | Moved)


def _lower_call(
    node: fx.Node,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    path: str,
    own: Collection[str],
    builder: HeadBuilder,
) -> Any:
    target = node.target
    name = str(target)
    if not isinstance(target, torch._ops.OpOverload):
        raise UnsupportedOperatorError(name, path, LOWERINGS)
    named = _by_name(target, arguments, keywords)
    if name in own and not has_moved(name, named):
        return builder.add(node.name, path, _for_own_rule(name, named))
    if concerns(name, node, named):
        try:
            return lower_moved(
                name,
                node,
                named,
                lambda suffix, lowered: builder.add(node.name + suffix, path, lowered),
            )
        except ValueError as error:
            raise UnsupportedOperatorError(name, path, why=str(error)) from error
    if name in SAME or (name == "aten.slice.Tensor" and keeps_all(named)):
        return arguments[0]
    if name in SPLITS:
        return _split(node, named, path, builder)
    if name not in LOWERINGS:
        raise UnsupportedOperatorError(name, path, LOWERINGS)
    result = node.meta["val"]
    result = result[0] if isinstance(result, list | tuple) else result
    if result.ndim == 0 or isinstance(result.shape[0], int):
        raise UnsupportedOperatorError(name, path, why="it moves or removes the image axis")
    if not all(isinstance(size, int) for size in result.shape[1:]):
        raise UnsupportedOperatorError(name, path, why="it merges the image axis into another")
    shape = tuple(int(size) for size in result.shape[1:])
    try:
        lowered = LOWERINGS[name](Call(named, shape))
    except ValueError as error:
        raise UnsupportedOperatorError(name, path, why=str(error)) from error
    added = builder.add(node.name, path, lowered)
    return [added] if isinstance(node.meta["val"], list | tuple) else added


def _for_own_rule(kind: str, named: Mapping[str, Any]) -> Lowered:
    """Lower a call that the caller has a rule for: tensors are inputs, the rest attributes."""
    inputs = tuple(value for value in named.values() if isinstance(value, str | Tensor))
    attributes: dict[str, Attribute] = {}
    for key, value in named.items():
        if isinstance(value, list | tuple):
            attributes[key] = tuple(value)
        elif value is None or isinstance(value, bool | int | float):
            attributes[key] = value
    return kind, inputs, attributes


def _split(node: fx.Node, named: Mapping[str, Any], path: str, builder: HeadBuilder) -> list[str]:
    """split(x) returns a list; each piece becomes a slice."""
    axis, start, pieces = int(named["dim"]), 0, []
    for i, piece in enumerate(node.meta["val"]):
        stop = start + int(piece.shape[axis])
        attributes: dict[str, Attribute] = {"axis": axis, "start": start, "stop": stop, "step": 1}
        lowered: Lowered = ("slice", (named["self"],), attributes)
        pieces.append(builder.add(f"{node.name}_{i}", path, lowered))
        start = stop
    return pieces


def _by_name(
    target: torch._ops.OpOverload, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    schema = target._schema.arguments
    named = {argument.name: argument.default_value for argument in schema}
    named.update(zip((argument.name for argument in schema), arguments, strict=False))
    named.update(keywords)
    return named
