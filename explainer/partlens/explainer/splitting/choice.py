"""The feature map of a module that names no feature layer."""

import math
from collections.abc import Iterable

from partlens.explainer.backbone import TorchBackbone
from partlens.explainer.errors import ModelError
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.graph import SplitGraph
from partlens.explainer.splitting.layout import Grid, patch_grid
from partlens.explainer.splitting.locality import measure

_EXTRAS = 8
"""Class and register tokens that a model may have."""
_FEWEST_PATCHES = 9
"""Fewer tokens may seem to lie in order by chance."""


def last_local(
    candidates: Iterable[SplitGraph], preprocessing: Preprocessing, extras: int
) -> SplitGraph:
    """The last cut in which each position depends on its own place in the picture.

    The shape is not enough: a flattened map [N, C, rows * cols] has the shape of tokens, the
    result of an attention [N, heads, T, C] that of a map.

    Args:
        candidates: the last one first.
        extras: how many of the first tokens lie on no cell.

    Raises:
        ModelError: there is none, or one has tokens that were not named as extras.
    """
    for cut in candidates:
        channels_or_tokens, *sizes = cut.feature_shape
        if len(sizes) == 2:
            grid = (sizes[0], sizes[1])
            # [N, heads, 1, C] of an attention is one row of cells by its shape, and by chance.
            if min(grid) > 1 and not extras and _local(cut, grid, preprocessing, 0):
                return cut
            continue
        for count in (extras,) if extras else range(_EXTRAS + 1):
            cells = patch_grid(channels_or_tokens - count, preprocessing)
            few = cells is None or math.prod(cells) < _FEWEST_PATCHES
            if cells is None or few or not _local(cut, cells, preprocessing, count):
                continue
            if count == extras:
                return cut
            raise ModelError(
                f"the last spatial tensor has {channels_or_tokens} tokens: {count} that lie on no"
                f" cell, and then {cells[0]}x{cells[1]} patches. Name the first {count} as extras"
                " (--extra-token, once for each), or name the feature layer"
            )
    raise ModelError(
        "no tensor through which everything goes is a map of the picture: [N, C, rows, cols], or"
        " one token for each square patch. Name the feature layer (--feature-layer)"
    )


def _local(cut: SplitGraph, grid: Grid, preprocessing: Preprocessing, extras: int) -> bool:
    """Whether this cut gives such a map. Its shape was not declared, so check all axes."""
    backbone = TorchBackbone(cut.backbone(), (preprocessing.height, preprocessing.width))
    return measure(backbone, preprocessing, grid, extras).usable(grid, known_layout=False)
