"""Unusable pictures and regions, blamed on the field of the request that they came in."""

from collections.abc import Iterator
from contextlib import contextmanager

from partlens.explainer.errors import ImageError, RegionError
from partlens.server.errors import RequestError

_REASONS: dict[type[Exception], str] = {ImageError: "IMAGE_INVALID", RegionError: "REGION_INVALID"}


@contextmanager
def blamed_on(field: str) -> Iterator[None]:
    """Say which field of the request an unusable picture or region came from.

    >>> with blamed_on("images[0].data"):
    ...     raise ImageError("the image is empty")
    Traceback (most recent call last):
    partlens.server.errors.RequestError: images[0].data: the image is empty
    """
    try:
        yield
    except tuple(_REASONS) as error:
        raise RequestError(field, str(error), _REASONS[type(error)]) from error
