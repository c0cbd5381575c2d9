"""Errors raised for unusable images."""


class PictureError(ValueError):
    """Not a usable image: empty, damaged, too large, or an unsupported file type."""


class TooLargeError(PictureError):
    """More pixels than Pillow opens, whatever the limits allow."""
