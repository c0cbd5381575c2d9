"""Where each cell of a feature map looks in the picture.

Padding and strides shift what a cell sees, and at the borders its view is cut, so the centres of
the cells are not spread evenly. Places are fractions of the model's input, 0 at its top or left
edge and 1 at the other one; cells are counted from there too, cell i from i to i + 1.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_CLOSEST = 1e-9
"""Centres that are closer would make slopes that overflow."""
_CLOSEST_SENT = 2e-7
"""Centres of a file are sent as float32, in which closer ones may be equal."""
_SHOWN = 200
"""Characters of a wrong value in an error."""


class RegistrationError(ValueError):
    """Centres or spreads that no axis of cells can have."""


@dataclass(frozen=True)
class Axis:
    """One axis of cells: the rows from top to bottom, or the columns from left to right.

    Places and cells are joined by the piecewise linear map through the edges and every centre, so
    each cell covers what lies nearer to its centre than to its neighbours', or up to the edge.

    Attributes:
        centres: where each cell looks, as fractions of the input, ascending.
        spreads: standard deviation of what each cell sees, as fractions of the input; empty if
            it was not measured.

    Raises:
        RegistrationError: no cell, or centres that do not ascend strictly between 0 and 1, or
            spreads of another number or below 0.
    """

    centres: tuple[float, ...]
    spreads: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        given = [0.0, *self.centres, 1.0]
        if not self.centres or not all(
            after - before >= _CLOSEST for before, after in pairwise(given)
        ):
            raise RegistrationError(
                "the centres of cells must ascend between 0 and 1, each at least"
                f" {_CLOSEST:g} from the next; they are {_some(self.centres)}"
            )
        spreads = self.spreads
        if spreads and len(spreads) != len(self.centres):
            raise RegistrationError(f"{len(spreads)} spreads of {len(self.centres)} cells")
        if not all(math.isfinite(spread) and spread >= 0 for spread in spreads):
            raise RegistrationError(f"spreads must be numbers of at least 0: {_some(spreads)}")

    @classmethod
    def nominal(cls, cells: int) -> "Axis":
        """Cells that each look at the middle of an equal share."""
        return cls(tuple((cell + 0.5) / cells for cell in range(cells)))

    def __len__(self) -> int:
        return len(self.centres)

    def to_cells(self, places: NDArray[np.floating]) -> FloatArray:
        """Fractions of the input as units of cells; places outside continue the outermost slope."""
        at, cells = self._knots
        return _continued(np.asarray(places, np.float64), at, cells)

    def to_places(self, cells: NDArray[np.floating]) -> FloatArray:
        """Inverse of to_cells."""
        at, knots = self._knots
        return _continued(np.asarray(cells, np.float64), knots, at)

    def bends(self) -> FloatArray:
        """Places at which to_cells changes its slope; none of evenly spread cells."""
        at, cells = self._knots
        slopes = np.diff(cells) / np.diff(at)
        changes: FloatArray = at[1:-1][np.abs(np.diff(slopes)) > 1e-9 * len(self)]
        return changes

    def interpolation(self, places: NDArray[np.floating]) -> FloatArray:
        """Weights of the cells at each place, linear between neighbouring centres.

        Beyond the outermost centres the outermost cell weighs 1; outside 0..1 none does.

        Args:
            places: fractions of the input, shape [n].

        Returns:
            Shape [n, cells].
        """
        centre = np.clip(self.to_cells(places) - 0.5, 0, len(self) - 1)
        weights = np.maximum(0.0, 1 - np.abs(centre[:, None] - np.arange(len(self))))
        return np.where(((places >= 0) & (places <= 1))[:, None], weights, 0.0)

    def pooled(self, cells: int) -> "Axis":
        """The axis of fewer cells, each the mean of those that it covers, by length.

        Raises:
            RegistrationError: more cells than there are, or none.
        """
        if not 1 <= cells <= len(self):
            raise RegistrationError(f"{len(self)} cells cannot be pooled to {cells}")
        if cells == len(self):
            return self
        shares = overlap(np.linspace(0, len(self), cells + 1), len(self)).T
        shares /= shares.sum(1, keepdims=True)
        centres = np.array(self.centres)
        pooled = shares @ centres
        spreads: tuple[float, ...] = ()
        if self.spreads:
            within = shares @ (np.array(self.spreads) ** 2 + centres**2) - pooled**2
            spreads = tuple(np.sqrt(np.maximum(within, 0)).tolist())
        return Axis(tuple(pooled.tolist()), spreads)

    def shift(self) -> float:
        """The largest distance of a centre from the middle of the cell's equal share, signed."""
        moved = np.array(self.centres) - np.array(Axis.nominal(len(self)).centres)
        return float(moved[np.abs(moved).argmax()])

    @cached_property
    def _knots(self) -> tuple[FloatArray, FloatArray]:
        cells = len(self)
        return (
            np.array([0.0, *self.centres, 1.0]),
            np.array([0.0, *(np.arange(cells) + 0.5), cells]),
        )


