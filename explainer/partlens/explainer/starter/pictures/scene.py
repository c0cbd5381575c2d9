"""The scene around a person: background, light, occlusion, and the camera's look."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from partlens.explainer.starter.pictures.canvas import SCENE, Canvas, blend
from partlens.explainer.starter.pictures.person import Colour

CAMERAS = ("a", "b")
LIGHTS = ("day", "dim", "side")
OCCLUSIONS = {"none": 0.7, "post": 0.1, "bush": 0.1, "bench": 0.1}
# Camera a hangs high, with warm and sharp pictures; b is low, with cool, soft and grainy ones.
TILTS = {"a": 0.24, "b": -0.06}
_GAINS = {"a": (1.05, 1.0, 0.93), "b": (0.88, 0.97, 1.08)}

FloatImage = NDArray[np.float32]


def draw_background(canvas: Canvas, background: str, rng: Generator) -> None:
    """Fill the whole canvas with one of BACKGROUNDS."""
    BACKGROUNDS[background](canvas, rng, canvas.height * rng.uniform(0.68, 0.8))


def draw_occlusion(canvas: Canvas, occlusion: str, rng: Generator) -> None:
    """Put one of OCCLUSIONS in front of the person; it covers parts in the label map too."""
    width, height = canvas.width, canvas.height
    if occlusion == "post":
        x = width * rng.choice([rng.uniform(0.18, 0.34), rng.uniform(0.66, 0.82)])
        canvas.polygon(_box(x, 0, x + width * 0.08, height), _vary(rng, (112, 116, 122)), SCENE)
    elif occlusion == "bush":
        colour, top = _vary(rng, (70, 118, 66)), height * rng.uniform(0.8, 0.93)
        for _ in range(14):
            at = (rng.uniform(-0.05, 1.05) * width, top + rng.uniform(0, 0.15) * height)
            radius = width * rng.uniform(0.1, 0.2)
            canvas.ellipse(at, (radius, radius * 0.8), _vary(rng, colour), SCENE)
    elif occlusion == "bench":
        top = height * rng.uniform(0.66, 0.78)
        left = rng.choice([0.0, 0.45]) * width
        for step in range(3):
            y = top + step * height * 0.055
            plank = _box(left, y, left + width * 0.55, y + height * 0.035)
            canvas.polygon(plank, _vary(rng, (142, 98, 62)), SCENE)


def shine(pixels: FloatImage, labels: NDArray[np.uint8], light: str, rng: Generator) -> FloatImage:
    """Draw contours between parts, shade the figure, and light the scene.

    Args:
        pixels: fine pixels, shape [rows, cols, 3].
        labels: the part at each pixel, shape [rows, cols].
        light: one of LIGHTS.
    """
    height, width = labels.shape
    level = {"day": rng.uniform(0.98, 1.1), "dim": rng.uniform(0.6, 0.75), "side": 0.92}[light]
    slope = (0.2 if light == "side" else 0.08) * rng.choice([-1, 1])
    down = level * np.linspace(1.05, 0.95, height, dtype=np.float32)
    shade = down[:, None] * np.linspace(1 - slope, 1 + slope, width, dtype=np.float32)
    edges = np.zeros(labels.shape, bool)
    edges[1:] |= labels[1:] != labels[:-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    shade[edges] *= 0.55
    return pixels * shade[..., None].astype(np.float32)


def photograph(
    pixels: FloatImage, size: tuple[int, int], camera: str, rng: Generator
) -> NDArray[np.uint8]:
    """The final picture of a camera.

    Args:
        pixels: the fine picture, 0..255.
        size: (width, height) of the final one.

    Returns:
        uint8 RGB, shape [height, width, 3].
    """
    fine = Image.fromarray(
        (pixels * np.asarray(_GAINS[camera], np.float32)).clip(0, 255).astype(np.uint8)
    )
    picture = fine.resize(size, Image.Resampling.BOX)
    if camera == "b":
        picture = ImageEnhance.Color(picture).enhance(0.8)
        picture = picture.filter(ImageFilter.GaussianBlur(0.45))
    grain = rng.normal(0, 1.5 if camera == "a" else 4, (size[1], size[0], 1))
    return (np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)


def _street(canvas: Canvas, rng: Generator, horizon: float) -> None:
    wall = _vary(rng, (190, 152, 132))
    _ground(canvas, wall, _vary(rng, (150, 150, 152)), horizon)
    for y in np.arange(0, horizon, 7):
        canvas.polygon(_box(0, y, canvas.width, y + 0.8), blend(wall, (255, 255, 255), 0.25))
    for side in (0.03, 0.7):
        x, y = canvas.width * (side + rng.uniform(0, 0.06)), horizon * rng.uniform(0.1, 0.3)
        canvas.polygon(_box(x, y, x + 22, y + 36), (236, 232, 222))
        canvas.polygon(_box(x + 2, y + 2, x + 20, y + 34), _vary(rng, (126, 158, 184)))
        canvas.polygon(_box(x + 10, y + 2, x + 12, y + 34), (236, 232, 222))


def _park(canvas: Canvas, rng: Generator, horizon: float) -> None:
    _ground(canvas, _vary(rng, (176, 212, 236)), _vary(rng, (134, 178, 104)), horizon)
    for _ in range(4):
        x, y = rng.uniform(0, 1) * canvas.width, horizon * rng.uniform(0.25, 0.6)
        canvas.polygon(_box(x - 2, y, x + 2, horizon + 2), (116, 88, 66))
        leaves = _vary(rng, (96, 148, 88))
        for _ in range(4):
            at = (x + rng.uniform(-10, 10), y + rng.uniform(-14, 6))
            canvas.ellipse(at, (13, 12), _vary(rng, leaves))
    path = ((0.3, horizon), (0.6, horizon), (0.95, canvas.height), (0.05, canvas.height))
    canvas.polygon([(u * canvas.width, v) for u, v in path], _vary(rng, (214, 198, 164)))


def _corridor(canvas: Canvas, rng: Generator, horizon: float) -> None:
    wall, floor = _vary(rng, (214, 212, 200)), _vary(rng, (170, 166, 158))
    _ground(canvas, wall, floor, horizon)
    for u in range(-2, 12):
        near, far = u * canvas.width * 0.18 - canvas.width * 0.3, u * canvas.width * 0.1
        line = [(far, horizon), (far + 0.8, horizon), (near + 1.5, canvas.height)]
        canvas.polygon([*line, (near, canvas.height)], blend(floor, (60, 60, 60), 0.25))
    x = canvas.width * rng.choice([rng.uniform(0, 0.15), rng.uniform(0.66, 0.8)])
    door = _vary(rng, (150, 118, 88))
    canvas.polygon(_box(x, horizon * 0.25, x + 26, horizon), door)
    canvas.ellipse((x + 21, horizon * 0.65), (1.6, 1.6), (230, 210, 140))
    canvas.polygon(_box(0, horizon - 4, canvas.width, horizon), blend(wall, (70, 70, 70), 0.35))


def _plaza(canvas: Canvas, rng: Generator, horizon: float) -> None:
    _ground(canvas, _vary(rng, (198, 214, 228)), _vary(rng, (186, 178, 168)), horizon)
    x = -5.0
    while x < canvas.width:
        wide, top = rng.uniform(16, 30), horizon * rng.uniform(0.1, 0.5)
        block = _vary(rng, (168, 172, 182))
        canvas.polygon(_box(x, top, x + wide, horizon), block)
        for y in np.arange(top + 5, horizon - 8, 11):
            for at in np.arange(x + 3, x + wide - 5, 7):
                canvas.polygon(_box(at, y, at + 4, y + 6), blend(block, (250, 240, 200), 0.45))
        x += wide


BACKGROUNDS: dict[str, Callable[[Canvas, Generator, float], None]] = {
    "street": _street,
    "park": _park,
    "corridor": _corridor,
    "plaza": _plaza,
}


def _ground(canvas: Canvas, above: Colour, below: Colour, horizon: float) -> None:
    canvas.polygon(_box(0, 0, canvas.width, horizon), above)
    canvas.polygon(_box(0, horizon, canvas.width, canvas.height), below)


def _box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _vary(rng: Generator, colour: Colour, by: int = 16) -> Colour:
    """A colour near this one."""
    varied = [int(c + rng.integers(-by, by + 1)) for c in colour]
    return (min(varied[0], 255), min(varied[1], 255), min(varied[2], 255))
