"""Computes the numbers of a report again, and compares them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from partlens.client import decoding
from partlens.client.answers import GalleryImage
from partlens.client.errors import NotFoundError, RequestError
from partlens.client.report.comparison import (
    TOLERANCE,
    contribution,
    inconsistent,
    moved,
    other_box,
    other_facts,
    other_image,
    other_map,
)
from partlens.client.report.errors import ReportError
from partlens.client.report.record import images_of
from partlens.client.search_answers import Hit, PairAnswer, Query, SearchAnswer
from partlens.client.sync_client import Client
from partlens.common.activation_map import ActivationMap
from partlens.common.explained_pair import PartialMap
from partlens.common.media_digest import media_digest
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import report_pb2 as pb

_CHUNK = 100

Verdict = Literal["agrees", "differs", "gone", "replaced"]


@dataclass(frozen=True)
class Finding:
    """What the verification of one part of a report found.

    Attributes:
        part: such as "model" or "hit 3".
        name: such as the id of the image; may be empty.
        verdict: "gone" for an image that is not in the gallery, or that the token may not see;
            "replaced" for an id that is now another picture.
        reported, recomputed: numbers; None where there is none.
        detail: what differs; "" if nothing does.
    """

    part: str
    name: str
    verdict: Verdict
    reported: float | None = None
    recomputed: float | None = None
    detail: str = ""


def verified(
    record: pb.ReportRecord, client: Client, pictures: Sequence[bytes] = ()
) -> list[Finding]:
    """One finding for each part of a report.

    Args:
        record: is left unchanged.
        client: of the server and the gallery to compare with; see record.gallery_of.
        pictures: query images that the report does not hold.

    Raises:
        ReportError: a query image is missing, or a picture belongs to none; nothing was compared.
        ClientError: see Client.
    """
    again = pb.ReportRecord()
    again.CopyFrom(record)
    _supply(again, pictures)
    found = [_model(record, client)]
    sources = list(_sources(again, client))
    found += sources
    if any(one.verdict != "agrees" for one in sources):
        return found  # the numbers of another picture would say nothing
    try:
        if record.HasField("pair"):
            return found + _pair(again.pair, client)
        return found + list(_hits(again.search, client))
    except NotFoundError as error:
        if error.reason != "QUERY_UNKNOWN":
            raise
        raise ReportError(
            f"{error}: the report does not hold the picture of that query image. Give it with"
            " --picture FILE, if the report has its digest"
        ) from error


def _supply(record: pb.ReportRecord, pictures: Sequence[bytes]) -> None:
    """Put pictures where the report has only their digests."""
    known = list(zip(images_of(record), record.pictures, strict=True))
    for data in pictures:
        digest = media_digest(data)
        wanted = [image for image, one in known if one.digest == digest]
        if not wanted:
            listed = ", ".join(sorted({one.digest or "unknown" for _, one in known}))
            raise ReportError(
                f"a --picture has digest {digest}, and no query image of the report has it; theirs"
                f" are {listed}"
            )
        for image in wanted:
            if image.WhichOneof("source") == "query_id":
                image.data = data


def _model(record: pb.ReportRecord, client: Client) -> Finding:
    ours, theirs = record.origin, client.get_gallery().model
    name, detail = ours.model_name, ""
    if ours.model_digest != theirs.digest:
        detail = (
            f"digest {theirs.digest}, in the report {ours.model_digest or 'none'}: other numbers"
            " are to be expected"
        )
    elif name != theirs.name:
        detail = f"name {theirs.name!r}, in the report {name!r}"
    elif details := moved("length of the bias", ours.bias_share, theirs.bias_share):
        (detail,) = details
    return Finding("model", name, "differs" if detail else "agrees", detail=detail)


def _sources(record: pb.ReportRecord, client: Client) -> Iterator[Finding]:
    """Whether the gallery's images among the query images are still the same."""
    known = zip(images_of(record), record.pictures, strict=True)
    for number, (image, one) in enumerate(known, start=1):
        part = f"query image {number}"
        if image.WhichOneof("source") != "gallery_id":
            yield Finding(part, one.name, "agrees")
        else:
            yield _same(part, image.gallery_id, one.digest, client) or Finding(
                part, image.gallery_id, "agrees"
            )


def _same(part: str, id: str, digest: str, client: Client) -> Finding | None:
    """A finding if an image of the gallery is gone or is now another picture; else None."""
    try:
        image, _ = client.get_image(id)
    except NotFoundError:
        return Finding(part, id, "gone", detail="not in the gallery, or not visible to this token")
    return _replaced(part, image, digest)


def _replaced(part: str, image: GalleryImage, digest: str) -> Finding | None:
    if image.media_digest == digest:
        return None
    detail = f"file {image.media_digest}, in the report {digest or 'unknown'}"
    return Finding(part, image.id, "replaced", detail=detail)


def _hits(search: pb.ReportedSearch, client: Client) -> Iterator[Finding]:
    reported = decoding.search(search.response)
    answers = list(_recomputed(search.request, [hit.id for hit in reported.hits], client))
    found = {hit.id: hit for answer in answers for hit in answer.hits}
    if answers:
        yield from _sizes(reported.queries, answers[0].queries)
    if not reported.hits:
        yield _none(answers)
    ranks = _ranks(reported.hits)
    for number, (hit, rank) in enumerate(zip(reported.hits, ranks, strict=True), start=1):
        part, again = f"hit {number}", found.get(hit.id)
        if again is not None:
            replaced = _replaced(part, again.image, hit.image.media_digest)
            yield replaced or _hit(part, hit, again, rank)
        else:
            yield _same(part, hit.id, hit.image.media_digest, client) or Finding(
                part,
                hit.id,
                "differs",
                hit.score,
                detail="the image does not pass the report's filter",
            )


