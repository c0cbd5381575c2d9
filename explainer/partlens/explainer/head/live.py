"""A value that passes through the head, and what an affine map does to it.

Once its statistics are frozen at this image, every operator is an affine map x -> f(x) + k.
A rule gives f, k and how f treats positions; `apply` does the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from partlens.explainer.head.operators import Operator

CHUNK = 16
"""Positions that the slow path puts through an operator in one batch; bounds its memory."""
MOST_NUMBERS = 2**28
"""Numbers that one value may hold for all positions: 1 GiB as float32."""


class OversizeError(Exception):
    """A value would hold more than MOST_NUMBERS for all positions.

    Attributes:
        positions: P.
        shape: shape of the value, [N, ...].
    """

    def __init__(self, positions: int, shape: torch.Size) -> None:
        super().__init__(f"{positions} positions of {list(shape)}")
        self.positions, self.shape = positions, shape


@dataclass(frozen=True)
class Live:
    """A value that depends on the feature map; value == sum_p contributions_p + bias always.

    Attributes:
        value: the result of plain evaluation, shape [N, ...].
        contributions: while `owner` is set, every element belongs to one position and this has the
            value's shape (no P-fold blow-up); afterwards one slice per position, [P, N, ...].
        bias: what the head's constants add, shape [N, ...].
        owner: the position of each element, int32, the value's shape; None once positions mix.
        grid: the feature map's (rows, cols), or (T, 1) for tokens.
    """

    value: Tensor
    contributions: Tensor
    bias: Tensor
    owner: Tensor | None
    grid: tuple[int, int]

    @property
    def positions(self) -> int:
        """P = rows * cols."""
        return self.grid[0] * self.grid[1]

    def by_position(self) -> "Live":
        """The same value with one slice of contributions per position."""
        if self.owner is None:
            return self
        _require_room(self.positions, self.value)
        numbers = torch.arange(self.positions, dtype=torch.int32, device=self.owner.device)
        mine = self.owner == numbers.view(-1, *[1] * self.owner.ndim)
        return replace(self, contributions=torch.where(mine, self.contributions, 0), owner=None)

    def rows_are_positions(self) -> bool:
        """True where index p of the last axis but one belongs to position p: [..., P, channels]."""
        owner = self.owner
        if owner is None or owner.ndim < 2 or owner.shape[-2] != self.positions:
            return False
        others = [axis for axis in range(owner.ndim) if axis != owner.ndim - 2]
        numbers = torch.arange(self.positions, dtype=torch.int32, device=owner.device)
        return agrees(owner, others) and torch.equal(owner[(0,) * (owner.ndim - 2)][:, 0], numbers)

    def is_map(self) -> bool:
        """True while this is still laid out as the feature map, [N, any C, rows, cols]."""
        owner = self.owner
        if owner is None or owner.ndim != 4 or tuple(owner.shape[2:]) != self.grid:
            return False
        numbers = torch.arange(self.positions, dtype=torch.int32, device=owner.device)
        return agrees(owner, (0, 1)) and torch.equal(owner[0, 0].flatten(), numbers)


@dataclass(frozen=True)
class Statistic:
    """A value that depends on the feature map but is not a sum over positions, like q k^T.

    It may pass through the head until an operator freezes it (a softmax). If it reaches the
    embedding, the head is refused.

    Attributes:
        value: the result of plain evaluation, shape [N, ...].
        operator: the operator that produced it.
        why: why it is not a sum over positions.
    """

    value: Tensor
    operator: Operator
    why: str


@dataclass(frozen=True)
class Affine:
    """x -> linear(x) + constant.

    Attributes:
        linear: the linear part on [N, ...]; it must not mix images.
        constant: broadcasts to the result.
        owner: gives the result's owners from the input's; None if the map may mix positions.
        over: the axes along which the map mixes elements; `owner` is valid if owners agree there.
        fast: gives contributions [P, N, ...] without putting every position through `linear`, or
            None where this shortcut does not hold for the value.
    """

    linear: Callable[[Tensor], Tensor]
    constant: Tensor | float = 0.0
    owner: Callable[[Tensor], Tensor] | None = None
    over: Sequence[int] = ()
    fast: Callable[[Live], Tensor | None] = lambda live: None


def apply(live: Live, affine: Affine, value: Tensor | None = None) -> Live:
    """Apply an affine map.

    Args:
        live: the input, of any shape [N, ...].
        affine: the map; images are on the first axis of its input and result.
        value: the result's value if it is already known; otherwise it is computed.

    Returns:
        The result, [N, ...]: linear(value) + constant, and for each position linear(contribution).

    Raises:
        OversizeError: before it is computed, if it is too large for all positions.
    """
    if value is None:
        value = affine.linear(live.value) + affine.constant
    bias = affine.linear(live.bias) + affine.constant
    if live.owner is None:
        _require_room(live.positions, value)
        contributions = torch.vmap(affine.linear)(live.contributions)
        return Live(value, contributions, bias, None, live.grid)
    if affine.owner is not None and agrees(live.owner, affine.over):
        owner = affine.owner(live.owner).expand(value.shape)
        return Live(value, affine.linear(live.contributions), bias, owner, live.grid)
    _require_room(live.positions, value)
    fast = affine.fast(live)
    contributions = _one_by_one(live, live.owner, affine.linear) if fast is None else fast
    return Live(value, contributions, bias, None, live.grid)


def _require_room(positions: int, value: Tensor) -> None:
    if positions * value.numel() > MOST_NUMBERS:
        raise OversizeError(positions, value.shape)


def _one_by_one(live: Live, owner: Tensor, linear: Callable[[Tensor], Tensor]) -> Tensor:
    """Put each position through the map separately; valid for any linear map, P times the cost."""
    _require_room(min(CHUNK, live.positions), live.value)

    def alone(position: Tensor) -> Tensor:
        return linear(torch.where(owner == position, live.contributions, 0))

    numbers = torch.arange(live.positions, dtype=torch.int32, device=owner.device)
    result: Tensor = torch.vmap(alone, chunk_size=CHUNK)(numbers)
    return result


def agrees(owner: Tensor, axes: Sequence[int]) -> bool:
    """Whether all elements along the axes have the same owner; owner as in Live, [N, ...]."""
    for axis in axes:
        # A stride of 0 is a broadcast axis: nothing to compare.
        if owner.shape[axis] > 1 and owner.stride(axis) != 0:
            if not torch.equal(owner, owner.narrow(axis, 0, 1).expand_as(owner)):
                return False
    return True


def start(feature: Tensor) -> Live:
    """The feature map itself: position p owns its C values, and the bias is nothing.

    Args:
        feature: [N, C, rows, cols] or tokens [N, T, C].
    """
    rows, cols = feature.shape[2:] if feature.ndim == 4 else (feature.shape[1], 1)
    owner = torch.arange(rows * cols, dtype=torch.int32, device=feature.device).view(rows, cols)
    bias = torch.zeros_like(feature)
    return Live(feature, feature, bias, owner.expand(feature.shape), (rows, cols))
