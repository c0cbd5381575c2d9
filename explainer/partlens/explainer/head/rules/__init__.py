"""The table of kinds: the inputs of each operator, what it computes and how it decomposes.

Each family has a module, and each kind has one row in it. `run` evaluates heads by this table,
`linearise` decomposes them by it, and `store` checks files against it.

A rule takes the operator and its inputs, each Live (it depends on the feature map) or a constant.
It returns a Live; a tensor if the result is a statistic frozen at this image; or a Statistic if the
result is not a sum over positions but a later operator may freeze it. To support another operator,
write a rule (see `Affine` and `apply` in live.py) and pass it to `MetricModel.from_module` or to
`linearise`; the first entry of a kind wins. docs/explainer.md shows how.
"""

from collections.abc import Mapping, Sequence

from partlens.explainer.head.rules import (
    activations,
    arithmetic,
    attention,
    normalisation,
    pooling,
    shape,
    weighted,
)
from partlens.explainer.head.rules.kind import Kind, Rule

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        *weighted.KINDS,
        *attention.KINDS,
        *normalisation.KINDS,
        *activations.KINDS,
        *arithmetic.KINDS,
        *pooling.KINDS,
        *shape.KINDS,
    )
}
"""The closed set of kinds that lowerings emit and model folders may hold."""

Rules = Sequence[tuple[str, Rule]]
"""(kind, rule) pairs; the first of a kind wins."""

RULES: Rules = tuple((kind.name, kind.rule) for kind in KINDS.values())
"""The table's rules in order; the caller's own rules take precedence."""
