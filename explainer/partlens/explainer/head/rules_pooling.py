"""Rules for pooling: averages are linear, maxima freeze their winner."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from partlens.explainer.head.live import Affine, Live, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules_elementwise import Value, only_first_live
from partlens.explainer.head.run import FUNCTIONS, max_pool2d_with_indices


def average(operator: Operator, *inputs: Value) -> Live:
    """Average or sum; over the whole map, position p simply gives its share."""
    x, _ = only_first_live(operator, inputs)
    function = FUNCTIONS[operator.kind]

    def pooled(z: Tensor) -> Tensor:
        return function(z, **operator.attributes)

    def fast(live: Live) -> Tensor | None:
        owned = _one_axis_of_positions(live)
        result = pooled(live.value)
        if owned is None or result.numel() * live.positions != live.value.numel():
            return None
        if owned.numel() and result.shape[1] != live.value.shape[1] and live.value.ndim == 4:
            return None  # an average over channels
        share = owned if operator.kind == "sum" else owned / live.positions
        return share.reshape(live.positions, *result.shape)

    axes = operator.attributes.get("axes")
    if isinstance(axes, tuple) and operator.kind in ("mean", "sum"):
        # Owners stay where all that is averaged belongs to one position (channels of a cell).
        keepdim = bool(operator.attributes["keepdim"])
        return apply(x, Affine(pooled, 0.0, lambda o: o.amax(axes, keepdim), axes, fast))
    return apply(x, Affine(pooled, fast=fast))


def _one_axis_of_positions(live: Live) -> Tensor | None:
    """Contributions [P, N, C] of a feature map or of tokens; None where the layout is another.

    Channels lie next to each other in memory, as what follows and what is returned at last wants
    them: half the time of a head that only pools.
    """
    if live.is_map():
        return live.contributions.flatten(2).mT.contiguous().transpose(0, 1)
    if live.owner is None or live.owner.ndim != 3 or live.owner.shape[1] != live.positions:
        return None
    numbers = torch.arange(live.positions, dtype=torch.int32, device=live.owner.device)
    if not torch.equal(live.owner, numbers[:, None].expand_as(live.owner)):
        return None
    return live.contributions.transpose(0, 1)


def maximum(operator: Operator, *inputs: Value) -> Live:
    """Max pooling: the winner passes with its owner; ties go to the first."""
    x, _ = only_first_live(operator, inputs)
    if operator.kind == "adaptive_max_pool2d":
        value, index = F.adaptive_max_pool2d_with_indices(
            x.value,
            operator.attributes["size"],  # type: ignore[arg-type]
        )
    else:
        value, index = max_pool2d_with_indices(x.value, **operator.attributes)  # type: ignore[arg-type]

    def winners(z: Tensor) -> Tensor:
        return z.flatten(2).gather(2, index.flatten(2)).view(value.shape)

    return apply(x, Affine(winners, owner=winners), value)


def largest(operator: Operator, *inputs: Value) -> Live:
    """The largest along axes: one winner, the first of equals."""
    x, _ = only_first_live(operator, inputs)
    axes = operator.attributes["axes"]
    if not isinstance(axes, tuple) or not axes:
        axes = tuple(range(1, x.value.ndim))
    value = x.value.amax(axes, bool(operator.attributes["keepdim"]))
    last = tuple(range(-len(axes), 0))

    def lined_up(z: Tensor) -> Tensor:
        moved = z.movedim(axes, last)
        size = math.prod(moved.shape[-len(axes) :])
        return moved.reshape(*moved.shape[: -len(axes)], size)

    index = lined_up(x.value).argmax(-1, keepdim=True)

    def winners(z: Tensor) -> Tensor:
        return lined_up(z).gather(-1, index).reshape(value.shape)

    return apply(x, Affine(winners, owner=winners), value)
