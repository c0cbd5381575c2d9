"""Encodes counts of values."""

from partlens.indexer.gallery.facets import Facet, Facets
from partlens.v1 import gallery_service_pb2 as pb

_MOST_BYTES = 4 * 2**20
"""Most bytes of all values of all facets."""
_FRAMING = 32
"""Most bytes that a value takes in a response, besides its text."""


def facets(found: Facets, version: int, most_bytes: int) -> pb.GetFacetsResponse:
    """The values of some images.

    Args:
        most_bytes: of the response; values that do not fit are left out.
    """
    answer = pb.GetFacetsResponse(images=found.images, gallery_version=version)
    for name, at in (("captured_first", found.first), ("captured_last", found.last)):
        if at is not None:
            getattr(answer, name).FromDatetime(at)
    every = (found.cameras, found.tracks, *found.attributes)
    made = [_without_values(one) for one in every]
    room = min(most_bytes, _MOST_BYTES) - sum(one.ByteSize() + _FRAMING for one in made)
    for message, facet in zip(made, every, strict=True):
        for value, images in facet.values:
            room -= len(value.encode()) + _FRAMING
            if room < 0:
                break
            message.values.add(value=value, images=images)
    answer.cameras.CopyFrom(made[0])
    answer.tracks.CopyFrom(made[1])
    answer.attributes.extend(made[2:])
    return answer


def _without_values(facet: Facet) -> pb.Facet:
    return pb.Facet(name=facet.name, distinct=facet.distinct, unknown=facet.unknown)
