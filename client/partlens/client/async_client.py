"""The client for asyncio; the same methods as Client, to be awaited."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from partlens.client import checks, decoding, encoding, standing
from partlens.client.answers import (
    DescribeAnswer,
    GalleryAnswer,
    GalleryImage,
    PairAnswer,
    SearchAnswer,
    UpsertAnswer,
)
from partlens.client.channel import (
    DEADLINE,
    FILES_HEALTH,
    NO_CREDENTIALS,
    Credentials,
    open_aio_channel,
    route,
)
from partlens.client.errors import ClientError, DeadlineError, UnavailableError
from partlens.client.questions import MapKind, QueryId, QueryImage, QueryRegion, Score, Upload
from partlens.client.rpc_errors import from_rpc
from partlens.client.sending import Sending
from partlens.client.standing import StandingMatch, StandingQuery
from partlens.common.filters import Filter
from partlens.common.regions import Region
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub


class AsyncClient:
    """A partlens server, seen through typed methods, for asyncio.

    Every method raises a ClientError (see errors.py) when the server refuses, is not there, or
    does not answer in time.

    Args:
        target: "host:port".
        deadline: seconds that one call may take, unless the call is given its own.
        credentials: token and certificates; none for a server without them.

    Raises:
        AddressError: no such address can be, or the environment names a proxy that cannot be used.
        CredentialsError: credentials that cannot be used, or must not be sent like this.
    """

    def __init__(
        self,
        target: str,
        deadline: float = DEADLINE,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        self.deadline = checks.seconds("deadline", deadline)
        self._route, self._metadata = route(target, credentials), credentials.metadata
        self.target = str(self._route.target)
        self._channel = open_aio_channel(self._route, credentials)
        self._search = PartSearchServiceStub(self._channel)
        self._gallery = GalleryServiceStub(self._channel)
        self._standing = StandingQueryServiceStub(self._channel)
        self._health = HealthStub(self._channel)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._channel.close()

    async def search_regions(
        self,
        images: Sequence[QueryImage],
        regions: Sequence[QueryRegion],
        *,
        where: Filter | None = None,
        score: Score = "default",
        page_size: int = 0,
        page_token: str = "",
        maps: Iterable[MapKind] = ("score",),
        thumbnails: bool = False,
        group_by: str = "",
        deadline: float | None = None,
    ) -> SearchAnswer:
        """The gallery's images that hold parts similar to the regions, best first.

        Args:
            images: what the regions lie on.
            regions: at least one that is not excluded.
            where: which images of the gallery to look at; None for all.
            page_size: hits a page; 0 for the server's default.
            page_token: next_page_token of the page before.
            maps: which maps each hit brings.
            thumbnails: whether each hit brings its thumbnail.
            group_by: "track", "camera" or "attribute:NAME": of all images with the same value the
                best alone; "" for every image.
            deadline: seconds that this call may take; None for the client's.
        """
        request = encoding.search(
            images, regions, where, score, page_size, page_token, maps, thumbnails, group_by
        )
        with self._errors():
            response = await self._search.SearchRegions(
                request, timeout=self._within(deadline), metadata=self._metadata
            )
        return decoding.search(response)

    async def search_pages(
        self,
        images: Sequence[QueryImage],
        regions: Sequence[QueryRegion],
        *,
        top: int,
        page_size: int = 0,
        where: Filter | None = None,
        score: Score = "default",
        maps: Iterable[MapKind] = ("score",),
        thumbnails: bool = False,
        group_by: str = "",
        deadline: float | None = None,
    ) -> AsyncIterator[SearchAnswer]:
        """The best `top` hits, a page a call; pictures are sent with the first page only.

        Arguments as search_regions, but for page_size: 0 is as large as the server allows.

        Raises:
            StaleError: the gallery changed, and the server keeps what the first page saw no more.
        """
        left, kinds = (
            checks.whole("top", top, least=1, bits=64),
            tuple(checks.several("maps", maps)),
        )
        # Refuses what cannot be sent before the server is asked how large a page may be.
        encoding.search(images, regions, where, score, page_size, "", kinds, thumbnails, group_by)
        if not page_size:
            page_size = (await self.get_gallery(deadline=deadline)).limits.search_page_size
        asked, token = images, ""
        while left > 0:
            page = await self.search_regions(
                asked,
                regions,
                where=where,
                score=score,
                page_size=min(left, page_size),
                page_token=token,
                maps=kinds,
                thumbnails=thumbnails,
                group_by=group_by,
                deadline=deadline,
            )
            yield page
            asked, token = [QueryId(query.id) for query in page.queries], page.next_page_token
            left = left - len(page.hits) if token else 0

    async def explain_pair(
        self,
        query: QueryImage,
        retrieved: QueryImage,
        *,
        query_regions: Sequence[Region] = (),
        retrieved_regions: Sequence[Region] = (),
        deadline: float | None = None,
    ) -> PairAnswer:
        """The similarity of two images, taken apart by position.

        Its partial maps are those of query_regions, then those of retrieved_regions.
        """
        request = encoding.pair(query, retrieved, query_regions, retrieved_regions)
        with self._errors():
            response = await self._search.ExplainPair(
                request, timeout=self._within(deadline), metadata=self._metadata
            )
        return decoding.pair(response)

    async def describe_query(
        self,
        image: QueryImage,
        regions: Sequence[Region] = (),
        *,
        deadline: float | None = None,
    ) -> DescribeAnswer:
        """How the model sees an image; keeps it under a query id."""
        request = encoding.describe(image, regions)
        with self._errors():
            response = await self._search.DescribeQuery(
                request, timeout=self._within(deadline), metadata=self._metadata
            )
        return decoding.describe(response)

    async def upsert_images(
        self,
        images: Iterable[Upload] | AsyncIterable[Upload],
        *,
        deadline: float | None = None,
    ) -> AsyncIterator[UpsertAnswer]:
        """Add pictures, or replace those of the same id; one answer each, in order.

        An answer says committed once the picture is safe on the server's disk. Pictures are sent
        as answers are read, so that `images` may be endless: the client's deadline does not count
        here, only the one given with this call, for all images together.

        If `images` raises, or an image cannot be sent, those before it are answered first, and
        then the error is raised.
        """
        timeout, sending = checks.optional_seconds("deadline", deadline), Sending()
        with self._errors():
            answers = self._gallery.UpsertImages(
                sending.requests_of_any(images), timeout=timeout, metadata=self._metadata
            )
            async for response in answers:
                yield decoding.upsert(response)
        sending.require_all_sent()

    async def get_image(
        self, id: str, *, deadline: float | None = None
    ) -> tuple[GalleryImage, bytes]:
        """An image of the gallery, and its thumbnail (a JPEG)."""
        request = encoding.get_image(id)
        with self._errors():
            response = await self._gallery.GetImage(
                request, timeout=self._within(deadline), metadata=self._metadata
            )
        return decoding.image(response.image), response.thumbnail

    async def list_images(
        self, page_size: int = 0, *, deadline: float | None = None
    ) -> AsyncIterator[GalleryImage]:
        """Every image of the gallery in order of id, fetched a page (a call) at a time."""
        token = ""
        while True:
            request = encoding.list_images(page_size, token)
            with self._errors():
                response = await self._gallery.ListImages(
                    request, timeout=self._within(deadline), metadata=self._metadata
                )
            for one in response.images:
                yield decoding.image(one)
            token = response.next_page_token
            if not token:
                return

    async def delete_images(self, ids: Sequence[str], *, deadline: float | None = None) -> int:
        """Delete images; how many of them there were."""
        request = encoding.delete_images(ids)
        with self._errors():
            response = await self._gallery.DeleteImages(
                request, timeout=self._within(deadline), metadata=self._metadata
            )
        return int(response.deleted)

    async def get_gallery(self, *, deadline: float | None = None) -> GalleryAnswer:
        """The gallery's size, its model, and what the server allows."""
        with self._errors():
            response = await self._gallery.GetGallery(
                gallery_pb.GetGalleryRequest(),
                timeout=self._within(deadline),
                metadata=self._metadata,
            )
        return decoding.gallery(response)

    async def create_standing_query(
        self,
        name: str,
        images: Sequence[QueryImage],
        regions: Sequence[QueryRegion],
        threshold: float,
        *,
        where: Filter | None = None,
        score: Score = "default",
        deadline: float | None = None,
    ) -> StandingQuery:
        """Save a search; every image that comes from now on is scored against it.

        Args:
            threshold: an image matches with this score or a higher one.
        """
        request = standing.to_create(name, images, regions, threshold, where, score)
        with self._errors():
            response = await self._standing.CreateStandingQuery(
                request, timeout=self._within(deadline), metadata=self._metadata
            )
        return standing.query(response.standing_query)

    async def list_standing_queries(
        self, *, deadline: float | None = None
    ) -> Sequence[StandingQuery]:
        """Those that are yours, in order of creation."""
        with self._errors():
            response = await self._standing.ListStandingQueries(
                standing_pb.ListStandingQueriesRequest(),
                timeout=self._within(deadline),
                metadata=self._metadata,
            )
        return [standing.query(one) for one in response.standing_queries]

    async def delete_standing_query(self, id: str, *, deadline: float | None = None) -> None:
        """Delete one that is yours."""
        with self._errors():
            await self._standing.DeleteStandingQuery(
                standing.to_delete(id),
                timeout=self._within(deadline),
                metadata=self._metadata,
            )

    async def watch_matches(
        self,
        ids: Sequence[str] = (),
        *,
        after_revision: int | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[StandingMatch]:
        """Matches as they are found, for as long as you go on taking them.

        The client's deadline does not count here, only the one given with this call.

        Args:
            ids: of standing queries; empty for all of yours.
            after_revision: begin with the images of a later one; None for what comes from now on.
                To go on after a lost connection give that of the last match, less one.
        """
        request = standing.to_watch(ids, after_revision)
        timeout = checks.optional_seconds("deadline", deadline)
        with self._errors():
            matches = self._standing.WatchMatches(request, timeout=timeout, metadata=self._metadata)
            async for one in matches:
                yield standing.match(one)

    async def wait_until_ready(self, timeout: float = DEADLINE) -> None:
        """Return once the server serves.

        Raises:
            UnavailableError: it does not within `timeout` seconds.
        """
        end = time.monotonic() + checks.seconds("timeout", timeout)
        why = "it does not answer"
        while (left := end - time.monotonic()) > 0:
            try:
                if await self._is_serving(left):
                    return
                why = "it is still loading, or stopping"
            except DeadlineError:
                pass  # what was seen before says more
            except ClientError as error:
                why = str(error)
            await asyncio.sleep(min(0.05, left))
        raise UnavailableError(
            f"the server at {self._route} is not ready after {timeout:g} s: {why}"
        )

    async def files_are_sound(self) -> bool:
        """Whether the server knows of no damaged file of its gallery. No token is needed.

        Raises:
            ClientError: it cannot be asked.
            NotFoundError: its version is too old to answer.
        """
        return await self._is_serving(self.deadline, FILES_HEALTH)

    async def _is_serving(self, seconds: float, service: str = "") -> bool:
        check = self._health.Check  # pyright: ignore[reportAttributeAccessIssue]
        request = health_pb2.HealthCheckRequest(service=service)
        with self._errors():
            answer = await check(request, timeout=seconds)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _within(self, deadline: float | None) -> float:
        return self.deadline if deadline is None else checks.seconds("deadline", deadline)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise from_rpc(error, self._route) from error
