"""Reports unusable pictures and regions as errors of a field of the request."""

from collections.abc import Iterator
from contextlib import contextmanager

from partlens.explainer.errors import ImageError, RegionError
from partlens.server.errors import RequestError

_REASONS: dict[type[Exception], str] = {ImageError: "IMAGE_INVALID", RegionError: "REGION_INVALID"}


@contextmanager
def inside(field: str) -> Iterator[None]:
    """Put the name of a field before those of errors in a message that it holds.

    >>> with inside("search"):
    ...     raise RequestError("images", "none given")
    Traceback (most recent call last):
    partlens.server.errors.RequestError: search.images: none given
    """
    try:
        yield
    except RequestError as error:
        wrong = error.violation
        path = f"{field}.{wrong.field}" if wrong.field else field
        raise RequestError(path, wrong.description, wrong.reason) from error


@contextmanager
def blamed_on(field: str) -> Iterator[None]:
    """Turn errors of the explainer into a RequestError that names the field.

    >>> with blamed_on("images[0].data"):
    ...     raise ImageError("the image is empty")
    Traceback (most recent call last):
    partlens.server.errors.RequestError: images[0].data: the image is empty
    """
    try:
        yield
    except tuple(_REASONS) as error:
        raise RequestError(field, str(error), _REASONS[type(error)]) from error
