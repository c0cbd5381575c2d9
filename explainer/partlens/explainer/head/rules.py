"""Which rule decomposes which kind of operator.

A rule takes the operator and its inputs, each Live (it depends on the feature map) or a constant,
and returns a Live; or a tensor where the result is a statistic frozen at this image; or a
Statistic where it is no sum over positions but may yet be frozen. To support another operator,
write a rule (see `Affine` and `apply` in live.py) and pass it to `MetricModel.from_module` or to
`linearise`; entries that come first win. docs/explainer.md shows how.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from partlens.explainer.head import (
    rules_attention,
    rules_elementwise,
    rules_pooling,
    rules_shape,
    rules_weighted,
)
from partlens.explainer.head.live import Live, Statistic

Rule = Callable[..., Live | Tensor | Statistic]
Rules = Sequence[tuple[str, Rule]]

RULES: Rules = (
    ("conv2d", rules_weighted.conv2d),
    ("linear", rules_weighted.linear),
    ("matmul", rules_attention.matmul),
    ("attention", rules_attention.attention),
    ("batch_norm", rules_weighted.batch_norm),
    ("layer_norm", rules_weighted.layer_norm),
    ("l2_normalise", rules_weighted.l2_normalise),
    ("norm", rules_elementwise.freeze),
    ("relu", rules_elementwise.gate),
    ("leaky_relu", rules_elementwise.gate),
    ("prelu", rules_elementwise.gate),
    ("gelu", rules_elementwise.gate),
    ("silu", rules_elementwise.gate),
    ("hardswish", rules_elementwise.gate),
    ("tanh", rules_elementwise.gate),
    ("sigmoid", rules_elementwise.freeze),
    ("hardsigmoid", rules_elementwise.freeze),
    ("erf", rules_elementwise.freeze),
    ("softmax", rules_elementwise.freeze),
    ("clamp", rules_elementwise.clamp),
    ("pow", rules_elementwise.gate),
    ("add", rules_elementwise.add),
    ("sub", rules_elementwise.add),
    ("mul", rules_elementwise.multiply),
    ("div", rules_elementwise.divide),
    ("avg_pool2d", rules_pooling.average),
    ("adaptive_avg_pool2d", rules_pooling.average),
    ("max_pool2d", rules_pooling.maximum),
    ("adaptive_max_pool2d", rules_pooling.maximum),
    ("mean", rules_pooling.average),
    ("sum", rules_pooling.average),
    ("amax", rules_pooling.largest),
    ("reshape", rules_shape.move),
    ("permute", rules_shape.move),
    ("unsqueeze", rules_shape.move),
    ("squeeze", rules_shape.move),
    ("expand", rules_shape.move),
    ("slice", rules_shape.move),
    ("select", rules_shape.move),
    ("concat", rules_shape.concat),
)

FREEZING = frozenset(kind for kind, rule in RULES if rule is rules_elementwise.freeze)
"""Kinds that turn what is no sum over positions into a constant of this image."""
