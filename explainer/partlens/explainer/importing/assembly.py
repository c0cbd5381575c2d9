"""The last step of every import: measure completeness, describe the model, put it together."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from partlens.explainer.backbone import Backbone, FloatArray
from partlens.explainer.errors import ShapeError
from partlens.explainer.head.operators import Head
from partlens.explainer.importing.completeness import measure
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.spec import ModelSpec

_RANDOM = 4


def sample_pixels(
    preprocessing: Preprocessing, images: Sequence[NDArray[np.uint8]] = ()
) -> FloatArray:
    """Pixels on which an import is checked: random ones, and the given real images.

    Returns:
        Float32, shape [4 + len(images), 3, height, width]. The same on every call.
    """
    generator = np.random.default_rng(0)
    size = (preprocessing.height, preprocessing.width, 3)
    noise = [generator.integers(0, 256, size, np.uint8) for _ in range(_RANDOM - 1)]
    ramp = np.linspace(0, 255, math.prod(size)).reshape(size).astype(np.uint8)
    return np.stack([preprocessing.pixels(image) for image in (*noise, ramp, *images)])


def assemble(
    backbone: Backbone,
    head: Head,
    pixels: FloatArray,
    embedding: Tensor,
    preprocessing: Preprocessing,
    feature_layer: str,
    *,
    name: str,
    licence: str,
) -> MetricModel:
    """The model, once its contributions and bias add up to its own embedding.

    Args:
        backbone, head: the two parts.
        pixels: what completeness is measured on, [N, 3, height, width].
        embedding: what the whole model gives for them, [N, D].

    Raises:
        CompletenessError: they do not add up.
        UnsupportedOperatorError: the head has an operator that cannot be decomposed.
        ShapeError: the feature map is not spatial.
    """
    feature = torch.from_numpy(backbone(pixels))
    if feature.ndim not in (3, 4):
        raise ShapeError(
            f"the feature layer {feature_layer!r} gives {list(feature.shape)}; [N, C, rows, cols]"
            " or tokens [N, T, C] are needed: choose an earlier layer"
        )
    measured = measure(head, feature, embedding)
    rows, cols = feature.shape[2:] if feature.ndim == 4 else (feature.shape[1], 1)
    steps = (
        f"{step.kind} ({step.module_path})" if step.module_path else step.kind
        for step in head.operators
    )
    spec = ModelSpec(
        name=name,
        digest="",
        preprocessing=preprocessing,
        feature_layer=feature_layer,
        grid=(int(rows), int(cols)),
        dimensions=int(embedding.shape[1]),
        head=" -> ".join(steps) or "the feature itself",
        bias_share=round(measured.bias_share, 6),
        licence=licence,
    )
    return MetricModel(spec, backbone, head)
