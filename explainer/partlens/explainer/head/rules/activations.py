"""Elementwise functions of one value: gates, clamps, and frozen sigmoids."""

import torch
import torch.nn.functional as F
from torch import Tensor

from partlens.explainer.head.live import Affine, Live, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules.freezing import Freeze, Gate
from partlens.explainer.head.rules.kind import Kind, Signature, Value, X, only_first_live


def _leaky_relu(x: Tensor, slope: float) -> Tensor:
    return F.leaky_relu(x, slope)


def _clamped(operator: Operator, *inputs: Value) -> Live:
    """Inside the limits the value passes; outside it is a constant of the head."""
    x, _ = only_first_live(operator, inputs)
    value = torch.clamp(x.value, **operator.attributes)  # type: ignore[arg-type]
    inside = value == x.value
    return apply(x, Affine(lambda z: z * inside, value * ~inside, lambda o: o), value)


KINDS = (
    Kind("relu", X, F.relu, Gate(F.relu)),
    Kind("leaky_relu", Signature(("x",), {"slope": "float"}), _leaky_relu, Gate(_leaky_relu)),
    Kind("prelu", Signature(("x", "weight")), F.prelu, Gate(F.prelu)),
    # approximate is "none" or "tanh".
    Kind("gelu", Signature(("x",), {"approximate": "str"}), F.gelu, Gate(F.gelu)),
    Kind("silu", X, F.silu, Gate(F.silu)),
    Kind("hardswish", X, F.hardswish, Gate(F.hardswish)),
    Kind("tanh", X, torch.tanh, Gate(torch.tanh)),
    Kind("clamp", Signature(("x",), {"min": "float?", "max": "float?"}), torch.clamp, _clamped),
    # Not 0 at 0: they gate another value and are never the last operator. An expanded GELU has erf.
    Kind("sigmoid", X, torch.sigmoid, Freeze(torch.sigmoid)),
    Kind("hardsigmoid", X, F.hardsigmoid, Freeze(F.hardsigmoid)),
    Kind("erf", X, torch.erf, Freeze(torch.erf)),
)