def _recomputed(
    request: search_pb.SearchRegionsRequest, ids: Sequence[str], client: Client
) -> Iterator[SearchAnswer]:
    """Answers to the same search among some images; without ids, the best image it finds.

    Images that its filter omits are left out.
    """
    if not ids:
        answer = _answer_now(_among(request, request.filter.ids, 1), client)
        if answer is not None:
            yield answer
    named = set(request.filter.ids)
    ids = [id for id in ids if not named or id in named]
    size = min(_CHUNK, client.get_gallery().limits.search_page_size)
    for start in range(0, len(ids), size):
        chunk = ids[start : start + size]
        answer = _answer_now(_among(request, chunk, len(chunk)), client)
        if answer is not None:
            yield answer


def _answer_now(request: search_pb.SearchRegionsRequest, client: Client) -> SearchAnswer | None:
    """The answer, or None if the images have lost an attribute of the filter, so none passes."""
    try:
        return client.send_search(request)
    except RequestError as error:
        if error.reason == "ATTRIBUTE_UNKNOWN":
            return None
        raise


def _among(
    request: search_pb.SearchRegionsRequest, ids: Sequence[str], hits: int
) -> search_pb.SearchRegionsRequest:
    again = search_pb.SearchRegionsRequest(
        images=request.images,
        regions=request.regions,
        score=request.score,
        page_size=hits,
        maps=[search_pb.MAP_KIND_SCORE],
        marks=request.marks,
        exclude_identical=request.exclude_identical,
    )
    where = image_pb.Filter()
    where.CopyFrom(request.filter)
    where.ClearField("ids")
    where.ids.extend(ids)
    again.filter.CopyFrom(where)
    return again


def _sizes(reported: Sequence[Query], again: Sequence[Query]) -> Iterator[Finding]:
    """Query images whose size differs."""
    for number, both in enumerate(zip(reported, again, strict=True), start=1):
        if details := other_image(*both):
            yield Finding(f"size of query image {number}", "", "differs", detail="; ".join(details))


def _none(answers: Sequence[SearchAnswer]) -> Finding:
    """Whether a search that found nothing still finds nothing."""
    for best in (hit for answer in answers for hit in answer.hits):
        detail = "the report lists no image, but this one passes its filter"
        return Finding("hits", best.id, "differs", None, best.score, detail)
    return Finding("hits", "", "agrees")


def _ranks(hits: Sequence[Hit]) -> list[str]:
    """For each hit, what is wrong with its rank; "" if nothing is."""
    wrong = [
        f"ranked below hit {number}, which has a lower score"
        if hit.score > before.score + TOLERANCE
        else ""
        for number, (before, hit) in enumerate(pairwise(hits), start=1)
    ]
    return [""] * bool(hits) + wrong


def _hit(part: str, reported: Hit, again: Hit, rank: str) -> Finding:
    details = [
        *([rank] if rank else []),
        *inconsistent(reported),
        *moved("score", reported.score, again.score),
        *moved("constant", reported.constant, again.constant),
        *other_box(reported.box, again.box),
        *other_map(reported.map, again.map),
        *other_facts(reported.image, again.image),
    ]
    verdict: Verdict = "differs" if details else "agrees"
    return Finding(part, reported.id, verdict, reported.score, again.score, "; ".join(details))


def _pair(pair: pb.ReportedPair, client: Client) -> list[Finding]:
    reported, again = decoding.pair(pair.response), client.send_pair(pair.request)
    maps = [
        detail
        for ours, theirs in zip(_maps(reported), _maps(again), strict=True)
        for detail in other_map(ours, theirs)
    ]
    total = sum(vars(reported.terms).values())
    if abs(total - reported.similarity) > TOLERANCE:
        maps.append(f"the report's terms add up to {total:.6f}")
    found = [_number("similarity", reported.similarity, again.similarity, maps)]
    images = (reported.query, reported.retrieved), (again.query, again.retrieved)
    found += _sizes(*images)
    for name, value in vars(reported.terms).items():
        found.append(_number(name.replace("_", " x "), value, vars(again.terms)[name]))
    parts = zip(reported.partial_maps, again.partial_maps, strict=True)
    return found + [_region(number, *both) for number, both in enumerate(parts, start=1)]


def _maps(pair: PairAnswer) -> tuple[ActivationMap, ...]:
    return (
        pair.query_map,
        pair.query_map_with_bias,
        pair.retrieved_map,
        pair.retrieved_map_with_bias,
    )


def _region(number: int, reported: PartialMap, again: PartialMap) -> Finding:
    details = [
        *moved("constant", reported.constant, again.constant),
        *other_map(reported.map, again.map),
    ]
    if reported.side != again.side:
        details.append(f"the map lies on the {again.side} image")
    return _number(f"region {number}", contribution(reported), contribution(again), details)


def _number(part: str, reported: float, again: float, details: Sequence[str] = ()) -> Finding:
    wrong = [*moved("", reported, again), *details]
    verdict: Verdict = "differs" if wrong else "agrees"
    return Finding(part, "", verdict, reported, again, "; ".join(wrong))
