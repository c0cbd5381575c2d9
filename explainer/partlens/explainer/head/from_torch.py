"""Lowers the ATen nodes of a PyTorch head to the operator list.

One table says what each ATen operator becomes; what reads no live value is computed at once and
becomes a weight.
"""

import operator as python_operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor, fx

from partlens.explainer.errors import ModelError, UnsupportedOperatorError
from partlens.explainer.head.from_torch_moved import Moved, concerns, has_moved, lower_moved
from partlens.explainer.head.from_torch_table import (
    LOWERINGS,
    SAME,
    SPLITS,
    Call,
    Lowered,
    keeps_all,
)
from partlens.explainer.head.operators import (
    FEATURE,
    Attribute,
    Head,
    Input,
    Operator,
    without_last_normalisation,
)


@dataclass
class Lowering:
    """A head on its way from ATen nodes to operators; `own` names what the caller has rules for."""

    own: Collection[str] = ()
    operators: list[Operator] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)

    def weight(self, name: str, value: Tensor) -> str:
        """Keep a constant of any shape under a free name and return that name."""
        free, count = name, 1
        while free in self.weights and self.weights[free] is not value:
            free, count = f"{name}_{count}", count + 1
        self.weights[free] = value
        return free


def lower(
    nodes: Sequence[fx.Node],
    feature: fx.Node,
    output: fx.Node,
    module: fx.GraphModule,
    module_path: Callable[[fx.Node], str],
    own: Collection[str] = (),
) -> Head:
    """The operator list of a head.

    Args:
        nodes: the head's nodes in order, sizes left out.
        feature: the node that gives the feature map.
        output: the node that gives the embedding.
        module: owner of the weights that get_attr nodes name.
        module_path: where a node stands in the model, for messages.
        own: ATen operators (as "aten.cumsum.default") that the caller has rules for: they become
            operators of that kind, whose inputs are the tensors among their arguments and whose
            attributes are the rest, by ATen's names.

    Raises:
        UnsupportedOperatorError: an ATen operator or a use of it that has no place in the list.
    """
    lowering = Lowering(own)
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
        elif not any(_is_live(a) for a in (*arguments, *keywords.values())):
            values[node] = _constant(node, values)
        else:
            values[node] = _lower_call(node, arguments, keywords, path, lowering)
    name = values[output]
    if isinstance(name, Moved):
        raise ModelError("the embedding has its images on another axis than the first")
    if not isinstance(name, str):
        raise ModelError(
            "the embedding does not depend on the feature layer; choose an earlier one"
        )
    return without_last_normalisation(Head(tuple(lowering.operators), lowering.weights, name))


def _resolve(argument: Any, values: Mapping[fx.Node, Any], unknown: int | None = None) -> Any:
    """The argument with nodes replaced by what they became; sizes that stay symbolic by unknown."""
    if isinstance(argument, list | tuple):
        return [_resolve(item, values, unknown) for item in argument]
    return values.get(argument, unknown) if isinstance(argument, fx.Node) else argument


def _constant(node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
    """What a call gives that reads no live value; what it makes for each image it makes for one.

    An attention mask that is repeated for each image broadcasts just as well.
    """
    target: Any = node.target
    keywords = {key: _resolve(argument, values, 1) for key, argument in node.kwargs.items()}
    return target(*(_resolve(argument, values, 1) for argument in node.args), **keywords)


def _is_live(value: Any) -> bool:
    if isinstance(value, list):
        return any(_is_live(item) for item in value)
    return isinstance(value, str | Moved)


def _lower_call(
    node: fx.Node,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    path: str,
    lowering: Lowering,
) -> Any:
    target = node.target
    name = str(target)
    if not isinstance(target, torch._ops.OpOverload):
        raise UnsupportedOperatorError(name, path, LOWERINGS)
    named = _by_name(target, arguments, keywords)
    if name in lowering.own and not has_moved(name, named):
        return _emit(node.name, path, _as_it_is(name, named), lowering)
    if concerns(name, node, named):
        try:
            return lower_moved(
                name,
                node,
                named,
                lambda suffix, lowered: _emit(node.name + suffix, path, lowered, lowering),
            )
        except ValueError as error:
            raise UnsupportedOperatorError(name, path, why=str(error)) from error
    if name in SAME or (name == "aten.slice.Tensor" and keeps_all(named)):
        return arguments[0]
    if name in SPLITS:
        return _split(node, named, path, lowering)
    if name not in LOWERINGS:
        raise UnsupportedOperatorError(name, path, LOWERINGS)
    result = node.meta["val"]
    result = result[0] if isinstance(result, list | tuple) else result
    if result.ndim == 0 or isinstance(result.shape[0], int):
        raise UnsupportedOperatorError(name, path, why="it moves or removes the axis of images")
    if not all(isinstance(size, int) for size in result.shape[1:]):
        raise UnsupportedOperatorError(name, path, why="it merges the axis of images into another")
    shape = tuple(int(size) for size in result.shape[1:])
    try:
        lowered = LOWERINGS[name](Call(named, shape))
    except ValueError as error:
        raise UnsupportedOperatorError(name, path, why=str(error)) from error
    emitted = _emit(node.name, path, lowered, lowering)
    return [emitted] if isinstance(node.meta["val"], list | tuple) else emitted


def _as_it_is(kind: str, named: Mapping[str, Any]) -> Lowered:
    """A call that the caller has a rule for."""
    inputs = tuple(value for value in named.values() if isinstance(value, str | Tensor))
    attributes: dict[str, Attribute] = {}
    for key, value in named.items():
        if isinstance(value, list | tuple):
            attributes[key] = tuple(value)
        elif value is None or isinstance(value, bool | int | float):
            attributes[key] = value
    return kind, inputs, attributes


def _emit(name: str, path: str, lowered: Lowered, lowering: Lowering) -> str:
    kind, inputs, attributes = lowered
    names: list[Input] = []
    for i, value in enumerate(inputs):
        if isinstance(value, Tensor):
            names.append(lowering.weight(f"{path or 'head'}.{kind}.{i}", value))
        else:
            names.append(value)
    lowering.operators.append(Operator(kind, name, path, tuple(names), attributes))
    return name


def _split(node: fx.Node, named: Mapping[str, Any], path: str, lowering: Lowering) -> list[str]:
    """split(x) gives a list; each piece is a slice."""
    axis, start, pieces = int(named["dim"]), 0, []
    for i, piece in enumerate(node.meta["val"]):
        stop = start + int(piece.shape[axis])
        attributes: dict[str, Attribute] = {"axis": axis, "start": start, "stop": stop, "step": 1}
        lowered: Lowered = ("slice", (named["self"],), attributes)
        pieces.append(_emit(f"{node.name}_{i}", path, lowered, lowering))
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
