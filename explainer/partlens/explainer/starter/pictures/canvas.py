"""A drawing surface that also knows which part every pixel shows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from partlens.explainer.starter.pictures.person import Colour

PARTS = ("head", "hair", "hat", "glasses", "beard", "top", "bag", "legwear", "shoes")
# Labels of the label map: 0 is the scene, 1 skin other than the face, then the parts in order.
SCENE, SKIN = 0, 1
LABELS = {part: number for number, part in enumerate(PARTS, start=2)}

Place = tuple[float, float]


class Canvas:
    """Shapes in pixels of the final picture, drawn `scale` times larger; later ones cover earlier.

    Args:
        width, height: size of the final picture.
        scale: oversampling factor, for smooth edges.
    """

    def __init__(self, width: int, height: int, scale: int = 2) -> None:
        self.width, self.height, self.scale = width, height, scale
        size = (width * scale, height * scale)
        self.image = Image.new("RGB", size)
        self.labels = Image.new("L", size)
        self._paint, self._mark = ImageDraw.Draw(self.image), ImageDraw.Draw(self.labels)

    def polygon(self, corners: Sequence[Place], colour: Colour, label: int = SCENE) -> None:
        """A filled outline."""
        at = [(x * self.scale, y * self.scale) for x, y in corners]
        self._paint.polygon(at, fill=colour)
        self._mark.polygon(at, fill=label)

    def ellipse(
        self, centre: Place, radii: Place, colour: Colour, label: int = SCENE, line: float = 0
    ) -> None:
        """A filled ellipse, or only its outline of `line` pixels."""
        (x, y), (rx, ry), s = centre, radii, self.scale
        box = ((x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s)
        if line:
            self._paint.ellipse(box, outline=colour, width=max(1, round(line * s)))
            self._mark.ellipse(box, outline=label, width=max(1, round(line * s)))
        else:
            self._paint.ellipse(box, fill=colour)
            self._mark.ellipse(box, fill=label)

    def limb(
        self, joints: Sequence[Place], width: float, colour: Colour, label: int = SCENE
    ) -> None:
        """A thick bent line with round ends."""
        at = [(x * self.scale, y * self.scale) for x, y in joints]
        self._paint.line(at, fill=colour, width=max(1, round(width * self.scale)))
        self._mark.line(at, fill=label, width=max(1, round(width * self.scale)))
        for joint in joints:
            self.ellipse(joint, (width / 2, width / 2), colour, label)

    def pixels(self) -> NDArray[np.float32]:
        """The fine picture, values 0..255, shape [height * scale, width * scale, 3]."""
        return np.asarray(self.image, np.float32)

    def label_map(self) -> NDArray[np.uint8]:
        """The label of every fine pixel, shape [height * scale, width * scale]."""
        return np.asarray(self.labels)

    def tint(self, mask: NDArray[np.bool_], colour: Colour) -> None:
        """Colour the fine pixels of a mask, shape [rows, cols] of the canvas; labels stay."""
        self.image.paste(colour, mask=Image.fromarray(mask))


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """A mixture of two colours with the fraction `share` of the second.

    >>> blend((0, 0, 0), (100, 50, 200), 0.5)
    (50, 25, 100)
    """
    mixed = [round(a + (b - a) * share) for a, b in zip(first, second, strict=True)]
    return (mixed[0], mixed[1], mixed[2])
