"""Generated pairs: a place from above, and the panorama of a camera in its middle.

Landmarks of several kinds stand around the centre. One kind occurs several times in a place, so
that a method can find the wrong landmark of that kind.

Bearings are in degrees clockwise from north, which is up in the aerial picture. Column x of a
panorama W pixels wide faces the bearing heading + 360 x / W; heading is drawn at random.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

AERIAL_SIDE = 96
PANORAMA_HEIGHT, PANORAMA_WIDTH = 48, 192
HORIZON = 18
"""Row of the horizon in the panorama."""
_EYE = 150.0
"""Rows below the horizon of a thing's foot, times its distance in aerial pixels."""
_NEAR, _FAR = 16.0, 42.0
_OVERSAMPLING = 4

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Kind:
    """Appearance of a landmark.

    Attributes:
        radius: half its extent on the ground, in aerial pixels.
        height: height in aerial pixels.
        colour: colour of the parts seen from above: crown, roof, water.
        side: colour of the parts seen only from the side: trunk, wall.
        shape: one of the shapes that `_from_above` and `_from_street` draw.
    """

    radius: float
    height: float
    colour: Colour
    side: Colour
    shape: str


KINDS: dict[str, Kind] = {
    "broadleaf": Kind(5.0, 9.0, (38, 120, 40), (95, 65, 40), "crown"),
    "conifer": Kind(4.0, 13.0, (10, 66, 56), (70, 50, 35), "cone"),
    "red house": Kind(6.0, 8.0, (190, 52, 40), (226, 216, 200), "house"),
    "grey house": Kind(6.0, 8.0, (96, 98, 118), (240, 238, 226), "house"),
    "pond": Kind(6.0, 0.0, (48, 100, 196), (48, 100, 196), "water"),
    "haystack": Kind(4.0, 5.0, (222, 186, 70), (206, 166, 52), "mound"),
    "tent": Kind(4.5, 6.0, (232, 120, 24), (232, 120, 24), "cone"),
    "tower": Kind(3.5, 22.0, (168, 160, 172), (140, 128, 140), "block"),
}


@dataclass(frozen=True)
class Landmark:
    """A landmark in a place.

    Attributes:
        kind: a key of KINDS.
        bearing: its bearing from the centre, in degrees.
        distance: distance of its middle from the centre, in aerial pixels.
        turn: its rotation, in degrees.
    """

    kind: str
    bearing: float
    distance: float
    turn: float


@dataclass(frozen=True, eq=False)
class Pair:
    """One place, seen twice.

    Attributes:
        aerial: north up, uint8 [rows, cols, 3], square.
        panorama: 360 degrees, uint8 [rows, cols, 3].
        heading: bearing at the left edge of the panorama, degrees in 0..360.
        landmarks: its landmarks, if known.
    """

    aerial: NDArray[np.uint8]
    panorama: NDArray[np.uint8]
    heading: float
    landmarks: tuple[Landmark, ...] = ()


def generate(count: int, seed: int) -> Iterator[Pair]:
    """Pairs of different places; the same seed gives the same pairs."""
    for number in range(count):
        random = np.random.default_rng([seed, number])
        landmarks = place(random)
        heading = float(random.uniform(0, 360))
        yield Pair(
            draw_aerial(landmarks, random),
            draw_panorama(landmarks, heading, random),
            heading,
            landmarks,
        )


def place(random: Generator) -> tuple[Landmark, ...]:
    """Six to eight landmarks: four or five kinds once, and another kind two or three times."""
    once, times = int(random.integers(4, 6)), int(random.integers(2, 4))
    kinds = random.permutation(list(KINDS))[: once + 1].tolist()
    standing = random.permutation(kinds[:once] + kinds[once:] * times).tolist()
    step = 360 / len(standing)
    start = random.uniform(0, 360)
    return tuple(
        Landmark(
            kind,
            float((start + step * (n + random.uniform(-0.3, 0.3))) % 360),
            float(random.uniform(_NEAR, _FAR)),
            float(random.uniform(0, 180)),
        )
        for n, kind in enumerate(standing)
    )


def draw_aerial(landmarks: tuple[Landmark, ...], random: Generator) -> NDArray[np.uint8]:
    """The place from above, north up, shape [AERIAL_SIDE, AERIAL_SIDE, 3]."""
    side = AERIAL_SIDE * _OVERSAMPLING
    paper = Image.new("RGB", (side, side), _ground(random))
    pen = ImageDraw.Draw(paper)
    for landmark in landmarks:
        angle = np.radians(landmark.bearing)
        x = (AERIAL_SIDE / 2 + landmark.distance * np.sin(angle)) * _OVERSAMPLING
        y = (AERIAL_SIDE / 2 - landmark.distance * np.cos(angle)) * _OVERSAMPLING
        _from_above(pen, KINDS[landmark.kind], x, y, landmark.turn)
    return _noisy(paper.resize((AERIAL_SIDE, AERIAL_SIDE), Image.Resampling.BOX), random)


