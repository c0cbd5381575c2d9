"""The operator list: the form of every head, whatever it was imported from, that rules work on.

A head is a list of operators in the order they run. An operator reads values by name: "feature"
(the feature map A), the name of an earlier operator, or the name of a weight; a number stands for
itself. It writes one value, under its own name. Operators have the meaning of the PyTorch functions
of the same name.

The batch size is never stored: axis 0 is the images, a reshape's 0 copies that axis of its input
(as in ONNX), and no operator may move, merge or split axis 0.

A final L2 normalisation is not part of a head: E is the embedding before it, and Z divides by the
norm. A lowering emits it as it finds it (`l2_normalise`, or `norm` then `div`) and passes the head
through `without_last_normalisation`. A normalisation that other operators follow stays, with its
norm frozen. Dropout and identities are not lowered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch

from partlens.explainer.errors import ModelError

FEATURE = "feature"
T = TypeVar("T")

Input = str | float
Attribute = bool | int | float | str | None | tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """One step of a head.

    Attributes:
        kind: a key of rules.KINDS, or of the caller's own rules.
        name: name of its result, unique in its head.
        module_path: its path in the original model ("fc.bn"), for messages; may be "".
        inputs: names of values or weights, or numbers, in the order of the kind's signature.
        attributes: exactly the attributes in the kind's signature.
    """

    kind: str
    name: str
    module_path: str
    inputs: tuple[Input, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def integer(self, name: str) -> int:
        """An attribute that is a whole number."""
        return _of_type(self, name, int)

    def number(self, name: str) -> float:
        """An attribute that is a number."""
        value = self.attributes.get(name)
        return float(value) if isinstance(value, int) else _of_type(self, name, float)

    def integers(self, name: str) -> tuple[int, ...]:
        """An attribute that is a tuple of whole numbers."""
        return _of_type(self, name, tuple)


def _of_type(operator: Operator, name: str, kind: type[T]) -> T:
    value = operator.attributes.get(name)
    if not isinstance(value, kind):
        raise ModelError(
            f"operator {operator.name!r} ({operator.kind}): attribute {name!r} must be"
            f" {kind.__name__}, got {value!r}"
        )
    return value


@dataclass(frozen=True)
class Head:
    """Everything after the feature map: E = head(A).

    Attributes:
        operators: in the order they run; may be empty if the output is the feature itself.
        weights: tensors by name.
        output: the name of the value that is the embedding E [N, D].

    Raises:
        ModelError: an operator reads a value that no earlier operator wrote, a name occurs twice,
            or no operator writes the output.
    """

    operators: tuple[Operator, ...]
    weights: Mapping[str, torch.Tensor]
    output: str

    def __post_init__(self) -> None:
        values = {FEATURE}
        if FEATURE in self.weights:
            raise ModelError(f"a weight is called {FEATURE!r}, like the feature map; rename it")
        for operator in self.operators:
            if operator.name in values or operator.name in self.weights:
                raise ModelError(f"the head has the name {operator.name!r} twice")
            for name in operator.inputs:
                if isinstance(name, str) and name not in values and name not in self.weights:
                    raise ModelError(
                        f"operator {operator.name!r} ({operator.kind}) reads {name!r}, which is"
                        " neither a weight nor the result of an earlier operator"
                    )
            values.add(operator.name)
        if self.output not in values:
            raise ModelError(f"the head's output {self.output!r} is not one of its operators")


def without_last_normalisation(head: Head) -> Head:
    """The same head without its final L2 normalisation and without unused operators."""
    written = {operator.name: operator for operator in head.operators}
    output = head.output
    while output in written and (before := _normalised(written[output], written)) is not None:
        output = before
    return pruned(replace(head, output=output))


def pruned(head: Head) -> Head:
    """The same head without the operators and weights that its output does not need."""
    needed = {head.output}
    for operator in reversed(head.operators):
        if operator.name in needed:
            needed.update(name for name in operator.inputs if isinstance(name, str))
    return replace(
        head,
        operators=tuple(operator for operator in head.operators if operator.name in needed),
        weights={name: weight for name, weight in head.weights.items() if name in needed},
    )


def last_reads(head: Head) -> Mapping[str, tuple[str, ...]]:
    """Operator -> the values and weights that no later operator reads, so that memory can be freed.

    Includes the operator's own result if nothing reads it; never the head's output.
    """
    last = {name: operator.name for operator in head.operators for name in _reads(operator)}
    last.pop(head.output, None)
    reads: dict[str, tuple[str, ...]] = {}
    for name, reader in last.items():
        reads[reader] = (*reads.get(reader, ()), name)
    return reads


def _reads(operator: Operator) -> tuple[str, ...]:
    return operator.name, *(name for name in operator.inputs if isinstance(name, str))


def _normalised(operator: Operator, written: Mapping[str, Operator]) -> str | None:
    """The name of x if the operator is x / |x|, in one step or several; else None."""
    axes = operator.attributes.get("axes")
    if operator.kind == "l2_normalise":
        return str(operator.inputs[0]) if axes in ((1,), (-1,)) else None
    if operator.kind != "div":
        return None
    x, norm = operator.inputs
    # torch.nn.functional.normalize: x / norm(x).clamp_min(epsilon).expand_as(x)
    while isinstance(norm, str) and norm in written:
        below = written[norm]
        if below.kind == "norm":
            last = below.attributes.get("axes") in ((1,), (-1,))
            return str(x) if below.inputs[0] == x and last else None
        if below.kind not in ("clamp", "expand", "unsqueeze"):
            return None
        norm = below.inputs[0]
    return None
