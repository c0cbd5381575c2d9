"""The last step of every split: measure completeness and describe the model."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from partlens.explainer.backbone import Backbone, FloatArray
from partlens.explainer.completeness import measure
from partlens.explainer.errors import ModelError, ShapeError
from partlens.explainer.head.narrow import narrowed
from partlens.explainer.head.operators import Head
from partlens.explainer.head.rules import Rules
from partlens.explainer.head.work import require_bounded
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.spec import ModelSpec
from partlens.explainer.splitting.layout import grid_of
from partlens.explainer.splitting.locality import measure as measure_locality
from partlens.explainer.splitting.locality import require_local
from partlens.explainer.splitting.parts import ModelParts

_RANDOM = 4


def sample_pixels(
    preprocessing: Preprocessing, images: Sequence[NDArray[np.uint8]] = ()
) -> FloatArray:
    """Pixels on which an import is checked: random ones, and the given real images.

    Returns:
        Float32, shape [4 + len(images), 3, height, width]. The same on every call.

    Raises:
        ModelError: std is in other units than 0..255.
    """
    if max(preprocessing.std) < 1:
        raise ModelError(
            f"std {preprocessing.std} is of pixels from 0 to 1; mean and std are in units of"
            " 0..255: multiply both by 255"
        )
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
    extras: tuple[str, ...] = (),
    rules: Rules = (),
) -> ModelParts:
    """The parts of a model, once contributions and bias add up to its own embedding.

    Args:
        backbone, head: what the network was split into.
        pixels: what completeness is measured on, from sample_pixels, [N, 3, height, width].
        embedding: what the whole model gives for them, [N, D].
        preprocessing, feature_layer, name, licence: for model.json.
        extras: names of the first tokens, which lie on no cell.
        rules: the caller's own, before RULES.

    Raises:
        CompletenessError: they do not add up.
        UnsupportedOperatorError: the head has an operator that cannot be decomposed, or would take
            too long to.
        ShapeError: the feature map is not spatial.
        ModelError: its positions do not look at the cells that they stand for.
    """
    feature = torch.from_numpy(backbone(pixels))
    if feature.ndim not in (3, 4):
        raise ShapeError(
            f"the feature layer {feature_layer!r} gives {list(feature.shape)}; [N, C, rows, cols]"
            " or tokens [N, T, C] are needed: choose an earlier layer"
        )
    shape = tuple(feature.shape[1:])
    grid = grid_of(shape, len(extras), preprocessing)
    require_local(
        measure_locality(backbone, preprocessing, grid, len(extras)), grid, shape, feature_layer
    )
    head = narrowed(head, feature)
    if not rules:  # otherwise it may have operators that only the caller's own code knows
        require_bounded(head, shape)
    kinds = {"random": slice(_RANDOM), "real": slice(_RANDOM, None)}
    measured = {
        called: measure(head, feature[part], embedding[part], len(extras), rules)
        for called, part in kinds.items()
        if len(feature[part])
    }
    steps = (
        f"{step.kind} ({step.module_path})" if step.module_path else step.kind
        for step in head.operators
    )
    spec = ModelSpec(
        name=name,
        digest="",
        preprocessing=preprocessing,
        feature_layer=feature_layer,
        grid=grid,
        dimensions=int(embedding.shape[1]),
        head=" -> ".join(steps) or "the feature itself",
        bias_share=round(measured["real" if "real" in measured else "random"].bias_share, 6),
        licence=licence,
        extras=extras,
    )
    return ModelParts(spec, backbone, head, rules, measured)
