"""What can go wrong with a picture."""


class PictureError(ValueError):
    """Not a usable picture: not an image at all, empty, damaged, of a kind not read, too large."""


class TooLargeError(PictureError):
    """More pixels than Pillow opens, whatever is allowed."""
