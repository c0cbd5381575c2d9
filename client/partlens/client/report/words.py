"""What a search asked for, in words."""

from collections.abc import Iterator, Sequence

from partlens.client.filter_decoding import filter_of
from partlens.client.report.regions import described, region
from partlens.common.filters import NESTED, Filter
from partlens.common.where_text import where_text
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb

_CONTEXT = (
    "the similarity of the marked part and the best place (PART), plus the similarity of the part"
    " with its surroundings and the whole image"
)
_SCORES = {
    pb.SCORE_KIND_UNSPECIFIED: f"the default score: {_CONTEXT}",
    pb.SCORE_KIND_DEFAULT: f"the default score: {_CONTEXT}",
    pb.SCORE_KIND_CONTEXT: f"{_CONTEXT} (CONTEXT)",
    pb.SCORE_KIND_PART: "the similarity of the marked part and the best place in each image (PART)",
    pb.SCORE_KIND_WHOLE: (
        "the share of the whole similarity that the marked part explains (WHOLE)"
    ),
}
_COSINE = "the cosine similarity of the query and each image (WHOLE)"


def is_whole(request: pb.SearchRegionsRequest) -> bool:
    """Whether one whole image is searched for, and nothing else."""
    (first, *more) = request.regions or [pb.QueryRegion()]
    return not more and not request.marks and first.region.WhichOneof("shape") == "whole"


def ranking(request: pb.SearchRegionsRequest) -> str:
    """What hits are ranked by."""
    if is_whole(request):
        return _COSINE
    whole = any(one.region.WhichOneof("shape") == "whole" for one in request.regions)
    return _SCORES[pb.SCORE_KIND_WHOLE if whole else request.score]


def conditions(request: pb.SearchRegionsRequest) -> list[tuple[str, str]]:
    """Name and value of each condition that hits had to meet."""
    found = list(_filter(request.filter))
    if request.exclude_identical:
        found.append(("Excluded", "files that are byte for byte those of a query image"))
    if request.group_by:
        found.append(("Grouped by", f"{request.group_by}: the best image for each value"))
    return found


def mark(message: pb.Mark, name: str) -> str:
    """Feedback on an image.

    Args:
        name: what to call the image.
    """
    place = f", {described(region(message.region))}" if message.HasField("region") else ""
    about = f", for region {message.region_index + 1}" if message.HasField("region_index") else ""
    weight = f", weight {message.weight:g}" if message.HasField("weight") else ""
    return f"{'less' if message.unlike else 'more'} like {name}{place}{about}{weight}"


def _filter(where: image_pb.Filter) -> Iterator[tuple[str, str]]:
    if where.cameras:
        yield "Cameras", _list(where.cameras)
    if where.tracks:
        yield "Tracks", _list(where.tracks)
    for name, present, moment in (
        ("Captured at or after", where.HasField("captured_after"), where.captured_after),
        ("Captured before", where.HasField("captured_before"), where.captured_before),
    ):
        if present:
            yield name, moment.ToJsonString()
    for name in sorted(where.attributes):
        yield f"Attribute {name}", where.attributes[name]
    if others := _others(where):
        yield "Condition", others
    for label, ids in (
        ("Only images", where.ids),
        ("Excluded images", where.exclude_ids),
        ("Excluded cameras", where.exclude_cameras),
        ("Excluded files", where.exclude_media_digests),
    ):
        if ids:
            yield label, _list(ids)


def _others(where: image_pb.Filter) -> str:
    """The conditions that only an expression can show, as one."""
    found = filter_of(where)
    plain = {name: text for name, text in found.attributes.items() if isinstance(text, str)}
    rest = {name: one for name, one in found.attributes.items() if name not in plain}
    return where_text(Filter(attributes=rest, **{name: getattr(found, name) for name in NESTED}))


def _list(values: Sequence[str]) -> str:
    return ", ".join(values)
