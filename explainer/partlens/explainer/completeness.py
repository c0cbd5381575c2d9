"""Whether contributions and bias add up to the model's own embedding."""

from dataclasses import dataclass

import torch
from torch import Tensor

from partlens.explainer.errors import CompletenessError
from partlens.explainer.head.linearise import linearise
from partlens.explainer.head.operators import Head
from partlens.explainer.head.rules import Rules

TOLERANCE = 1e-5
"""Largest allowed |sum_p c_p + b - E| / |E| of an image, in float32."""


@dataclass(frozen=True)
class Completeness:
    """Result of a measurement.

    Attributes:
        error: largest |sum_p c_p + b - E| / |E| over the images.
        bias_share: mean |b| / |E|.
    """

    error: float
    bias_share: float


def measure(
    head: Head, feature: Tensor, embedding: Tensor, extras: int = 0, rules: Rules = ()
) -> Completeness:
    """Compare the decomposition with the model's own embedding.

    Args:
        head: the lowered head.
        feature: A, shape [N, C, rows, cols] or [N, T, C].
        embedding: the model's own output [N, D], before or after L2 normalisation.
        extras: how many of the first positions are tokens that belong to no cell.
        rules: the caller's own rules, which come first.

    Raises:
        CompletenessError: the error is above TOLERANCE, or not a number.
        UnsupportedOperatorError: as linearise.
    """
    biases, sums = list[Tensor](), list[Tensor]()
    for i in range(len(feature)):  # contributions of many images at once may not fit in memory
        contributions, constant = linearise(head, feature[i : i + 1], rules)
        biases.append(constant + contributions[:, :extras].sum(1))
        sums.append(contributions[:, extras:].sum(1) + biases[-1])
    bias, added = torch.cat(biases), torch.cat(sums)
    if added.shape != embedding.shape:
        raise CompletenessError(
            f"the head gives embeddings of shape {list(added.shape)}, the model"
            f" {list(embedding.shape)}; name the tensor that holds the embedding"
        )
    norms = added.norm(dim=1, keepdim=True).clamp_min(1e-12)
    # Z divides by |E|, so a model that ends in a normalisation is compared after normalisation.
    errors = torch.minimum(
        (added - embedding).norm(dim=1) / embedding.norm(dim=1).clamp_min(1e-12),
        (added / norms - embedding).norm(dim=1),
    )
    error = float(errors.max())
    if not error <= TOLERANCE:
        kinds = ", ".join(f"{step.kind} ({step.module_path})" for step in head.operators)
        raise CompletenessError(
            f"contributions and bias differ from the model's embedding by {error:.2g} of its"
            f" length; at most {TOLERANCE:g} is allowed. The head's operators: {kinds}"
        )
    return Completeness(error, float((bias.norm(dim=1) / norms[:, 0]).mean()))