def draw_panorama(
    landmarks: tuple[Landmark, ...], heading: float, random: Generator
) -> NDArray[np.uint8]:
    """The place as a panorama, shape [PANORAMA_HEIGHT, PANORAMA_WIDTH, 3]; far things first."""
    width, height = PANORAMA_WIDTH * _OVERSAMPLING, PANORAMA_HEIGHT * _OVERSAMPLING
    shade = int(random.integers(-15, 16))
    paper = Image.new("RGB", (width, height), (150 + shade, 190 + shade, 230 + shade))
    pen = ImageDraw.Draw(paper)
    pen.rectangle((0, HORIZON * _OVERSAMPLING, width, height), _ground(random))
    for landmark in sorted(landmarks, key=lambda one: -one.distance):
        x = (landmark.bearing - heading) % 360 / 360 * width
        # Repeated on either side, for things that cross the edge.
        for left in (x - width, x, x + width):
            _from_street(pen, KINDS[landmark.kind], left, landmark.distance)
    size = (PANORAMA_WIDTH, PANORAMA_HEIGHT)
    return _noisy(paper.resize(size, Image.Resampling.BOX), random)


def _ground(random: Generator) -> Colour:
    red, green, blue = (int(v) for v in np.array([128, 150, 96]) + random.integers(-12, 13, 3))
    return red, green, blue


def _noisy(picture: Image.Image, random: Generator) -> NDArray[np.uint8]:
    values = np.asarray(picture, np.float64)
    return np.clip(values + random.normal(0, 5, values.shape), 0, 255).astype(np.uint8)


def _from_above(pen: ImageDraw.ImageDraw, kind: Kind, x: float, y: float, turn: float) -> None:
    radius = kind.radius * _OVERSAMPLING
    around = (x - radius, y - radius, x + radius, y + radius)
    if kind.shape in ("house", "block"):
        pen.regular_polygon((x, y, radius), 4, turn, fill=kind.colour)
        if kind.shape == "house":  # its ridge
            dx, dy = (
                radius * np.sin(np.radians(turn)) * 0.7,
                radius * np.cos(np.radians(turn)) * 0.7,
            )
            pen.line((x - dx, y - dy, x + dx, y + dy), _dark(kind.colour), _OVERSAMPLING)
    elif kind.shape == "cone":
        pen.regular_polygon((x, y, radius), 6, turn, fill=kind.colour)
        pen.ellipse(
            (x - radius / 4, y - radius / 4, x + radius / 4, y + radius / 4), _dark(kind.colour)
        )
    else:
        pen.ellipse(around, kind.colour)


def _from_street(pen: ImageDraw.ImageDraw, kind: Kind, x: float, distance: float) -> None:
    """Draw a landmark at x, in oversampled pixels, on the ground at this distance."""
    wide = np.arctan2(kind.radius, distance) / np.pi * PANORAMA_WIDTH / 2 * _OVERSAMPLING
    foot = (HORIZON + _EYE / distance) * _OVERSAMPLING
    # Perspective: rows per pixel of height shrink with distance.
    tall = kind.height / distance * (PANORAMA_WIDTH / (2 * np.pi)) * _OVERSAMPLING
    if kind.shape == "water":
        pen.ellipse((x - wide, foot - wide / 4, x + wide, foot + wide / 4), kind.colour)
    elif kind.shape == "crown":
        pen.rectangle((x - wide / 5, foot - tall / 2, x + wide / 5, foot), kind.side)
        pen.ellipse((x - wide, foot - tall, x + wide, foot - tall / 3), kind.colour)
    elif kind.shape == "cone":
        pen.polygon([(x - wide, foot), (x, foot - tall), (x + wide, foot)], kind.colour)
    elif kind.shape == "house":
        eaves = foot - tall * 0.55
        pen.rectangle((x - wide * 0.9, eaves, x + wide * 0.9, foot), kind.side)
        pen.polygon([(x - wide, eaves), (x, foot - tall), (x + wide, eaves)], kind.colour)
    elif kind.shape == "mound":
        pen.pieslice((x - wide, foot - tall, x + wide, foot + tall), 180, 360, kind.side)
    else:
        pen.rectangle((x - wide, foot - tall, x + wide, foot), kind.side)


def _dark(colour: Colour) -> Colour:
    red, green, blue = (value * 6 // 10 for value in colour)
    return red, green, blue
