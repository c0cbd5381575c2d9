"""Encodes query images as a fixed header and numbers. Decoding does not trust its input."""

import hashlib
import struct

import numpy as np

from partlens.explainer.spec import ModelSpec
from partlens.server.errors import EntryError
from partlens.server.query_images.query import Query

_MAGIC, _VERSION = b"PLQF", 2
# Magic, version, width and height of the image, positions, dimensions, SHA-256 of the encoded
# picture, digest of all the rest.
_HEADER = struct.Struct("<4sHIIII32s32s")

_SHA256 = "sha256:"


def encode(query: Query) -> bytes:
    """A query image's features: the header, contributions and bias as little-endian float32."""
    body = _bytes(query.contributions) + _bytes(query.bias)
    picture = bytes.fromhex(query.media_digest.removeprefix(_SHA256))
    facts = (_VERSION, *query.image_size, *query.contributions.shape, picture)
    return _HEADER.pack(_MAGIC, *facts, _digest(query.id, facts, body)) + body


def decode(entry: bytes, id: str, spec: ModelSpec) -> Query:
    """The query image of an entry.

    The digest detects damage and mix-ups; anyone who can write to Redis can still forge an entry.

    Args:
        id: id that it was stored under; part of the digest.
        spec: the model that should have produced it.

    Raises:
        EntryError: another version, shape or id, damage, or values that are not numbers.
    """
    if len(entry) < _HEADER.size:
        raise EntryError(f"has {len(entry)} bytes, fewer than the header of a query image")
    magic, *facts, digest = _HEADER.unpack_from(entry)
    version, width, height, positions, dimensions, picture = facts
    if magic != _MAGIC or version != _VERSION:
        raise EntryError(f"begins with {magic!r}, version {version}; not {_MAGIC!r}, {_VERSION}")
    if (positions, dimensions) != (spec.positions, spec.dimensions):
        raise EntryError(
            f"has {positions} positions of {dimensions} dimensions; the model has"
            f" {spec.positions} of {spec.dimensions}"
        )
    body = entry[_HEADER.size :]
    if len(body) != 4 * dimensions * (positions + 1):
        raise EntryError(f"has {len(body)} bytes of numbers, which does not match its header")
    if digest != _digest(id, tuple(facts), body):
        raise EntryError("differs from its digest")
    numbers = np.frombuffer(body, "<f4").astype(np.float32)
    if not np.isfinite(numbers).all() or not width or not height:
        raise EntryError("has an invalid number or size")
    contributions = numbers[: positions * dimensions].reshape(positions, dimensions)
    bias = numbers[positions * dimensions :]
    return Query(id, (width, height), contributions, bias, f"{_SHA256}{picture.hex()}")


def _bytes(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    return array.astype("<f4", copy=False).tobytes()


def _digest(id: str, facts: tuple[int | bytes, ...], body: bytes) -> bytes:
    total = hashlib.sha256(repr((id, facts)).encode())
    total.update(body)
    return total.digest()
