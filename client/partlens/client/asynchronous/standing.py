"""Standing queries and their matches."""

from collections.abc import AsyncIterator, Sequence

from partlens.client import checks, standing
from partlens.client.asynchronous.calls import Calls
from partlens.client.questions import Mark, QueryImages, QueryRegions, Score
from partlens.client.standing import StandingMatch, StandingQuery
from partlens.common.filters import Filter
from partlens.v1 import standing_query_service_pb2 as standing_pb


class StandingQueryCalls(Calls):
    """Calls about standing queries."""

    async def create_standing_query(
        self,
        name: str,
        images: QueryImages,
        regions: QueryRegions,
        threshold: float,
        *,
        where: Filter | None = None,
        score: Score = "default",
        marks: Sequence[Mark] = (),
        exclude_identical: bool = False,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> StandingQuery:
        """Save a search; the server scores every image that is added from now on against it.

        Args:
            threshold: the lowest score that matches.
            marks, exclude_identical: as in search_regions.
        """
        request = standing.to_create(
            name, images, regions, threshold, where, score, marks, exclude_identical
        )
        await self._require_known(request.filter, deadline)
        response = await self._ask(self._standing.CreateStandingQuery, request, deadline, gallery)
        return standing.query(response.standing_query)

    async def list_standing_queries(
        self, *, gallery: str | None = None, deadline: float | None = None
    ) -> Sequence[StandingQuery]:
        """Return your standing queries, in order of creation."""
        request = standing_pb.ListStandingQueriesRequest()
        response = await self._ask(self._standing.ListStandingQueries, request, deadline, gallery)
        return [standing.query(one) for one in response.standing_queries]

    async def update_standing_query(
        self,
        id: str,
        *,
        name: str | None = None,
        threshold: float | None = None,
        paused: bool | None = None,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> StandingQuery:
        """Change one of your standing queries, and return it; None leaves a value unchanged.

        Args:
            threshold: the lowest score that matches from now on.
            paused: True pauses it: images added until it is resumed are never scored against it.
                False resumes it.
        """
        request = standing.to_update(id, name, threshold, paused)
        response = await self._ask(self._standing.UpdateStandingQuery, request, deadline, gallery)
        return standing.query(response.standing_query)

    async def delete_standing_query(
        self, id: str, *, gallery: str | None = None, deadline: float | None = None
    ) -> None:
        """Delete one of your standing queries."""
        request = standing.to_delete(id)
        await self._ask(self._standing.DeleteStandingQuery, request, deadline, gallery)

    async def watch_matches(
        self,
        ids: Sequence[str] = (),
        *,
        after_revision: int | None = None,
        revision_gallery: str = "",
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[StandingMatch]:
        """Yield matches as they are found, until you stop iterating.

        The client's deadline does not apply here, only the one given with this call.

        Args:
            ids: of standing queries; empty for all of yours.
            after_revision: start after this revision; None starts with images added from now on.
                To resume after a lost connection, give the last match's revision minus one.
            revision_gallery: gallery of the last match, to which after_revision belongs: if the
                alias has moved since, the matches after the move follow.
        """
        request = standing.to_watch(ids, after_revision, revision_gallery)
        timeout = checks.optional_seconds("deadline", deadline)
        await self._name(request, gallery, self.deadline)
        with self._errors():
            matches = self._standing.WatchMatches(request, timeout=timeout, metadata=self._metadata)
            async for one in matches:
                yield standing.match(one)
