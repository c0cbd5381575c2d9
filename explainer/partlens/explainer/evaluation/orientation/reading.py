"""Estimates orientation from maps: the bearing at the left edge of a panorama.

Bearings are in degrees clockwise from north, which is up in the aerial picture, as seen from its
middle. A panorama covers 360 degrees: the middle of column x of W lies 360 (x + 1/2) / W degrees
clockwise from its left edge. So one place seen in both pictures gives the orientation:

    heading = bearing of the place in the aerial picture - angle of its column in the panorama

The maps give this place (Zhu, Yang, Chen 2021, Fig. 6 and 7) in one of three ways:

- overall: the separate peaks of the two overall maps. Right only if both show the same thing, which
  is not guaranteed: the places that matter most in the two pictures may differ.
- partial: the peak of the panorama's overall map is the point; the peak of its partial map is
  where the aerial picture shows the same thing. Wrong if the thing occurs twice.
- all partial: the partial map of every column votes for the orientations that it supports, weighted
  by its values; the one with the most votes wins. Not in the paper. It uses the order of things.

A peak is the largest value, moved to the centroid of the positive values around it, for a
resolution finer than a cell.
"""

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.explainer.decomposition import Decomposition
from partlens.explainer.pair import PairExplanation

Method = Literal["overall", "partial", "all_partial"]
METHODS: tuple[Method, ...] = get_args(Method)
_STEPS = 720
"""Number of orientations to vote for, half a degree each."""
_BLUR = 4.0
"""Standard deviation of a vote, in degrees."""

Map = NDArray[np.floating]


def headings(panorama: Decomposition, aerial: Decomposition) -> dict[Method, float]:
    """The bearing at the left edge of the panorama by each method, degrees in 0..360.

    Args:
        panorama: a 360-degree panorama, its grid's columns from left to right.
        aerial: a square picture, north up; its grid covers all of it.

    Raises:
        ShapeError: embeddings of different dimensions, or of zero length.
    """
    pair = PairExplanation(panorama, aerial)
    overall = pair.query_map(with_bias=False).numpy()
    row, col = np.unravel_index(int(overall.argmax()), overall.shape)
    point = torch.zeros(overall.size)
    point[int(row) * overall.shape[1] + int(col)] = 1
    angle = panorama_angle(overall)
    return {
        "overall": (aerial_bearing(pair.retrieved_map(with_bias=False).numpy()) - angle) % 360,
        "partial": (aerial_bearing(pair.partial_map(point).numpy()) - angle) % 360,
        "all_partial": _most_votes(panorama, aerial),
    }


def panorama_angle(values: Map) -> float:
    """Angle of a map's peak clockwise from the panorama's left edge, degrees in 0..360."""
    cols = values.shape[1]
    wrapped = np.concatenate([values[:, -1:], values, values[:, :1]], 1)
    return float((_peak(values, wrapped, 1)[1] + 0.5) * 360 / cols % 360)


def aerial_bearing(values: Map) -> float:
    """Bearing of a map's peak from the middle of the aerial picture, degrees in 0..360."""
    row, col = _peak(values, values, 0)
    rows, cols = values.shape
    return float(bearings(np.array(row), np.array(col), rows, cols))


def bearings(row: Map, col: Map, rows: int, cols: int) -> Map:
    """Bearings of cells (fractions allowed) of an aerial map, degrees in 0..360, of row's shape.

    >>> row, col = np.array([0.0, 2, 4, 2]), np.array([2.0, 4, 2, 0])
    >>> bearings(row, col, 5, 5).tolist()
    [0.0, 90.0, 180.0, 270.0]
    """
    east, north = (col + 0.5) / cols - 0.5, 0.5 - (row + 0.5) / rows
    found: Map = np.degrees(np.arctan2(east, north)) % 360
    return found


def error(found: float, true: float) -> float:
    """Angle between two bearings, degrees in 0..180.

    >>> error(350, 20)
    30.0
    """
    return abs((found - true + 180.0) % 360 - 180)


def _peak(values: Map, around: Map, shift: int) -> tuple[float, float]:
    """Row and column of the largest value, moved to the centroid of the positive ones around it.

    Args:
        values: the map, shape [rows, cols].
        around: the same with its neighbours at both sides; `shift` more columns on its left.
        shift: number of these columns.
    """
    row, col = (int(n) for n in np.unravel_index(int(values.argmax()), values.shape))
    top, left = max(row - 1, 0), max(col + shift - 1, 0)
    near = np.clip(around[top : row + 2, left : col + shift + 2], 0, None)
    if not near.sum() > 0:
        return float(row), float(col)
    rows, cols = np.indices(near.shape)
    middle_row, middle_col = (near * rows).sum() / near.sum(), (near * cols).sum() / near.sum()
    return float(top + middle_row), float(left - shift + middle_col)


def _most_votes(panorama: Decomposition, aerial: Decomposition) -> float:
    rows, cols = panorama.grid
    columns = panorama.contributions.reshape(rows, cols, -1).sum(0)
    agreement = (columns @ aerial.contributions.T).numpy().astype(np.float64)
    where = np.indices(aerial.grid).reshape(2, -1).astype(np.float64)
    angle = (np.arange(cols) + 0.5) * 360 / cols
    turn = (bearings(where[0], where[1], *aerial.grid)[None] - angle[:, None]) % 360
    slots = np.round(turn / 360 * _STEPS).astype(np.int64) % _STEPS
    votes = np.bincount(slots.ravel(), agreement.ravel(), minlength=_STEPS)
    away = np.minimum(np.arange(_STEPS), _STEPS - np.arange(_STEPS)) * 360 / _STEPS
    blur = np.exp(-((away / _BLUR) ** 2) / 2)
    blurred = np.fft.irfft(np.fft.rfft(votes) * np.fft.rfft(blur), _STEPS)
    return float(blurred.argmax() * 360 / _STEPS)
