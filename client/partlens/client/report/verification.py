"""Computes the numbers of a report again, and compares them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from partlens.client import decoding
from partlens.client.answers import ActivationMap, GalleryImage, Hit, PairAnswer, PartialMap
from partlens.client.errors import NotFoundError
from partlens.client.report.errors import ReportError
from partlens.client.report.record import images_of
from partlens.client.report.sources import media_digest
from partlens.client.sync_client import Client
from partlens.common.gallery_names import UNNAMED
from partlens.common.regions import Box
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import report_pb2 as pb

TOLERANCE = 1e-4
"""Largest difference of numbers that agree: another processor rounds differently."""
_BOX_PIXELS = 0.01
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
        client: its gallery, if it names one, is compared with; otherwise that of the report.
        pictures: query images that the report does not hold.

    Raises:
        ReportError: a query image is missing, or a picture belongs to none; nothing was compared.
        ClientError: see Client.
    """
    again = pb.ReportRecord()
    again.CopyFrom(record)
    if record.origin.gallery != UNNAMED:
        client.gallery = client.gallery or record.origin.gallery
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
    ours, theirs = record.origin.model_digest, client.get_gallery().model.digest
    if ours == theirs:
        return Finding("model", record.origin.model_name, "agrees")
    detail = f"digest {theirs}, in the report {ours or 'none'}: other numbers are to be expected"
    return Finding("model", record.origin.model_name, "differs", detail=detail)


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
    reported = decoding.search(search.response).hits
    found = _recomputed(search.request, [hit.id for hit in reported], client)
    for number, hit in enumerate(reported, start=1):
        part, again = f"hit {number}", found.get(hit.id)
        if again is not None:
            yield _replaced(part, again.image, hit.image.media_digest) or _hit(part, hit, again)
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
) -> Mapping[str, Hit]:
    """Hits of the same search among some images, by id; without those that its filter omits."""
    named = set(request.filter.ids)
    ids = [id for id in ids if not named or id in named]
    size = min(_CHUNK, client.get_gallery().limits.search_page_size)
    found = dict[str, Hit]()
    for start in range(0, len(ids), size):
        chunk = ids[start : start + size]
        hits = client.send_search(_among(request, chunk)).hits
        if not {hit.id for hit in hits} <= set(chunk):
            raise ReportError(
                "the server is too old to search among given images (Filter.ids), so it cannot"
                " verify a report"
            )
        found |= {hit.id: hit for hit in hits}
    return found


def _among(
    request: search_pb.SearchRegionsRequest, ids: Sequence[str]
) -> search_pb.SearchRegionsRequest:
    again = search_pb.SearchRegionsRequest(
        images=request.images,
        regions=request.regions,
        score=request.score,
        page_size=len(ids),
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


def _hit(part: str, reported: Hit, again: Hit) -> Finding:
    details = [
        *_inconsistent(reported),
        *_moved("score", reported.score, again.score),
        *_moved("constant", reported.constant, again.constant),
        *_other_box(reported.box, again.box),
        *_other_map(reported.map, again.map),
    ]
    verdict: Verdict = "differs" if details else "agrees"
    return Finding(part, reported.id, verdict, reported.score, again.score, "; ".join(details))


def _pair(pair: pb.ReportedPair, client: Client) -> list[Finding]:
    reported, again = decoding.pair(pair.response), client.send_pair(pair.request)
    maps = [
        detail
        for ours, theirs in zip(_maps(reported), _maps(again), strict=True)
        for detail in _other_map(ours, theirs)
    ]
    total = sum(vars(reported.terms).values())
    if abs(total - reported.similarity) > TOLERANCE:
        maps.append(f"the report's terms add up to {total:.6f}")
    found = [_number("similarity", reported.similarity, again.similarity, maps)]
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
        *_moved("constant", reported.constant, again.constant),
        *_other_map(reported.map, again.map),
    ]
    if reported.side != again.side:
        details.append(f"the map lies on the {again.side} image")
    return _number(f"region {number}", _share(reported), _share(again), details)


def _share(partial: PartialMap) -> float:
    return float(partial.map.values.sum(dtype=np.float64)) + partial.constant


def _number(part: str, reported: float, again: float, details: Sequence[str] = ()) -> Finding:
    wrong = [*_moved("", reported, again), *details]
    verdict: Verdict = "differs" if wrong else "agrees"
    return Finding(part, "", verdict, reported, again, "; ".join(wrong))


def _moved(name: str, reported: float, again: float) -> list[str]:
    if abs(reported - again) <= TOLERANCE:
        return []
    return [f"{name} {again:.6f}, in the report {reported:.6f}".strip()]


def _inconsistent(hit: Hit) -> list[str]:
    """Whether the report contradicts itself."""
    if hit.map is None:
        return []
    total = float(hit.map.values.sum(dtype=np.float64)) + hit.constant
    if abs(total - hit.score) <= TOLERANCE:
        return []
    return [f"the report's map and constant add up to {total:.6f}"]


def _other_box(reported: Box, again: Box) -> list[str]:
    ours, theirs = (np.array(list(vars(box).values())) for box in (reported, again))
    if np.abs(ours - theirs).max() <= _BOX_PIXELS:
        return []
    shown = ", ".join(f"{one:g}" for one in theirs)
    return [f"box at {shown} (x, y, width, height)"]


def _other_map(reported: ActivationMap | None, again: ActivationMap | None) -> list[str]:
    if reported is None or again is None:
        return []
    if reported.values.shape != again.values.shape:
        return [f"map of shape {again.values.shape}, in the report {reported.values.shape}"]
    most = float(np.abs(reported.values - again.values).max(initial=0.0))
    return [] if most <= TOLERANCE else [f"map differs by up to {most:.6f}"]
