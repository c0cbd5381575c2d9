"""A token head that computes only the tokens that its embedding reads.

Where the embedding is one token of a transformer's last block (the class token), nothing but that
token's own query, sum and MLP is needed: a T-th of the work and of the memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from partlens.explainer.head.operators import Attribute, Head, Input, Operator, pruned
from partlens.explainer.head.rules import KINDS, activations, arithmetic
from partlens.explainer.head.run import run_all

# A prelu is none: its weights lie along an axis.
_ALONE = frozenset(kind.name for kind in activations.KINDS if kind.signature.inputs == ("x",))
_TOGETHER = frozenset(kind.name for kind in arithmetic.KINDS)


def narrowed(head: Head, feature: Tensor) -> Head:
    """The same head with its `select`s of one token moved up, so that less is computed.

    Args:
        head: any head; one without tokens is returned unchanged.
        feature: some feature map, [N, C, rows, cols] or [N, T, C]; only shapes matter.
    """
    if any(operator.kind not in KINDS for operator in head.operators):
        return head  # kinds of the caller's own: their shapes are not known here
    values = run_all(head, feature)
    shapes = {name: tuple(value.shape) for name, value in values.items()}
    moved = _Narrowing({operator.name: operator for operator in head.operators}, shapes)
    for operator in head.operators:
        moved.operators.append(_narrow_select(operator, moved))
    return pruned(replace(head, operators=tuple(moved.operators)))


@dataclass
class _Narrowing:
    """Operators rewritten so far.

    Attributes:
        written: the head's operators by name.
        shapes: of every value and weight, for some batch.
        operators: the new head's, in order.
        done: (value, axis, index) -> the name of that value with only that index along the axis.
    """

    written: Mapping[str, Operator]
    shapes: Mapping[str, tuple[int, ...]]
    operators: list[Operator] = field(default_factory=list)
    done: dict[tuple[str, int, int], str] = field(default_factory=dict)


def _narrow_select(operator: Operator, moved: _Narrowing) -> Operator:
    name = operator.inputs[0] if operator.inputs else None
    if operator.kind != "select" or not isinstance(name, str) or name not in moved.written:
        return operator
    shape = moved.shapes[name]
    axis, index = operator.integer("axis") % len(shape), operator.integer("index")
    if axis == 0 or len(shape) != 3:
        return operator
    only = _take(name, axis, index % shape[axis], moved)
    return replace(operator, inputs=(only,), attributes={"axis": axis, "index": 0})


def _take(name: str, axis: int, index: int, moved: _Narrowing) -> str:
    """The name of a value that is `name` with only one index along an axis, which stays."""
    key = (name, axis, index)
    if key not in moved.done:
        operator = moved.written.get(name)
        only = None if operator is None else _narrow_operator(operator, axis, index, moved)
        if only is None:
            attributes: dict[str, Attribute] = {"axis": axis, "start": index, "stop": index + 1}
            path = "" if operator is None else operator.module_path
            only = Operator("slice", "", path, (name,), {**attributes, "step": 1})
        moved.done[key] = f"{name}[{axis}:{index}]"
        moved.operators.append(replace(only, name=moved.done[key]))
    return moved.done[key]


def _narrow_operator(
    operator: Operator, axis: int, index: int, moved: _Narrowing
) -> Operator | None:
    """The operator on narrowed inputs; None where it mixes what lies along the axis."""
    shape = moved.shapes[operator.name]
    last = len(shape) - 1
    kind, inputs = operator.kind, list(operator.inputs)

    def take(place: int, along: int) -> None:
        inputs[place] = _take(str(inputs[place]), along, index, moved)

    attributes = operator.attributes
    if kind in _ALONE or (kind == "linear" and axis != last):
        take(0, axis)
    elif kind == "layer_norm" and axis <= last - operator.integer("dims"):
        take(0, axis)
    elif kind == "softmax" and axis != operator.integer("axis") % len(shape):
        take(0, axis)
    elif kind in _TOGETHER:
        inputs = [_take_broadcast(one, axis, index, len(shape), moved) for one in inputs]
    elif kind == "matmul" and axis == last - 1 and len(moved.shapes[str(inputs[0])]) == len(shape):
        take(0, axis)
    elif kind == "attention" and axis == last - 1 and len(inputs) == 3 and not attributes["causal"]:
        take(0, axis)
    elif kind == "permute":
        take(0, operator.integers("axes")[axis])
    elif kind == "reshape" and moved.shapes[str(inputs[0])][: axis + 1] == shape[: axis + 1]:
        take(0, axis)
        attributes = {"shape": (0, *shape[1:axis], 1, *shape[axis + 1 :])}
    else:
        return None
    return replace(operator, inputs=tuple(inputs), attributes=attributes)


def _take_broadcast(one: Input, axis: int, index: int, ndim: int, moved: _Narrowing) -> Input:
    """An input of an element-wise operator; axes align at the last one."""
    if not isinstance(one, str):
        return one
    shape = moved.shapes[one]
    own = axis - (ndim - len(shape))
    return one if own < 0 or shape[own] == 1 else _take(one, own, index, moved)
