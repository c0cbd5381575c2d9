"""Query images as bytes: a fixed header, then numbers. What comes back is not trusted."""

import hashlib
import struct

import numpy as np

from partlens.explainer.spec import ModelSpec
from partlens.server.errors import EntryError
from partlens.server.features.query import Query

_MAGIC, _VERSION = b"PLQF", 1
# Magic, version, width and height of the image, positions, dimensions, digest of all the rest.
_HEADER = struct.Struct("<4sHIIII32s")


def encode(query: Query) -> bytes:
    """A query image's features: the header, contributions and bias as little-endian float32."""
    body = _bytes(query.contributions) + _bytes(query.bias)
    facts = (_VERSION, *query.image_size, *query.contributions.shape)
    return _HEADER.pack(_MAGIC, *facts, _digest(query.id, facts, body)) + body


def decode(entry: bytes, id: str, spec: ModelSpec) -> Query:
    """The query image of an entry.

    The digest tells damage and mix-ups; who may write to Redis can still make one up.

    Args:
        id: under which it was kept; it is part of the digest.
        spec: of the model that is said to have made it.

    Raises:
        EntryError: it is of another version, shape or id, is damaged, or holds what is no number.
    """
    if len(entry) < _HEADER.size:
        raise EntryError(f"{len(entry)} bytes are fewer than the header of a query image has")
    magic, version, width, height, positions, dimensions, digest = _HEADER.unpack_from(entry)
    if magic != _MAGIC or version != _VERSION:
        raise EntryError(f"begins with {magic!r}, version {version}; not {_MAGIC!r}, {_VERSION}")
    if (positions, dimensions) != (spec.positions, spec.dimensions):
        raise EntryError(
            f"has {positions} positions of {dimensions} dimensions; the model has"
            f" {spec.positions} of {spec.dimensions}"
        )
    body = entry[_HEADER.size :]
    if len(body) != 4 * dimensions * (positions + 1):
        raise EntryError(f"has {len(body)} bytes of numbers, which its header does not tell")
    if digest != _digest(id, (version, width, height, positions, dimensions), body):
        raise EntryError("differs from its digest")
    numbers = np.frombuffer(body, "<f4").astype(np.float32)
    if not np.isfinite(numbers).all() or not width or not height:
        raise EntryError("holds what is no number or no size")
    contributions = numbers[: positions * dimensions].reshape(positions, dimensions)
    return Query(id, (width, height), contributions, numbers[positions * dimensions :])


def _bytes(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    return array.astype("<f4", copy=False).tobytes()


def _digest(id: str, facts: tuple[int, ...], body: bytes) -> bytes:
    total = hashlib.sha256(repr((id, facts)).encode())
    total.update(body)
    return total.digest()
