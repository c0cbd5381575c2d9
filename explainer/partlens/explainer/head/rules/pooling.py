"""Pooling over rows and columns or over named axes: averages are linear, maxima freeze a winner."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from partlens.explainer.head.live import Affine, Live, apply
from partlens.explainer.head.operators import Attribute, Operator
from partlens.explainer.head.rules.kind import Function, Kind, Signature, Value, only_first_live


def _avg_pool2d(
    x: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    pooled: Tensor = F.avg_pool2d(x, kernel, stride, padding, ceil_mode, count_include_pad)
    return pooled


def _adaptive_avg_pool2d(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(x, size)


def _mean(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    return x.mean(axes, keepdim)


def _sum(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    return x.sum(axes, keepdim)


@dataclass(frozen=True)
class _Average:
    """Average or sum; over the whole map, each position contributes its own value.

    Attributes:
        evaluate: the average or the sum.
        divided: whether it divides by the number of values, as an average does.
    """

    evaluate: Function
    divided: bool = True

    def __call__(self, operator: Operator, *inputs: Value) -> Live:
        """The decomposed result; see only_first_live for what it raises."""
        x, _ = only_first_live(operator, inputs)

        def pooled(z: Tensor) -> Tensor:
            return self.evaluate(z, **operator.attributes)

        def fast(live: Live) -> Tensor | None:
            owned = _one_axis_of_positions(live)
            result = pooled(live.value)
            if owned is None or result.numel() * live.positions != live.value.numel():
                return None
            if owned.numel() and result.shape[1] != live.value.shape[1] and live.value.ndim == 4:
                return None  # an average over channels
            share = owned / live.positions if self.divided else owned
            return share.reshape(live.positions, *result.shape)

        axes = operator.attributes.get("axes")
        if isinstance(axes, tuple):
            # Owners stay if all averaged values belong to one position (the channels of a cell).
            keepdim = bool(operator.attributes["keepdim"])
            return apply(x, Affine(pooled, 0.0, lambda o: o.amax(axes, keepdim), axes, fast))
        return apply(x, Affine(pooled, fast=fast))


def _one_axis_of_positions(live: Live) -> Tensor | None:
    """Contributions [P, N, C] of a feature map or of tokens; None for any other layout.

    Channels are adjacent in memory, as later operators and the final result need them. This halves
    the time of a head that only pools.
    """
    if live.is_map():
        return live.contributions.flatten(2).mT.contiguous().transpose(0, 1)
    if live.owner is None or live.owner.ndim != 3 or live.owner.shape[1] != live.positions:
        return None
    numbers = torch.arange(live.positions, dtype=torch.int32, device=live.owner.device)
    if not torch.equal(live.owner, numbers[:, None].expand_as(live.owner)):
        return None
    return live.contributions.transpose(0, 1)


def _max_pool2d_with_indices(
    x: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    ceil_mode: bool,
) -> tuple[Tensor, Tensor]:
    return F.max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil_mode)


def _adaptive_max_pool2d_with_indices(x: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    return F.adaptive_max_pool2d_with_indices(x, size)


def _max_pool2d(x: Tensor, **window: Attribute) -> Tensor:
    return _max_pool2d_with_indices(x, **window)[0]  # type: ignore[arg-type]


def _adaptive_max_pool2d(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.adaptive_max_pool2d(x, size)


@dataclass(frozen=True)
class _Winners:
    """Max pooling: the winner passes with its owner; ties go to the first.

    Attributes:
        with_indices: returns the maxima [N, C, rows, cols] and the index of each in rows * cols.
    """

    with_indices: Callable[..., tuple[Tensor, Tensor]]

    def __call__(self, operator: Operator, *inputs: Value) -> Live:
        """The decomposed result; see only_first_live for what it raises."""
        x, _ = only_first_live(operator, inputs)
        value, index = self.with_indices(x.value, **operator.attributes)

        def winners(z: Tensor) -> Tensor:
            return z.flatten(2).gather(2, index.flatten(2)).view(value.shape)

        return apply(x, Affine(winners, owner=winners), value)


def _amax(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    return x.amax(axes, keepdim)


def _largest(operator: Operator, *inputs: Value) -> Live:
    """The largest value along axes: one winner, the first of equals."""
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


_WINDOW = {"kernel": "ints", "stride": "ints", "padding": "ints"}  # rows, columns
_SIZE = Signature(("x",), {"size": "ints"})
_REDUCE = Signature(("x",), {"axes": "ints", "keepdim": "bool"})

KINDS = (
    Kind(
        "avg_pool2d",
        Signature(("x",), {**_WINDOW, "ceil_mode": "bool", "count_include_pad": "bool"}),
        _avg_pool2d,
        _Average(_avg_pool2d),
    ),
    Kind("adaptive_avg_pool2d", _SIZE, _adaptive_avg_pool2d, _Average(_adaptive_avg_pool2d)),
    Kind(
        "max_pool2d",
        Signature(("x",), {**_WINDOW, "dilation": "ints", "ceil_mode": "bool"}),
        _max_pool2d,
        _Winners(_max_pool2d_with_indices),
    ),
    Kind(
        "adaptive_max_pool2d",
        _SIZE,
        _adaptive_max_pool2d,
        _Winners(_adaptive_max_pool2d_with_indices),
    ),
    Kind("mean", _REDUCE, _mean, _Average(_mean)),
    Kind("sum", _REDUCE, _sum, _Average(_sum, divided=False)),
    Kind("amax", _REDUCE, _amax, _largest),
)
