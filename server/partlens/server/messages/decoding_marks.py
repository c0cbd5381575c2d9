"""Decodes the marks of a search: more, or less, like these images."""

from collections.abc import Sequence

from partlens.explainer.scoring import LIKE, UNLIKE
from partlens.server.errors import RequestError
from partlens.server.messages.decoding_images import source
from partlens.server.messages.decoding_regions import RegionDecoder
from partlens.server.requests.questions import ImageMark, RegionToFind
from partlens.v1.part_search_service_pb2 import Mark

HEAVIEST = 1e6
"""Largest weight of a region or mark."""


def marks_of(
    decoder: RegionDecoder, marks: Sequence[Mark], regions: Sequence[RegionToFind]
) -> tuple[ImageMark, ...]:
    """The marks of a search.

    Args:
        regions: the regions of the search.

    Raises:
        RequestError: a field is invalid.
    """
    shared = sum(mark.unlike and not mark.HasField("weight") for mark in marks)
    return tuple(
        _mark(
            decoder,
            mark,
            f"marks[{i}]",
            regions,
            usual=UNLIKE / max(shared, 1) if mark.unlike else LIKE,
        )
        for i, mark in enumerate(marks)
    )


def _mark(
    decoder: RegionDecoder,
    mark: Mark,
    field: str,
    regions: Sequence[RegionToFind],
    usual: float,
) -> ImageMark:
    weight = mark.weight if mark.HasField("weight") else usual
    if not 0 <= weight <= HEAVIEST:
        raise RequestError(
            f"{field}.weight", f"{weight:g}: must be 0 to 1e6; for less like this, set unlike"
        )
    about = tuple(i for i, region in enumerate(regions) if region.weight > 0)
    if mark.HasField("region_index"):
        if mark.region_index not in about:
            raise RequestError(
                f"{field}.region_index",
                f"{mark.region_index}; the request's regions that are not excluded are"
                f" {', '.join(map(str, about))}",
            )
        about = (mark.region_index,)
    place = None
    if mark.HasField("region"):
        place = decoder.region(mark.region, f"{field}.region")
        if len(about) > 1:
            raise RequestError(
                f"{field}.region_index",
                "not given; the mark has a region of its own and the request has several: say"
                " which of them it is about",
            )
    signed = -weight if mark.unlike else weight
    image = source(mark.image, f"{field}.image")
    return ImageMark(image, place, about, signed, field)
