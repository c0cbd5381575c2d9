"""Preprocessing: from an upright image to a model's input, and where each pixel ends up."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import THUMBNAIL_SIDE, Least, UprightPicture
from partlens.explainer.errors import ImageError, ModelError

ColourOrder = Literal["rgb", "bgr"]
Resize = Literal["stretch", "shortest_side_crop"]
Json = dict[str, object]
MOST_PIXELS = 2**24
"""Height x width of a model's input: 4096 x 4096, or 192 MiB as float32."""
_FINER = 2
"""Pixels of a picture for each of the input, across and down, before a JPEG is decoded smaller."""
MOST_VALUE = 1e9
"""Of a mean or std; float32 keeps the pixels that it is applied to."""


@dataclass(frozen=True)
class Frame:
    """Maps pixels of the original image to the model's input: input = original*scale + offset.

    Coordinates are continuous, x right, y down; pixel i covers i to i + 1.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_input(self, x: float, y: float) -> tuple[float, float]:
        """A point of the original image, in pixels of the model's input."""
        return x * self.scale_x + self.offset_x, y * self.scale_y + self.offset_y

    def to_original(self, x: float, y: float) -> tuple[float, float]:
        """A point of the model's input, in pixels of the original image."""
        return (x - self.offset_x) / self.scale_x, (y - self.offset_y) / self.scale_y


@dataclass(frozen=True)
class Preprocessing:
    """How a model's input is made from an image.

    Attributes:
        height, width: size of the model's input, in pixels.
        colour_order: order of the three channels.
        mean, std: for (pixel - mean) / std, in units of 0..255, in the model's colour order.
        resize: "stretch" ignores the image's proportions; "shortest_side_crop" keeps them and
            crops the longer side, equally at both ends.

    Raises:
        ModelError: an impossible value.
    """

    height: int
    width: int
    colour_order: ColourOrder = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (255.0, 255.0, 255.0)
    resize: Resize = "stretch"

    def __post_init__(self) -> None:
        # Whole numbers become floats, so that equal values have one JSON form and one digest.
        object.__setattr__(self, "mean", tuple(float(value) for value in self.mean))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        if self.height < 1 or self.width < 1:
            raise ModelError(f"input size {self.height}x{self.width}: both must be at least 1")
        if self.colour_order not in get_args(ColourOrder):
            raise ModelError(f"colour order {self.colour_order!r}: allowed are rgb and bgr")
        if self.resize not in get_args(Resize):
            raise ModelError(f"resize {self.resize!r}: allowed are {', '.join(get_args(Resize))}")
        if self.height * self.width > MOST_PIXELS:
            raise ModelError(
                f"an input of {_size(self.height)}x{_size(self.width)} pixels is too large; at most"
                f" {MOST_PIXELS:,} pixels are allowed"
            )
        numbers = (*self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, numbers)):
            raise ModelError("mean and std must be three finite numbers each, in units of 0..255")
        if max(map(abs, numbers)) > MOST_VALUE or 0 < min(self.std) < 1 / MOST_VALUE:
            raise ModelError(f"mean and std must be between {1 / MOST_VALUE:g} and {MOST_VALUE:g}")
        if min(self.std) <= 0:
            raise ModelError(f"std {self.std}: each must be above 0")

    @property
    def least(self) -> Least:
        """How large pictures must be decoded for this input: twice as large, or in full.

        The same for whatever looks at a picture, so that it always gives the same numbers: queries,
        gallery images, explanations and evaluations. A thumbnail can be made of the same pixels.
        """
        return Least(_FINER * self.width, _FINER * self.height, THUMBNAIL_SIDE)

    def frame(self, width: int, height: int) -> Frame:
        """The affine map from pixels of a width x height image to pixels of the input."""
        scale_x, scale_y = self.width / width, self.height / height
        if self.resize == "stretch":
            return Frame(scale_x, scale_y, 0.0, 0.0)
        scale = max(scale_x, scale_y)
        offset_x = (self.width - width * scale) / 2
        offset_y = (self.height - height * scale) / 2
        return Frame(scale, scale, offset_x, offset_y)

    def pixels(self, image: NDArray[np.uint8] | UprightPicture) -> NDArray[np.float32]:
        """The model's input for one image.

        Args:
            image: a picture decoded at `least`, or all its pixels: uint8 RGB [height, width, 3],
                upright.

        Returns:
            Float32, shape [3, self.height, self.width].

        Raises:
            ImageError: the image has another shape or type.
        """
        held = image.pixels if isinstance(image, UprightPicture) else image
        if held.ndim != 3 or held.shape[2] != 3 or held.dtype != np.uint8 or held.size == 0:
            raise ImageError(
                f"an image must be uint8 [height, width, 3], got {held.dtype} {held.shape}"
            )
        picture = image if isinstance(image, UprightPicture) else UprightPicture.whole(held)
        width, height = picture.size
        frame = self.frame(width, height)
        left, top = frame.to_original(0, 0)
        right, bottom = frame.to_original(self.width, self.height)
        seen = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
        resized = picture.resized((self.width, self.height), Image.Resampling.BILINEAR, seen=seen)
        channels = np.asarray(resized).transpose(2, 0, 1)
        if self.colour_order == "bgr":
            channels = channels[::-1]
        # Planes first: arithmetic on whole planes is several times as fast as on interleaved ones.
        values = channels.astype(np.float32, order="C")
        values -= np.array(self.mean, np.float32)[:, None, None]
        values /= np.array(self.std, np.float32)[:, None, None]
        return values

    def to_json(self) -> Json:
        """Plain values for model.json."""
        plain: dict[str, object] = asdict(self)
        return plain | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, plain: Mapping[str, object]) -> "Preprocessing":
        """Inverse of to_json.

        Raises:
            ModelError: a key is missing, unknown or of the wrong type.
        """
        try:
            values: dict[str, object] = dict(plain)
            for key in ("mean", "std"):
                numbers = values[key]
                if not isinstance(numbers, list):
                    raise TypeError(f"{key} must be a list of numbers")
                values[key] = tuple(float(number) for number in numbers)
            for key in ("height", "width"):
                if type(values[key]) is not int:
                    raise TypeError(f"{key} must be a whole number")
            return cls(**values)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            cause = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise ModelError(
                f"preprocessing {str(dict(plain))[:300]} cannot be read: {cause}"
            ) from error


def _size(number: int) -> str:
    return str(number) if number < 10**30 else "over 10^30"
