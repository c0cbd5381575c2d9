"""Lowers ATen normalisations and norms."""

from collections.abc import Mapping

import torch

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.torch.call import Call, Lowering, reduced
from partlens.explainer.head.operators import Attribute


def _batch_norm(call: Call) -> Lowered:
    given = call.arguments
    if given.get("training"):
        raise ValueError("the model must be in eval mode")
    mean, variance = given["running_mean"], given["running_var"]
    if mean is None or variance is None:
        raise ValueError("it has no running statistics")
    gain = torch.ones_like(mean) if given["weight"] is None else given["weight"]
    shift = torch.zeros_like(mean) if given["bias"] is None else given["bias"]
    return "batch_norm", (given["input"], gain, shift, mean, variance), {"epsilon": given["eps"]}


def _layer_norm(call: Call) -> Lowered:
    given = call.arguments
    affine = [given["weight"], given["bias"]]
    if affine[0] is None and affine[1] is not None:
        affine[0] = torch.ones_like(affine[1])
    affine = [value for value in affine if value is not None]
    attributes: dict[str, Attribute] = {
        "dims": len(given["normalized_shape"]),
        "epsilon": given["eps"],
    }
    return "layer_norm", (given["input"], *affine), attributes


LOWERINGS: Mapping[str, Lowering] = {
    "aten.batch_norm.default": _batch_norm,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten.layer_norm.default": _layer_norm,
    "aten.native_layer_norm.default": _layer_norm,
    "aten.linalg_vector_norm.default": reduced("norm"),
    "aten.norm.ScalarOpt_dim": reduced("norm"),
}
