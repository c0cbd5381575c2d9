"""An image of a figure."""

from dataclasses import dataclass

from PIL import Image

from partlens.common.drawing.sheet import shown_size


@dataclass(frozen=True, eq=False)
class ShownImage:
    """An image of a figure.

    Attributes:
        picture: the image, at any scale.
        size: (width, height) of the image in the pixels of its regions and maps.
        name: such as a file name; "" for none.
    """

    picture: Image.Image
    size: tuple[int, int]
    name: str = ""

    @property
    def resized(self) -> Image.Image:
        """The image as figures show it: RGB, of shown_size."""
        return self.picture.convert("RGB").resize(shown_size(self.size), Image.Resampling.BICUBIC)
