"""How a model sees one image: what regions, maps and figures of it need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.shown_image import ShownImage
from partlens.common.pictures import UprightPicture
from partlens.common.regions import Box, Region
from partlens.common.registration import Registration
from partlens.explainer.errors import ShapeError
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.regions import window_box
from partlens.explainer.snapping import region_weights

FloatArray = NDArray[np.float32]
LONGEST = 840
"""Longest side of the picture that is kept for figures."""


@dataclass(frozen=True, eq=False, repr=False)
class View:
    """How a model sees one image.

    Attributes:
        size: (width, height) of the upright image, in pixels.
        preprocessing: how the model's input is made from it.
        registration: where the cells of the feature map look.
        shown: the picture for figures, which may be smaller, and its name; None if it is not kept.
    """

    size: tuple[int, int]
    preprocessing: Preprocessing
    registration: Registration
    shown: ShownImage | None = None

    @classmethod
    def of(
        cls,
        picture: UprightPicture,
        preprocessing: Preprocessing,
        registration: Registration,
        name: str = "",
    ) -> "View":
        """The view of a picture that is large enough to be shown."""
        shown = ShownImage(picture.thumbnail(LONGEST), picture.size, name)
        return cls(picture.size, preprocessing, registration, shown)

    @property
    def name(self) -> str:
        """Name of the image's file; "" if it has none."""
        return self.shown.name if self.shown else ""

    def weights(self, region: Region, contributions: FloatArray) -> FloatArray:
        """The fraction of each position that a region covers; see snapping.region_weights."""
        return region_weights(
            region, contributions, self.size, self.preprocessing, self.registration
        )

    def placed(self, values: NDArray[np.floating]) -> ActivationMap:
        """A map [rows, cols] at its place on the image.

        Raises:
            ShapeError: the map has another shape than the grid.
        """
        if values.shape != self.registration.grid:
            raise ShapeError(
                f"the map has shape {values.shape}, but the grid is {self.registration.grid}"
            )
        return ActivationMap(np.asarray(values, np.float32), self.extent, self.registration)

    @property
    def extent(self) -> Box:
        """The rectangle of the image that the model sees, in pixels."""
        rows, cols = self.registration.grid
        return window_box(0, 0, rows, cols, self.size, self.preprocessing, self.registration)
