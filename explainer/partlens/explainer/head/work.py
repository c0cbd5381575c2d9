"""How much work it is to decompose an image, found without doing it, so that it can be bounded."""

import math
from collections.abc import Callable, Mapping

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head.operators import Head
from partlens.explainer.head.size import IMAGES, Step, steps

MOST_WORK = 2**42
"""Multiplications to decompose one image: one to three minutes of one core."""
_APART = 16
"""What a number costs outside a matrix product, in multiplications of one."""
_ADAPTIVE = 64
"""The same in adaptive pooling, which is slower."""
_CALL = 2**16
"""What it costs to call an operator, however small its inputs."""


def require_bounded(head: Head, feature: tuple[int, ...], allowed: int | None = None) -> None:
    """Refuse a head that would need too much work for one image.

    Args:
        head: of kinds in KINDS.
        feature: shape of a feature map, [C, rows, cols] or [T, C].
        allowed: multiplications; MOST_WORK by default.

    Raises:
        UnsupportedOperatorError: it would; names the operator that needs most.
        ShapeError: an operator does not take what it is given.
    """
    positions = math.prod(feature[1:]) if len(feature) == 3 else feature[0]
    allowed = MOST_WORK if allowed is None else allowed
    total, most = 0, 0
    worst: Step | None = None
    for step in steps(head, feature):
        needed = positions * work(step)
        total += needed
        if needed >= most:
            most, worst = needed, step
        if total > allowed and worst is not None:
            where = worst.operator
            raise UnsupportedOperatorError(
                where.kind,
                where.module_path,
                why=(
                    f"decomposing one image would need over {total:.1e} multiplications, of which"
                    f" operator {where.name!r} needs {most:.1e} ({positions:,} positions x"
                    f" {most // max(1, positions):,}); {allowed:.1e} are allowed"
                ),
            )


def work(step: Step) -> int:
    """Multiplications to evaluate an operator once for one image, or what costs as much."""
    count = _WORK.get(step.operator.kind, _elementwise)
    return _CALL + count(step) // IMAGES


def _elementwise(step: Step) -> int:
    return _APART * max(one.numel() for one in (step.value, *step.inputs))


def _product(step: Step) -> int:
    return step.value.numel() * step.inputs[0].shape[-1] + _elementwise(step)


def _convolution(step: Step) -> int:
    weight = step.inputs[1]
    # A sum over few channels is no faster than pooling.
    dense = step.operator.integer("groups") == 1 and min(weight.shape[:2]) >= _APART
    factor = 1 if dense else _APART
    return factor * step.value.numel() * weight[0].numel() + _elementwise(step)


def _attention(step: Step) -> int:
    query, key, x = step.inputs[:3]
    pairs = step.value[..., 0].numel() * key.shape[-2]
    return pairs * (query.shape[-1] + x.shape[-1] + _APART) + _elementwise(step)


def _window(step: Step) -> int:
    sizes = step.inputs[0].shape[-2:]
    kernel = step.operator.integers("kernel")
    kernel = kernel * 2 if len(kernel) == 1 else kernel
    cells = math.prod(map(min, kernel, sizes))
    return _APART * step.value.numel() * cells + _elementwise(step)


def _adaptive(step: Step) -> int:
    # Windows overlap by up to one cell on either side.
    pairs = zip(step.inputs[0].shape[-2:], step.value.shape[-2:], strict=True)
    cells = math.prod(min(size, size // max(1, count) + 2) for size, count in pairs)
    return _ADAPTIVE * step.value.numel() * cells + _elementwise(step)


_WORK: Mapping[str, Callable[[Step], int]] = {
    "conv2d": _convolution,
    "linear": _product,
    "matmul": _product,
    "attention": _attention,
    "avg_pool2d": _window,
    "max_pool2d": _window,
    "adaptive_avg_pool2d": _adaptive,
    "adaptive_max_pool2d": _adaptive,
}
"""Kinds that read an input more than once for each result; all others read it once."""
