"""Which cell of the picture each position of a feature map stands for."""

from partlens.explainer.errors import ModelError
from partlens.explainer.preprocessing import Preprocessing

Grid = tuple[int, int]
"""(rows, cols)."""


_LONGEST = 1.5
"""Sides of a patch that are further apart are no grid, but a number that happens to divide."""


def grid_of(shape: tuple[int, ...], extras: int, preprocessing: Preprocessing) -> Grid:
    """(rows, cols) of a feature map [C, rows, cols] or of tokens [T, C].

    Tokens are taken for patches that fill the input row by row. Only `locality.require_local`
    knows whether they are.

    Args:
        shape: without the batch axis.
        extras: how many of the first tokens lie on no cell.

    Raises:
        ModelError: extras of a feature map that has no tokens, as many as there are tokens, or
            tokens that fill no grid.
    """
    if len(shape) == 3:
        if extras:
            raise ModelError(
                f"the feature map {list(shape)} has no tokens, so none of them can be an extra"
            )
        return shape[1], shape[2]
    cells = shape[0] - extras
    if cells < 1:
        raise ModelError(f"of {shape[0]} tokens {extras} are extras; no position is left")
    grid = patch_grid(cells, preprocessing)
    if grid is None:
        raise ModelError(
            f"{cells} tokens fill no grid of patches on an input of"
            f" {preprocessing.height}x{preprocessing.width}, so nobody knows where they lie. Name"
            " the tokens that lie on no cell as extras (--extra-token, once for each), or choose"
            " a feature layer that gives [N, C, rows, cols]"
        )
    return grid


def patch_grid(cells: int, preprocessing: Preprocessing) -> Grid | None:
    """(rows, cols) of the squarest patches that fill the input; None if none are nearly square."""
    if cells < 1:
        return None
    grids = [(rows, cells // rows) for rows in range(1, cells + 1) if cells % rows == 0]
    longest, grid = min((_elongation(grid, preprocessing), grid) for grid in grids)
    return grid if longest <= _LONGEST else None


def _elongation(grid: Grid, preprocessing: Preprocessing) -> float:
    """The longer side of a patch over the shorter one."""
    height, width = preprocessing.height / grid[0], preprocessing.width / grid[1]
    return max(height, width) / min(height, width)