@dataclass(frozen=True)
class Registration:
    """Where the cells of a feature map look.

    Attributes:
        rows: down the picture.
        cols: across it.
    """

    rows: Axis
    cols: Axis

    @classmethod
    def nominal(cls, grid: tuple[int, int]) -> "Registration":
        """Cells (rows, cols) that each look at the middle of an equal share of the picture."""
        return cls(Axis.nominal(grid[0]), Axis.nominal(grid[1]))

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols)."""
        return len(self.rows), len(self.cols)

    def pooled(self, grid: tuple[int, int]) -> "Registration":
        """The registration of a coarser grid; raises RegistrationError."""
        return Registration(self.rows.pooled(grid[0]), self.cols.pooled(grid[1]))

    def to_json(self) -> dict[str, object]:
        """Plain values: `centres` and `spreads` of `rows` and `cols`."""
        return {
            name: {"centres": list(axis.centres), "spreads": list(axis.spreads)}
            for name, axis in (("rows", self.rows), ("cols", self.cols))
        }

    @classmethod
    def from_json(cls, plain: object) -> "Registration":
        """Inverse of to_json.

        Raises:
            RegistrationError: a key is missing or unknown, or its value is impossible, or centres
                are closer than an answer of a server can tell.
        """
        match plain:
            case {"rows": rows, "cols": cols, **unknown} if not unknown:
                return cls(_axis("rows", rows), _axis("cols", cols))
        raise RegistrationError(f"it must have rows and cols, but is {str(plain)[:_SHOWN]}")


def overlap(edges: FloatArray, cells: int) -> FloatArray:
    """Length of the overlap of each interval between edges with each cell, [cells, edges - 1].

    Args:
        edges: ascending, in units of cells.
    """
    cell = np.arange(cells, dtype=np.float64)[:, None]
    inside = np.minimum(edges[1:], cell + 1) - np.maximum(edges[:-1], cell)
    lengths: FloatArray = np.maximum(inside, 0.0)
    return lengths


def _axis(name: str, plain: object) -> Axis:
    match plain:
        case {"centres": [*centres], "spreads": [*spreads], **unknown} if not unknown:
            axis = Axis(_numbers(name, centres), _numbers(name, spreads))
            if np.diff([0.0, *axis.centres, 1.0]).min() < _CLOSEST_SENT:
                raise RegistrationError(
                    f"the centres of {name} must be at least {_CLOSEST_SENT:g} from each other and"
                    f" from 0 and 1; they are {_some(axis.centres)}"
                )
            return axis
    raise RegistrationError(
        f"{name} must have lists of centres and spreads, but is {str(plain)[:_SHOWN]}"
    )


def _numbers(name: str, given: list[object]) -> tuple[float, ...]:
    for number in given:
        if type(number) not in (int, float):
            raise RegistrationError(f"{name} must be numbers, but one is {str(number)[:_SHOWN]}")
    try:
        return tuple(map(float, given))  # type: ignore[arg-type]
    except OverflowError as error:
        raise RegistrationError(f"{name}: {error}") from error


def _continued(values: FloatArray, knots: FloatArray, to: FloatArray) -> FloatArray:
    """Piecewise linear through (knots, to), with the outermost slopes beyond them."""
    between: FloatArray = np.asarray(np.interp(values, knots, to), np.float64)
    if ((values >= knots[0]) & (values <= knots[-1])).all():
        return between
    first = (to[1] - to[0]) / (knots[1] - knots[0])
    last = (to[-1] - to[-2]) / (knots[-1] - knots[-2])
    below = np.minimum(values - knots[0], 0) * first
    above = np.maximum(values - knots[-1], 0) * last
    continued: FloatArray = between + below + above
    return continued


def _some(numbers: tuple[float, ...]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers[:8])
    return f"{shown}, ..." if len(numbers) > 8 else shown or "none"
