"""GIFs, whose first frame may be smaller than the picture."""

from PIL import Image, ImageFile

FORMAT = "GIF"
Box = tuple[int, int, int, int]


def frame_of(image: ImageFile.ImageFile) -> Box | None:
    """Where the first frame lies, (left, top, right, bottom); None if it covers the picture.

    Args:
        image: not loaded yet.
    """
    if image.format != FORMAT or not image.tile:
        return None
    box = image.tile[0].extents
    return None if box == (0, 0, *image.size) else box


def only(image: Image.Image, frame: Box) -> Image.Image:
    """The image with everything transparent but a frame, as viewers show it.

    Pillow fills the rest with the background colour, which viewers ignore.
    """
    whole = image.convert("RGBA")
    alpha = Image.new("L", whole.size, 0)
    alpha.paste(whole.getchannel("A").crop(frame), frame)
    whole.putalpha(alpha)
    return whole
