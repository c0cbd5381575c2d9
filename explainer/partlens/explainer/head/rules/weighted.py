"""Weighted sums: convolutions and linear layers, with a shortcut for each common layout."""

import torch
import torch.nn.functional as F
from torch import Tensor

from partlens.explainer.head.live import Affine, Live, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules.kind import Kind, Signature, Value, only_first_live


def _linear(operator: Operator, *inputs: Value) -> Live:
    """W x + k."""
    x, (weight, *bias) = only_first_live(operator, inputs)
    return weighted(x, weight, bias[0] if bias else 0.0)


def weighted(x: Live, weight: Tensor, constant: Tensor | float = 0.0) -> Live:
    """weight @ x + constant over the last axis: [N, ..., in] and [out, in] give [N, ..., out]."""

    def owner(o: Tensor) -> Tensor:
        return o[..., :1].expand(*o.shape[:-1], len(weight))

    return apply(
        x,
        Affine(
            lambda z: F.linear(z, weight), constant, owner, (-1,), lambda live: _owned(live, weight)
        ),
    )


def _owned(live: Live, weight: Tensor) -> Tensor | None:
    """weight @ x, without P-fold work, if every x_f of [N, F] belongs to one position."""
    owner = live.owner
    if owner is None or owner.ndim != 2:
        return None
    positions = live.positions
    alike = owner.stride(0) == 0 or torch.equal(owner, owner[:1].expand_as(owner))
    share = owner.shape[1] // positions
    if not alike or not bool((torch.bincount(owner[0], minlength=positions) == share).all()):
        return _winners(live.contributions, owner, weight, positions)
    # Flatten + FC: each weight applies to one position, so P products of F/P columns suffice.
    columns = owner[0].argsort(stable=True).view(positions, share)
    mine = live.contributions[:, columns].transpose(0, 1)
    return torch.bmm(mine, weight[:, columns].permute(1, 2, 0))


def _winners(x: Tensor, owner: Tensor, weight: Tensor, positions: int) -> Tensor:
    """Max pooling + FC: for each position, the weight's columns of the channels that it won.

    Args:
        x, owner: shape [N, F]; owners differ from image to image.
        weight: shape [D, F].

    Returns:
        Shape [P, N, D].
    """
    images = torch.arange(len(x), dtype=owner.dtype, device=owner.device)[:, None]
    order = owner.argsort(dim=1, stable=True)
    won = torch.bincount((owner + positions * images).flatten(), minlength=len(x) * positions)
    rows = F.embedding_bag(
        order.flatten(),
        weight.T.contiguous(),
        won.cumsum(0) - won,
        mode="sum",
        per_sample_weights=x.gather(1, order).flatten(),
    )
    return rows.view(len(x), positions, len(weight)).transpose(0, 1)


def _convolution(operator: Operator, *inputs: Value) -> Live:
    """Convolution; 1x1 keeps owners, and one as large as the map weighs each position once."""
    x, (weight, *bias) = only_first_live(operator, inputs)
    stride, padding = operator.integers("stride"), operator.integers("padding")
    dilation, groups = operator.integers("dilation"), operator.integer("groups")
    point = weight.shape[2:] == (1, 1) and stride == (1, 1) and not any(padding)

    def whole_map(z: Tensor) -> Tensor:
        if point and groups == 1 and z.shape[2:] == (1, 1):
            # After pooling: a plain product is twice as fast as a convolution of one pixel.
            return F.linear(z[..., 0, 0], weight[..., 0, 0])[..., None, None]
        return F.conv2d(z, weight, None, stride, padding, dilation, groups)

    def depthwise(live: Live) -> Tensor | None:
        channels = live.value.shape[1]
        if groups != channels or len(weight) != channels or any(padding):
            return None
        if weight.shape[2:] != live.value.shape[2:] or not live.is_map():
            return None
        return (live.contributions * weight[:, 0]).flatten(2).permute(2, 0, 1)[..., None, None]

    def owner(o: Tensor) -> Tensor:
        return o[:, :1].expand(-1, len(weight), -1, -1)

    constant = bias[0][:, None, None] if bias else 0.0
    return apply(x, Affine(whole_map, constant, owner if point else None, (1,), depthwise))


KINDS = (
    # weight [out, in/groups, rows, cols]
    Kind(
        "conv2d",
        Signature(
            ("x", "weight", "bias?"),
            {"stride": "ints", "padding": "ints", "dilation": "ints", "groups": "int"},
        ),
        F.conv2d,
        _convolution,
    ),
    # weight [out, in]
    Kind("linear", Signature(("x", "weight", "bias?")), F.linear, _linear),
)
