"""StandingQueryService: searches that every new image is scored against."""

import math
import secrets
from collections.abc import AsyncGenerator, Iterator, Sequence, Set
from contextlib import aclosing
from datetime import UTC, datetime

from partlens.server.caller.caller import Caller
from partlens.server.calls import call as calls
from partlens.server.calls.method import methods_of
from partlens.server.engine.engine import Engine, where_of
from partlens.server.errors import RequestError, UnknownStandingQueryError
from partlens.server.galleries.served import ServedGallery
from partlens.server.handlers.kept_requests import kept_request
from partlens.server.handlers.region_requests import answered, drawn
from partlens.server.handlers.watching import Watch
from partlens.server.host import Host
from partlens.server.messages import decoding
from partlens.server.query_images.prepared import PreparedSearch
from partlens.server.query_images.query import Query
from partlens.server.requests.digest import digest
from partlens.server.requests.questions import SearchQuestion
from partlens.server.standing import messages
from partlens.server.standing.matcher import StandingMatch
from partlens.server.standing.query import Change, StandingQuery
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import standing_query_service_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["StandingQueryService"]
_LONGEST_NAME = 256


class StandingQueryHandlers:
    """Saves, lists, changes and deletes standing queries, and streams their matches.

    The errors of the methods reach the caller through calls/.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.methods = methods_of(
            SERVICE,
            {
                "CreateStandingQuery": self.create_standing_query,
                "ListStandingQueries": self.list_standing_queries,
                "UpdateStandingQuery": self.update_standing_query,
                "DeleteStandingQuery": self.delete_standing_query,
                "WatchMatches": self.watch_matches,
            },
        )

    async def create_standing_query(
        self, request: pb.CreateStandingQueryRequest
    ) -> pb.CreateStandingQueryResponse:
        """Saves a search; images added from now on are scored against it."""
        asked = search_pb.SearchRegionsRequest(
            images=request.images, regions=request.regions, filter=request.filter,
            score=request.score, marks=request.marks,
            exclude_identical=request.exclude_identical,
        )  # fmt: skip

        def decode(engine: Engine) -> SearchQuestion:
            question = decoding.search(asked, engine.limits, engine.require_waiting)
            _require_threshold(request.threshold)
            _require_name(request.name)
            return question

        gallery = self._host.directory.of(request.gallery)

        def prepare(
            engine: Engine, question: SearchQuestion, queries: Sequence[Query]
        ) -> tuple[SearchQuestion, Sequence[Query], PreparedSearch]:
            return question, queries, engine.prepare(question, queries)

        question, queries, prepared = await answered(gallery, drawn(asked), decode, prepare)
        caller = calls.current().caller
        where = caller.within.narrowed(where_of(question, queries))
        kept = await kept_request(request, queries, gallery)

        def save(engine: Engine) -> StandingQuery:
            made = StandingQuery(
                id=f"s-{secrets.token_hex(8)}",
                name=request.name,
                token=caller.owner,
                score=question.score,
                threshold=request.threshold,
                where=where,
                created_at=datetime.now(UTC),
                created_revision=gallery.standing.newest(),
                model_digest=engine.spec.digest,
                search=prepared,
            )
            gallery.standing.add(made, kept)
            return made

        calls.current().note(query=digest([query.id for query in queries]))
        made = await gallery.write(save)
        calls.current().note(query=digest(made.id), standing=made.id)
        return pb.CreateStandingQueryResponse(
            standing_query=messages.standing_query(made, gallery.name)
        )

    async def list_standing_queries(
        self, request: pb.ListStandingQueriesRequest
    ) -> pb.ListStandingQueriesResponse:
        """The caller's standing queries, in order of creation."""
        gallery = self._host.directory.of(request.gallery)
        mine = await gallery.look(lambda engine: _mine(gallery))
        calls.current().note(query=digest("standing"), hits=len(mine))
        return pb.ListStandingQueriesResponse(
            standing_queries=[messages.standing_query(one, gallery.name) for one in mine.values()]
        )

    async def update_standing_query(
        self, request: pb.UpdateStandingQueryRequest
    ) -> pb.UpdateStandingQueryResponse:
        """Renames, pauses or resumes one of the caller's standing queries, or changes its
        threshold."""
        gallery, change = self._host.directory.of(request.gallery), _change(request)

        def update(engine: Engine) -> StandingQuery:
            _require_mine(gallery, [request.id])
            return gallery.standing.update(request.id, change)

        calls.current().note(query=digest(request.id), changed=",".join(_words(change)))
        updated = await gallery.write(update)
        calls.current().note(standing=updated.id)
        return pb.UpdateStandingQueryResponse(
            standing_query=messages.standing_query(updated, gallery.name)
        )

    async def delete_standing_query(
        self, request: pb.DeleteStandingQueryRequest
    ) -> pb.DeleteStandingQueryResponse:
        """Deletes one of the caller's standing queries, with its features."""
        gallery = self._host.directory.of(request.gallery)

        def delete(engine: Engine) -> None:
            _require_mine(gallery, [request.id])
            gallery.standing.remove(request.id)

        calls.current().note(query=digest(request.id))
        await gallery.write(delete)
        calls.current().note(standing=request.id)
        return pb.DeleteStandingQueryResponse()

    async def watch_matches(
        self, request: pb.WatchMatchesRequest
    ) -> AsyncGenerator[pb.WatchMatchesResponse]:
        """Every match that the caller may see, as it is found."""
        wanted, call = set(request.standing_query_ids), calls.current()
        gallery = self._host.directory.of(request.gallery)
        await gallery.look(lambda engine: _require_mine(gallery, sorted(wanted)))
        watch = Watch(self._host.directory, request.gallery, gallery)
        async with aclosing(watch.notes(request)) as notes:
            async for of, note in notes:
                call.require_allowed()
                seen = [match for match in note.matches if _sees(call.caller, wanted, match)]
                if seen:
                    call.gallery = of.name
                    call.note(query=digest(sorted(wanted)), hits=len(seen))
                    await call.commit()
                for match in seen:
                    yield messages.match(of.standing.encoder, match, of.name)


