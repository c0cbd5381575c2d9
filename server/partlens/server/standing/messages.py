"""Encodes standing queries and their matches."""

from google.protobuf.json_format import MessageToJson

from partlens.client.filter_messages import filter_message
from partlens.server.messages.encoding import Encoder
from partlens.server.requests.answers import Match
from partlens.server.standing.matcher import StandingMatch
from partlens.server.standing.query import StandingQuery
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import standing_query_service_pb2 as pb

_SCORES = {
    "context": search_pb.SCORE_KIND_CONTEXT,
    "whole": search_pb.SCORE_KIND_WHOLE,
    "part": search_pb.SCORE_KIND_PART,
}


def standing_query(query: StandingQuery, gallery: str) -> pb.StandingQuery:
    """A standing query of a gallery, without its features."""
    message = pb.StandingQuery(
        id=query.id,
        name=query.name,
        threshold=query.threshold,
        score=_SCORES[query.score],
        filter=filter_message(query.where),
        created_revision=0 if query.waits else query.created_revision,
        paused=query.paused,
        gallery=gallery,
    )
    message.created_at.FromDatetime(query.created_at)
    return message


def match(encoder: Encoder, found: StandingMatch, gallery: str) -> pb.WatchMatchesResponse:
    """A match in a gallery, with its map."""
    return pb.WatchMatchesResponse(
        revision=found.revision,
        standing_query_id=found.query.id,
        standing_query_name=found.query.name,
        hit=encoder.hit(Match(found.found), frozenset({"score"}), thumbnails=False),
        gallery=gallery,
    )


def match_json(encoder: Encoder, found: StandingMatch, gallery: str) -> str:
    """The same in protobuf's JSON, for Redis and the webhook."""
    message = match(encoder, found, gallery)
    return MessageToJson(message, preserving_proto_field_name=True, indent=None)
