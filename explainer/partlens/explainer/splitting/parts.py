"""The parts that a network was split into."""

from collections.abc import Mapping
from dataclasses import dataclass

from partlens.explainer.backbone import Backbone
from partlens.explainer.completeness import Completeness
from partlens.explainer.head.operators import Head
from partlens.explainer.head.rules import Rules
from partlens.explainer.spec import ModelSpec


@dataclass(frozen=True)
class ModelParts:
    """All that MetricModel.of needs; splitting a network knows no model.

    Attributes:
        spec: describes the model; its digest may be empty.
        backbone: pixels to the feature map.
        head: the feature map to the embedding.
        rules: the caller's own, before RULES.
        measured: completeness on "random" and, where any were given, on "real" images.
    """

    spec: ModelSpec
    backbone: Backbone
    head: Head
    rules: Rules
    measured: Mapping[str, Completeness]