def _mine(gallery: ServedGallery) -> dict[str, StandingQuery]:
    caller = calls.current().caller
    return {id: one for id, one in gallery.standing.read().items() if one.owned_by(caller)}


def _require_mine(gallery: ServedGallery, ids: list[str]) -> None:
    mine = _mine(gallery)
    for id in ids:
        if id not in mine:
            raise UnknownStandingQueryError(
                f"you have no standing query {id[:64]!r}{calls.where()}; see ListStandingQueries"
            )


def _sees(caller: Caller, wanted: Set[str], match: StandingMatch) -> bool:
    """Whether to send a match to a watching caller."""
    return (
        match.query.owned_by(caller)
        and caller.within.sees(match.found.stored.metadata)
        and (not wanted or match.query.id in wanted)
    )


def _change(request: pb.UpdateStandingQueryRequest) -> Change:
    change = Change(
        request.name if request.HasField("name") else None,
        request.threshold if request.HasField("threshold") else None,
        request.paused if request.HasField("paused") else None,
    )
    if change == Change():
        raise RequestError("", "nothing to change: set name, threshold or paused")
    if change.threshold is not None:
        _require_threshold(change.threshold)
    if change.name is not None:
        _require_name(change.name)
    return change


def _words(change: Change) -> Iterator[str]:
    """What a change changes, for the audit log."""
    if change.name is not None:
        yield "name"
    if change.threshold is not None:
        yield "threshold"
    if change.paused is not None:
        yield "paused" if change.paused else "resumed"


def _require_threshold(threshold: float) -> None:
    if not math.isfinite(threshold):
        raise RequestError("threshold", f"{threshold}: give a number, say 1.5")


def _require_name(name: str) -> None:
    if len(name) > _LONGEST_NAME:
        raise RequestError("name", f"{len(name)} characters; at most {_LONGEST_NAME} are allowed")
