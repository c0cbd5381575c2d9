"""An image on its way into a gallery, and one that lies in it."""

import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import InvalidImageError
from partlens.indexer.metadata import Metadata

LONGEST_ID = 512


@dataclass(frozen=True)
class NewImage:
    """An image to add.

    Attributes:
        id: at most 512 characters, none of them a control character; adding it again replaces it.
        uri: where the picture came from.
        media_digest: of the picture's file.
        width, height: of the upright picture, in pixels.
        thumbnail: a small JPEG.
        contributions: c_p, shape [P, D].
        bias: b, shape [D].
    """

    id: str
    uri: str
    media_digest: str
    width: int
    height: int
    thumbnail: bytes
    metadata: Metadata
    contributions: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class StoredImage:
    """What a gallery knows of an image, without its arrays; the fields are NewImage's."""

    id: str
    uri: str
    media_digest: str
    width: int
    height: int
    metadata: Metadata
    thumbnail: bytes


def require_id(id: str) -> None:
    """Check an image id.

    Raises:
        InvalidImageError: it is empty, too long, or has a control character or half a character.
    """
    if not 0 < len(id) <= LONGEST_ID:
        raise InvalidImageError(
            f"an image id has {len(id)} characters; it needs 1 to {LONGEST_ID}: {id[:40]!r}"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in id):
        raise InvalidImageError(f"image id {id!r} has a control character; leave it out")


def require_fitting(image: NewImage, spec: ModelSpec) -> None:
    """Check an image against the model that the gallery is bound to.

    Raises:
        InvalidImageError: its id, size, metadata or arrays do not fit.
    """
    require_id(image.id)
    if image.width < 1 or image.height < 1:
        raise InvalidImageError(
            f"image {image.id!r} measures {image.width}x{image.height}; each side needs >= 1"
        )
    texts = image.metadata.attributes
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        raise InvalidImageError(f"image {image.id!r} has attributes that are not texts: {texts!r}")
    contributions, bias = (spec.positions, spec.dimensions), (spec.dimensions,)
    if image.contributions.shape != contributions or image.bias.shape != bias:
        raise InvalidImageError(
            f"image {image.id!r} has contributions {image.contributions.shape} and bias"
            f" {image.bias.shape}; this gallery's model gives {contributions} and {bias}"
        )
    if not (np.isfinite(image.contributions).all() and np.isfinite(image.bias).all()):
        raise InvalidImageError(f"image {image.id!r} has contributions that are not finite numbers")
