"""Standing queries: searches that the server scores every new image against."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from partlens.client import checks, decoding, encoding
from partlens.client.errors import RequestError
from partlens.client.questions import Mark, QueryImages, QueryRegions, Score
from partlens.client.search_answers import Hit
from partlens.common.filters import Filter
from partlens.v1 import standing_query_service_pb2 as pb


@dataclass(frozen=True)
class StandingQuery:
    """A saved search.

    Attributes:
        id: id, assigned by the server.
        name: name that its owner chose.
        threshold: lowest score that matches.
        created_at: when it was saved.
        created_revision: only images with a later revision are scored.
        paused: whether new images are not scored now; those added meanwhile never will be.
        gallery: own name of its gallery; "" if the server is too old to say.
    """

    id: str
    name: str
    threshold: float
    created_at: datetime
    created_revision: int
    paused: bool = False
    gallery: str = ""


@dataclass(frozen=True, eq=False)
class StandingMatch:
    """An image that a standing query found.

    Attributes:
        revision: revision of the image. Matches arrive in this order; one commit's images share it.
        query_id, query_name: id and name of the standing query.
        hit: the image, its score, and the map that sums to the score with the constant.
        gallery: own name of the gallery that has it, and that the revision belongs to.
    """

    revision: int
    query_id: str
    query_name: str
    hit: Hit
    gallery: str = ""


def to_create(
    name: str,
    images: QueryImages,
    regions: QueryRegions,
    threshold: float,
    where: Filter | None,
    score: Score,
    marks: Sequence[Mark],
    exclude_identical: bool,
) -> pb.CreateStandingQueryRequest:
    """The message that saves a search."""
    search = encoding.search(
        images, regions, where, score, 0, "", (), False, "", marks, exclude_identical
    )
    return pb.CreateStandingQueryRequest(
        name=checks.text("name", name),
        images=search.images,
        regions=search.regions,
        filter=search.filter,
        score=search.score,
        marks=search.marks,
        exclude_identical=search.exclude_identical,
        threshold=checks.number("threshold", threshold),
    )


def to_update(
    id: str, name: str | None, threshold: float | None, paused: bool | None
) -> pb.UpdateStandingQueryRequest:
    """The message that changes one."""
    if name is None and threshold is None and paused is None:
        raise RequestError("nothing to change: give name, threshold or paused")
    return pb.UpdateStandingQueryRequest(
        id=checks.text("id", id),
        name=None if name is None else checks.text("name", name),
        threshold=None if threshold is None else checks.number("threshold", threshold),
        paused=None if paused is None else checks.flag("paused", paused),
    )


def to_delete(id: str) -> pb.DeleteStandingQueryRequest:
    """The message that deletes one."""
    return pb.DeleteStandingQueryRequest(id=checks.text("id", id))


def to_watch(
    ids: Sequence[str], after_revision: int | None, revision_gallery: str
) -> pb.WatchMatchesRequest:
    """The message that watches."""
    if after_revision is not None:
        after_revision = checks.whole("after_revision", after_revision, bits=64)
    return pb.WatchMatchesRequest(
        standing_query_ids=checks.texts("ids", ids),
        after_revision=after_revision,
        revision_gallery=checks.text("revision_gallery", revision_gallery),
    )


def query(message: pb.StandingQuery) -> StandingQuery:
    """A saved search."""
    at = message.created_at.ToDatetime(UTC)
    return StandingQuery(
        message.id,
        message.name,
        message.threshold,
        at,
        message.created_revision,
        message.paused,
        message.gallery,
    )


def match(message: pb.WatchMatchesResponse) -> StandingMatch:
    """A match."""
    return StandingMatch(
        message.revision,
        message.standing_query_id,
        message.standing_query_name,
        decoding.hit(message.hit),
        message.gallery,
    )
