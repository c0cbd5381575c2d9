"""Builds a head during lowering: operators in order, and their weights."""

from dataclasses import dataclass, field

from torch import Tensor

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.operators import Head, Input, Operator


@dataclass
class HeadBuilder:
    """Collects operators and names their weights."""

    operators: list[Operator] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, path: str, lowered: Lowered) -> str:
        """Append an operator; its constants become weights.

        Args:
            name: name of its result, unique in the head.
            path: its path in the model; may be "".
            lowered: the operator.

        Returns:
            The name.
        """
        kind, inputs, attributes = lowered
        names: list[Input] = []
        for i, value in enumerate(inputs):
            if isinstance(value, Tensor):
                names.append(self._keep(f"{path or 'head'}.{kind}.{i}", value))
            else:
                names.append(value)
        self.operators.append(Operator(kind, name, path, tuple(names), attributes))
        return name

    def head(self, output: str) -> Head:
        """The finished head; its output is the value of this name."""
        return Head(tuple(self.operators), self.weights, output)

    def _keep(self, name: str, value: Tensor) -> str:
        """Store a constant of any shape under an unused name, and return that name."""
        free, count = name, 1
        while free in self.weights and self.weights[free] is not value:
            free, count = f"{name}_{count}", count + 1
        self.weights[free] = value
        return free
