"""Pictures of generated people, with ground truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.explainer.starter.pictures.canvas import LABELS, PARTS, Canvas
from partlens.explainer.starter.pictures.figure import draw_person
from partlens.explainer.starter.pictures.person import Person, sample
from partlens.explainer.starter.pictures.pose import sample_pose
from partlens.explainer.starter.pictures.scene import (
    BACKGROUNDS,
    CAMERAS,
    LIGHTS,
    OCCLUSIONS,
    TILTS,
    draw_background,
    draw_occlusion,
    photograph,
    shine,
)

WIDTH, HEIGHT = 96, 192
PICTURES_PER_PERSON = 4
# A part with fewer visible pixels gets no box.
_LEAST_PIXELS = 8


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of one person.

    Attributes:
        image: uint8 RGB, shape [192, 96, 3].
        id: unique for a seed.
        person: identity; the same for every picture of this person.
        camera: "a" or "b".
        attributes: the person's attributes, and the picture's view, background, light and
            occlusion.
        parts: box of the visible pixels of each part; hidden and missing parts are left out.
        box: box of all visible pixels of the person.
    """

    image: NDArray[np.uint8]
    id: str
    person: str
    camera: str
    attributes: dict[str, str]
    parts: dict[str, Box]
    box: Box


def generate(
    count: int, seed: int, pictures_per_person: int = PICTURES_PER_PERSON
) -> Iterator[Picture]:
    """Pictures of random people, person after person, with alternating cameras.

    The n-th person depends only on the seed and n, so a larger count begins with the pictures of a
    smaller one.

    >>> [(p.person, p.camera) for p in generate(3, seed=0, pictures_per_person=2)]
    [('0-0000', 'a'), ('0-0000', 'b'), ('0-0001', 'a')]

    Raises:
        ValueError: a count below 0, a negative seed, or less than one picture per person.
    """
    if count < 0 or seed < 0 or pictures_per_person < 1:
        raise ValueError(
            f"count {count} and seed {seed} must be at least 0, pictures per person"
            f" {pictures_per_person} at least 1"
        )
    for start in range(0, count, pictures_per_person):
        number = start // pictures_per_person
        rng = np.random.default_rng([seed, number])
        person, name = sample(rng), f"{seed}-{number:04d}"
        for shot in range(min(pictures_per_person, count - start)):
            camera = CAMERAS[shot % len(CAMERAS)]
            yield draw(person, camera, rng, name=name, id=f"{name}-{camera}{shot}")


def probes() -> list[NDArray[np.uint8]]:
    """Pictures that models are measured with where nobody gives any: always the same ones."""
    return [picture.image for picture in generate(40, 0)]


def draw(person: Person, camera: str, rng: Generator, *, name: str, id: str) -> Picture:
    """One picture of a person; the pose and the scene are drawn at random from rng."""
    canvas = Canvas(WIDTH, HEIGHT)
    pose = sample_pose(rng, WIDTH, HEIGHT, TILTS[camera])
    background = str(rng.choice(list(BACKGROUNDS)))
    light = str(rng.choice(LIGHTS))
    occlusion = str(rng.choice(list(OCCLUSIONS), p=list(OCCLUSIONS.values())))
    draw_background(canvas, background, rng)
    draw_person(canvas, person, pose)
    draw_occlusion(canvas, occlusion, rng)
    labels = canvas.label_map()
    lit = shine(canvas.pixels(), labels, light, rng)
    scene = {"view": pose.view, "background": background, "light": light, "occlusion": occlusion}
    everything = _box(labels > 0, canvas.scale)
    return Picture(
        image=photograph(lit, (WIDTH, HEIGHT), camera, rng),
        id=id,
        person=name,
        camera=camera,
        attributes=person.attributes() | scene,
        parts=_part_boxes(labels, canvas.scale),
        box=everything or Box(0, 0, WIDTH, HEIGHT),
    )


def _part_boxes(labels: NDArray[np.uint8], scale: int) -> dict[str, Box]:
    boxes = {part: _box(labels == LABELS[part], scale) for part in PARTS}
    return {part: box for part, box in boxes.items() if box}


def _box(mask: NDArray[np.bool_], scale: int) -> Box | None:
    """The box around a mask of fine pixels, in pixels of the picture."""
    if np.count_nonzero(mask) < _LEAST_PIXELS * scale**2:
        return None
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = float(cols[0]) / scale, float(rows[0]) / scale
    return Box(x, y, float(cols[-1] + 1) / scale - x, float(rows[-1] + 1) / scale - y)
