"""Images as a library's users have them, to upright RGB pixels."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common import pictures
from partlens.common.files import read_file
from partlens.common.pictures import Least, PictureError, UprightPicture
from partlens.common.pictures.arrays import array_pixels, levels
from partlens.explainer.errors import ImageError
from partlens.explainer.images import decode_at_least

if TYPE_CHECKING:
    import torch

ImageLike: TypeAlias = (
    "str | os.PathLike[str] | bytes | Image.Image | NDArray[Any] | torch.Tensor | UprightPicture"
)
"""An image: its file, its encoded bytes, a PIL image, an array [height, width, 3], a tensor
[3, height, width] or a picture that images.decode_at_least gave; see read_image."""
ImagesLike: TypeAlias = "ImageLike | Iterable[ImageLike]"
"""Several images, or one: an array or tensor of one more axis counts as several."""

_SINGLE = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
_ALLOWED = (
    "an image is a path, encoded bytes, a PIL image, an RGB array [height, width, 3] or a tensor"
    " [3, height, width]"
)


@dataclass(frozen=True, eq=False)
class NamedImage:
    """An image that was read.

    Attributes:
        picture: decoded, at the size that was asked for.
        name: of its file, or "".
        data: encoded; None of an image that was given decoded.
    """

    picture: UprightPicture
    name: str
    data: bytes | None = None

    def to_show(self, longest: int) -> UprightPicture:
        """The picture with a longest side of so many pixels at least, as far as it has them."""
        enough = max(self.picture.pixels.shape) >= longest
        if enough or self.picture.part == 1 or self.data is None:
            return self.picture
        return decode_at_least(self.data, Least(longest=longest))


def read_image(image: ImageLike) -> NDArray[np.uint8]:
    """The upright pixels of an image, decoded in full.

    A model takes large JPEGs at a part of their size (Preprocessing.least) if it is given their
    file or bytes. Given these pixels instead, its numbers differ slightly.

    Files, bytes and PIL images are turned as their EXIF data says, and become RGB: an ICC profile
    is applied, and what is transparent is shown over white. Arrays and tensors are taken as
    upright RGB, in the order of their framework: an array [height, width, 3] or grey
    [height, width], a tensor [3, height, width] or grey [1, height, width]. Both hold uint8 0 to
    255, or floats 0 to 1.

    Returns:
        Uint8 sRGB, shape [height, width, 3].

    Raises:
        ImageError: none of these, a file that is missing or no image, or pixels of another shape,
            type or range.
    """
    return _read(image, None).picture.pixels


def read_images(images: ImagesLike, least: Least | None = None) -> list[NamedImage]:
    """Several images, or one.

    Args:
        least: at which files and encoded bytes are decoded, see images.decode_at_least; the other
            images are given decoded.

    Raises:
        ImageError: see read_image; of several, the message says which.
    """
    if not _is_several(images):
        return [_read(images, least)]  # type: ignore[arg-type]
    found = []
    for number, image in enumerate(images):  # type: ignore[arg-type]
        try:
            found.append(_read(image, least))
        except ImageError as error:
            raise ImageError(f"image {number}: {error}") from error
    return found


def _read(image: ImageLike, least: Least | None) -> NamedImage:
    if isinstance(image, str | os.PathLike):
        name = os.fsencode(Path(image).name).decode(errors="replace")
        return _from_file(image, name, least)
    if isinstance(image, bytes | bytearray | memoryview):
        data = bytes(image)
        return NamedImage(decode_at_least(data, least), "", data)
    if isinstance(image, UprightPicture):
        return NamedImage(image, "")
    return NamedImage(UprightPicture.whole(_given_pixels(image)), "")


def _given_pixels(image: object) -> NDArray[np.uint8]:
    """Pixels of an image that is given decoded."""
    if isinstance(image, Image.Image):
        try:
            return pictures.pixels_of(image)
        except PictureError as error:
            raise ImageError(str(error)) from error
    try:
        if isinstance(image, np.ndarray):
            return array_pixels(image)
        if (tensor := _tensor(image)) is not None:
            return levels(_moved(tensor), "tensor")
    except PictureError as error:
        raise _named_way_out(error) from error
    raise ImageError(f"{_ALLOWED}; got {_kind(image)}")


def _is_several(images: object) -> bool:
    if isinstance(images, np.ndarray) or _tensor(images) is not None:
        return getattr(images, "ndim", 0) == 4
    return isinstance(images, Iterable) and not isinstance(images, _SINGLE)


def _from_file(path: str | os.PathLike[str], name: str, least: Least | None) -> NamedImage:
    if "://" in os.fspath(path):
        raise ImageError(f"{path} is an address; download the image, and give its path or bytes")
    try:
        data = read_file(Path(path))
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a null byte
        raise ImageError(f"{str(path)!r} is not a path: {error}") from error
    try:
        return NamedImage(decode_at_least(data, least), name, data)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _tensor(image: object) -> Any:
    """The image if it is a torch tensor; whoever has one has imported torch."""
    torch = sys.modules.get("torch")
    return image if torch is not None and isinstance(image, torch.Tensor) else None


def _moved(tensor: Any) -> NDArray[Any]:
    if tensor.ndim == 3 and tensor.shape[0] in (1, 3) and tensor.numel():
        # NumPy has no bfloat16.
        plain = tensor.detach().cpu()
        values = (plain.float() if plain.is_floating_point() else plain).numpy()
        return np.broadcast_to(values, (3, *values.shape[1:])).transpose(1, 2, 0)
    raise ImageError(
        f"a tensor must have shape [3, height, width], or [1, height, width] for grey; got"
        f" {list(tensor.shape)}{_advice(tensor.shape)}"
    )


def _advice(shape: tuple[int, ...]) -> str:
    if 0 in shape:
        return ": it is empty"
    if len(shape) == 4:
        return ": these are several images; give one of them, as images[0]"
    if len(shape) == 3 and shape[2] in (1, 3):
        return ": move the channels to the front with image.permute(2, 0, 1)"
    return ""


def _named_way_out(error: PictureError) -> ImageError:
    """The error, with what to do with pixels that are normalised already."""
    out = (
        " Normalised pixels go to MetricModel.decompose_pixels" if "of floats" in str(error) else ""
    )
    return ImageError(f"{error}.{out}" if out else str(error))


def _kind(image: object) -> str:
    kind = type(image).__name__
    if hasattr(image, "read"):
        return f"{kind}: give its path, or the bytes that read() returns"
    return "None" if image is None else f"{kind}"
