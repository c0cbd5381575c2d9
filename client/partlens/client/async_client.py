"""The client for asyncio. The blocking one is generated from it."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from partlens.client import checks, decoding, encoding, standing
from partlens.client.answers import (
    AliasMoved,
    Facets,
    GalleryAnswer,
    GalleryImage,
    NamedGallery,
    Picture,
    ReportFile,
    UpdateAnswer,
    UpsertAnswer,
)
from partlens.client.async_sending import Sending
from partlens.client.async_status import with_servers_status
from partlens.client.channel import (
    DEADLINE,
    FILES_HEALTH,
    HEALTH_PARTS,
    NO_CREDENTIALS,
    Credentials,
    open_aio_channel,
    route,
)
from partlens.client.errors import (
    ClientError,
    DeadlineError,
    NotFoundError,
    ServerError,
    UnavailableError,
)
from partlens.client.questions import (
    GalleryImageId,
    ImageUpdate,
    MapKind,
    Mark,
    PairSelection,
    QueryId,
    QueryImage,
    QueryImages,
    QueryRegions,
    Regions,
    ReportFormat,
    Score,
    Upload,
)
from partlens.client.request_ids import answered_async
from partlens.client.retries import READ_RETRIES
from partlens.client.rpc_errors import from_rpc
from partlens.client.search_answers import DescribeAnswer, PairAnswer, SearchAnswer
from partlens.client.standing import StandingMatch, StandingQuery
from partlens.client.updates import answer as updated
from partlens.client.updates import to_update
from partlens.common.filters import Filter
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub
from partlens.v1.report_service_pb2_grpc import ReportServiceStub
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub


class AsyncClient:
    """A partlens server, through typed methods, for asyncio.

    Every method raises a ClientError (see errors.py) if the server refuses the call, cannot be
    reached, or does not answer in time. A read that is lost on the way is repeated up to three
    times; a write is sent once (see retries.py).

    `gallery` of a method names the gallery of this call: None for that of the client, "" for the
    server's default. A name that the server does not know raises a NotFoundError.

    Args:
        target: "host:port".
        deadline: default time limit of a call, in seconds.
        credentials: token and certificates; none for a server without them.
        gallery: name of the gallery of every call that names none; "" for the server's default.

    Raises:
        AddressError: target is not an address, or the environment names an unusable proxy.
        CredentialsError: the credentials are unusable, or must not be sent unencrypted.
    """

    def __init__(
        self,
        target: str,
        deadline: float = DEADLINE,
        credentials: Credentials = NO_CREDENTIALS,
        gallery: str = "",
    ) -> None:
        self.gallery = checks.text("gallery", gallery)
        self.deadline = checks.seconds("deadline", deadline)
        self._route, self._metadata = route(target, credentials), credentials.metadata
        self.target = str(self._route.target)
        self._channel = open_aio_channel(self._route, credentials, READ_RETRIES)
        self._search = PartSearchServiceStub(self._channel)
        self._gallery = GalleryServiceStub(self._channel)
        self._standing = StandingQueryServiceStub(self._channel)
        self._report = ReportServiceStub(self._channel)
        self._health = HealthStub(self._channel)
        self._is_current = False

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
        """Close the connection."""
        await self._channel.close()

    async def search_regions(
        self,
        images: QueryImages,
        regions: QueryRegions,
        *,
        where: Filter | None = None,
        score: Score = "default",
        page_size: int = 0,
        page_token: str = "",
        maps: Iterable[MapKind] = ("score",),
        thumbnails: bool = False,
        group_by: str = "",
        marks: Sequence[Mark] = (),
        exclude_identical: bool = False,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> SearchAnswer:
        """Find the gallery's images that contain parts similar to the regions, best first.

        Args:
            images: the pictures that the regions lie on, or one. A picture is a path, encoded
                bytes, a PIL image or an array; see QueryImage.
            regions: at least one that is not excluded. A bare shape lies on the first image; a
                QueryRegion names its image and weight.
            where: which images of the gallery to search; None for all.
            page_size: hits per page; 0 for the server's default.
            page_token: next_page_token of the previous page.
            maps: which maps to return with each hit.
            thumbnails: whether to return each hit's thumbnail.
            group_by: "track", "camera" or "attribute:NAME" returns only the best of all images
                with the same value; "" returns every image.
            marks: feedback on the hits of an earlier search: more, or less, like these.
            exclude_identical: leave out images whose encoded picture is byte for byte that of one
                of `images`.
            deadline: time limit of this call, in seconds; None for the client's.
        """
        request = encoding.search(
            images, regions, where, score, page_size, page_token, maps, thumbnails, group_by,
            marks, exclude_identical,
        )  # fmt: skip
        return await self.send_search(request, gallery=gallery, deadline=deadline)

    async def send_search(
        self,
        request: search_pb.SearchRegionsRequest,
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> SearchAnswer:
        """Send a search that exists as a message, such as that of a report."""
        await self._require_known(request.filter, deadline)
        response, id = await self._ask_with_id(
            self._search.SearchRegions, request, deadline, gallery
        )
        if len(response.marks) != len(request.marks):
            raise self._too_old("marks")
        if request.filter.ids and not {hit.id for hit in response.hits} <= set(request.filter.ids):
            raise self._too_old("ids in a filter")
        return replace(decoding.search(response), request_id=id)

    async def search_pages(
        self,
        images: QueryImages,
        regions: QueryRegions,
        *,
        top: int,
        page_size: int = 0,
        where: Filter | None = None,
        score: Score = "default",
        maps: Iterable[MapKind] = ("score",),
        thumbnails: bool = False,
        group_by: str = "",
        marks: Sequence[Mark] = (),
        exclude_identical: bool = False,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[SearchAnswer]:
        """Yield the best `top` hits, one page per call; only the first call sends the pictures.

        Arguments are those of search_regions, except that page_size 0 means the server's maximum.

        Raises:
            StaleError: the gallery changed, and the server no longer keeps what the first page saw.
        """
        left = checks.whole("top", top, least=1, bits=64)
        kinds = tuple(checks.several("maps", maps))
        marks = tuple(checks.several("marks", marks))
        regions = checks.repeatable(regions)
        images = encoding.kept_images(images)
        # Reject invalid arguments before asking the server for its page size.
        encoding.search(
            images, regions, where, score, page_size, "", kinds, thumbnails, group_by, marks,
            exclude_identical,
        )  # fmt: skip
        if not page_size:
            there = await self.get_gallery(gallery=gallery, deadline=deadline)
            page_size = there.limits.search_page_size
        asked, token = list[QueryImage](images), ""
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
                marks=marks,
                exclude_identical=exclude_identical,
                gallery=gallery,
                deadline=deadline,
            )
            yield page
            asked, token = [QueryId(query.id) for query in page.queries], page.next_page_token
            seen = zip(marks, page.marks, strict=True)
            marks = tuple(replace(mark, image=QueryId(query.id)) for mark, query in seen)
            left = left - len(page.hits) if token else 0

    async def explain_pair(
        self,
        query: QueryImage,
        retrieved: QueryImage,
        *,
        query_regions: Regions = (),
        retrieved_regions: Regions = (),
        pairs: PairSelection | None = None,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> PairAnswer:
        """Decompose the similarity of two images by position.

        The partial maps are those of query_regions, then those of retrieved_regions.

        Args:
            pairs: also return what these pairs of positions add; None for none. The partial map of
                any region follows from them without another call.
        """
        request = encoding.pair(query, retrieved, query_regions, retrieved_regions, pairs)
        return await self.send_pair(request, gallery=gallery, deadline=deadline)

    async def send_pair(
        self,
        request: search_pb.ExplainPairRequest,
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> PairAnswer:
        """Send a pair that exists as a message, such as that of a report."""
        response, id = await self._ask_with_id(self._search.ExplainPair, request, deadline, gallery)
        if request.HasField("pairs") and not response.HasField("pairs"):
            raise self._too_old("pairs of positions")
        return replace(decoding.pair(response), request_id=id)

    async def report_search(
        self,
        images: QueryImages,
        regions: QueryRegions,
        *,
        format: ReportFormat = "html",
        title: str = "",
        page_size: int = 0,
        where: Filter | None = None,
        score: Score = "default",
        group_by: str = "",
        marks: Sequence[Mark] = (),
        exclude_identical: bool = False,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> ReportFile:
        """Search, and return the best hits as a report that the server writes.

        Args:
            title: heading of the report, such as the number of a case.
            images, regions, page_size, where, score, group_by, marks, exclude_identical, deadline:
                as in search_regions.
        """
        request = encoding.report_search(
            encoding.search(
                images, regions, where, score, page_size, "", (), False, group_by, marks,
                exclude_identical,
            ),
            format,
            title,
        )  # fmt: skip
        response = await self._ask(self._report.ReportSearch, request, deadline, gallery)
        return decoding.report(response.report)

    async def report_pair(
        self,
        query: QueryImage,
        retrieved: QueryImage,
        *,
        format: ReportFormat = "html",
        title: str = "",
        query_regions: Regions = (),
        retrieved_regions: Regions = (),
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> ReportFile:
        """Explain a pair, and return the explanation as a report that the server writes.

        Args:
            title: heading of the report, such as the number of a case.
            query, retrieved, query_regions, retrieved_regions, deadline: as in explain_pair.
        """
        pair = encoding.pair(query, retrieved, query_regions, retrieved_regions)
        request = encoding.report_pair(pair, format, title)
        response = await self._ask(self._report.ReportPair, request, deadline, gallery)
        return decoding.report(response.report)

    async def describe_query(
        self,
        image: QueryImage,
        regions: Regions = (),
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> DescribeAnswer:
        """Describe how the model sees an image; the server keeps the image under a query id."""
        request = encoding.describe(image, regions)
        response = await self._ask(self._search.DescribeQuery, request, deadline, gallery)
        return decoding.describe(response)

    async def upsert_images(
        self,
        images: Iterable[Upload] | AsyncIterable[Upload],
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> list[UpsertAnswer]:
        """Add pictures, or replace those with the same id; return one answer for each, in order.

        An answer says committed once the picture is safe on the server's disk. An image that the
        server refuses has an answer that says why. `images` must end; for a source that does not,
        use upsert_stream.

        If `images` raises, or an image cannot be sent, those before it are still added, and then
        the error is raised. To see their answers, use upsert_stream.

        Args:
            images: sent in this order, while answers to earlier ones arrive.
            deadline: seconds for all images together; None for no limit. The client's deadline
                does not apply here.
        """
        return [
            answer
            async for answer in self.upsert_stream(images, gallery=gallery, deadline=deadline)
        ]

    def upsert_stream(
        self,
        images: Iterable[Upload] | AsyncIterable[Upload],
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[UpsertAnswer]:
        """Send pictures and yield the answers as they come; `images` may be endless.

        Arguments and answers are those of upsert_images, and none are kept in memory. Iterate over
        the answers: nothing is sent before, and dropping them unused gives a RuntimeWarning.
        Stopping early cancels the call, and pictures without an answer may or may not be added.

        If `images` raises, or an image cannot be sent, those before it are answered first, and
        then the error is raised.
        """
        timeout = checks.optional_seconds("deadline", deadline)
        sending = Sending(checks.several_async("images", images), self._named(gallery))
        return self._upserted(sending, timeout)

    async def upsert_image(
        self, image: Upload, *, gallery: str | None = None, deadline: float | None = None
    ) -> UpsertAnswer:
        """Add one picture, or replace the one with the same id; return once it is on disk.

        Raises:
            RequestError, AccessError: the server refuses the picture.
        """
        request = encoding.upsert_image(image)
        response = await self._ask(self._gallery.UpsertImage, request, deadline, gallery)
        return decoding.committed(image.id, response.committed)

    async def get_image(
        self, id: str, *, gallery: str | None = None, deadline: float | None = None
    ) -> tuple[GalleryImage, bytes]:
        """Return an image of the gallery, and its thumbnail (a JPEG)."""
        request = encoding.get_image(id)
        response = await self._ask(self._gallery.GetImage, request, deadline, gallery)
        return decoding.image(response.image), response.thumbnail

    async def get_picture(
        self,
        image: GalleryImageId | QueryId,
        max_side: int = 0,
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> Picture:
        """Return the original of a gallery image, or the picture of an earlier query image.

        Args:
            max_side: longest side of a JPEG, in pixels; it is never enlarged. It shows the
                thumbnail if the server cannot read the original. 0 for the original file, byte for
                byte.

        Raises:
            NotFoundError: with reason PICTURE_UNAVAILABLE if the server cannot read the original
                file, or no longer keeps the picture.
        """
        request = encoding.get_picture(image, max_side)
        return decoding.picture(
            await self._ask(self._gallery.GetPicture, request, deadline, gallery)
        )

    async def get_facets(
        self,
        where: Filter | None = None,
        values: int = 0,
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> Facets:
        """Count the values of each property of the images.

        Args:
            where: which images of the gallery to count; None for all.
            values: most values of each property to return; 0 for the server's default.
        """
        request = encoding.get_facets(where, values)
        return decoding.facets(await self._ask(self._gallery.GetFacets, request, deadline, gallery))

    async def list_images(
        self,
        page_size: int = 0,
        *,
        where: Filter | None = None,
        prefix: str = "",
        thumbnails: bool = False,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[GalleryImage]:
        """Yield the images of the gallery in order of id; each page is one call.

        Args:
            where: which images to list; None for all.
            prefix: list only images whose ids begin with this, character for character.
            thumbnails: whether to return each image's thumbnail.
        """
        first = encoding.list_images(page_size, "", where, prefix, thumbnails)
        if first.filter.ByteSize() or first.prefix:
            await self._require_current("the filter or prefix of a list", deadline)
        token = ""
        while True:
            request = encoding.list_images(page_size, token, where, prefix, thumbnails)
            response = await self._ask(self._gallery.ListImages, request, deadline, gallery)
            for one, thumbnail in decoding.listed(response, thumbnails=thumbnails):
                yield decoding.image(one, thumbnail)
            token = response.next_page_token
            if not token:
                return

    async def update_images(
        self,
        updates: Sequence[ImageUpdate],
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> UpdateAnswer:
        """Change metadata of images without sending their pictures; return once it is on disk.

        All updates are one commit: if one of them is invalid, none is applied. Ids without an
        image, and images with another revision than expected, are skipped and returned.

        Args:
            updates: at least one, at most the server's limits.update_images (256 by default); each
                id once.
        """
        request = to_update(updates)
        return updated(await self._ask(self._gallery.UpdateImages, request, deadline, gallery))

    async def delete_images(
        self, ids: Sequence[str], *, gallery: str | None = None, deadline: float | None = None
    ) -> int:
        """Delete images; return how many of them existed."""
        request = encoding.delete_images(ids)
        response = await self._ask(self._gallery.DeleteImages, request, deadline, gallery)
        return int(response.deleted)

    async def get_gallery(
        self, *, gallery: str | None = None, deadline: float | None = None
    ) -> GalleryAnswer:
        """Return the gallery's size, its model, the server's limits, and what your token allows."""
        request = gallery_pb.GetGalleryRequest()
        response = await self._ask(self._gallery.GetGallery, request, deadline, gallery)
        return decoding.gallery(response)

    async def list_galleries(self, *, deadline: float | None = None) -> Sequence[NamedGallery]:
        """Return the names of galleries that your token may use, in order."""
        request = gallery_pb.ListGalleriesRequest()
        response, _ = await self._send(self._gallery.ListGalleries, request, deadline)
        return [decoding.named_gallery(one) for one in response.galleries]

    async def set_gallery_alias(
        self, alias: str, gallery: str, *, deadline: float | None = None
    ) -> AliasMoved:
        """Make a name lead to a gallery from the next call on.

        Args:
            alias: the name; it may be that of another gallery, which it then hides.
            gallery: own name of a gallery, not an alias. If it is `alias`, that leads to its own
                gallery again.
        """
        request = encoding.set_alias(alias, gallery)
        response, _ = await self._send(self._gallery.SetGalleryAlias, request, deadline)
        return decoding.alias_moved(response)

    async def delete_gallery_alias(self, alias: str, *, deadline: float | None = None) -> None:
        """Remove an alias."""
        request = encoding.delete_alias(alias)
        await self._send(self._gallery.DeleteGalleryAlias, request, deadline)

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

    async def wait_until_ready(self, timeout: float = DEADLINE) -> None:
        """Return as soon as the server is ready.

        Raises:
            UnavailableError: the server is not ready within `timeout` seconds.
        """
        end = time.monotonic() + checks.seconds("timeout", timeout)
        why = "it does not answer"
        while (left := end - time.monotonic()) > 0:
            try:
                if await self._is_serving(left):
                    return
                why = (
                    "; ".join(await self.problems(deadline=left))
                    or "it is still loading, or stopping"
                )
            except DeadlineError:
                pass  # the previous reason is more informative
            except ClientError as error:
                why = str(error)
            await asyncio.sleep(min(0.05, left))
        raise UnavailableError(
            f"the server at {self._route} is not ready after {timeout:g} s: {why}"
        )

    async def is_ready(self, *, deadline: float | None = None) -> bool:
        """Return whether the server serves now: False while it loads or stops. Needs no token.

        Raises:
            ClientError: the server cannot be reached.
        """
        return await self._is_serving(self._within(deadline))

    async def files_are_sound(self) -> bool:
        """Return whether the gallery has no known damaged files. Needs no token.

        Raises:
            ClientError: the server cannot be reached.
            NotFoundError: the server's version is too old to answer.
        """
        return await self._is_serving(self.deadline, FILES_HEALTH)

    async def problems(self, *, deadline: float | None = None) -> tuple[str, ...]:
        """Return what the server says is wrong with it, one text each. Needs no token.

        Raises:
            ClientError: the server cannot be reached.
        """
        found, seconds = list[str](), self._within(deadline) / len(HEALTH_PARTS)
        for part, meaning in HEALTH_PARTS.items():
            with suppress(NotFoundError):  # the server's version is too old to answer
                if not await self._is_serving(seconds, part):
                    found.append(meaning)
        return tuple(found)

    async def _is_serving(self, seconds: float, service: str = "") -> bool:
        check = self._health.Check  # pyright: ignore[reportAttributeAccessIssue]
        request = health_pb2.HealthCheckRequest(service=service)
        with self._errors():
            answer = await check(request, timeout=seconds)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def _ask(
        self,
        method: Any,
        request: Message,
        deadline: float | None,
        gallery: str | None = None,
    ) -> Any:
        response, _ = await self._ask_with_id(method, request, deadline, gallery)
        return response

    async def _ask_with_id(
        self, method: Any, request: Message, deadline: float | None, gallery: str | None
    ) -> tuple[Any, str]:
        await self._name(request, gallery, deadline)
        return await self._send(method, request, deadline)

    async def _send(self, method: Any, request: Message, deadline: float | None) -> tuple[Any, str]:
        with self._errors():
            return await answered_async(method, request, self._within(deadline), self._metadata)

    async def _name(self, request: Any, gallery: str | None, deadline: float | None) -> None:
        """Put the name of the gallery into a request, or into the one inside it."""
        name = self._named(gallery)
        if name:
            await self._require_current("named galleries", deadline)
            inner = {"ReportSearchRequest": "search", "ReportPairRequest": "pair"}
            field = inner.get(request.DESCRIPTOR.name)
            (getattr(request, field) if field else request).gallery = name

    def _named(self, gallery: str | None) -> str:
        return self.gallery if gallery is None else checks.text("gallery", gallery)

    def _within(self, deadline: float | None) -> float:
        return self.deadline if deadline is None else checks.seconds("deadline", deadline)

    async def _require_known(self, where: image_pb.Filter, deadline: float | None) -> None:
        """Raise ServerError if the server would ignore a condition of the filter."""
        if where.all_of or where.any_of or where.none_of or where.attribute_conditions:
            await self._require_current("a condition of this filter", deadline)

    async def _require_current(self, for_what: str, deadline: float | None) -> None:
        """Raise ServerError if the server is of version 0.1, which ignores newer fields.

        It would answer from another gallery than the named one, or with images that do not pass.
        """
        if not self._is_current:
            request = gallery_pb.ListGalleriesRequest()
            try:
                await self._send(self._gallery.ListGalleries, request, deadline)
            except ServerError as error:
                if error.code != grpc.StatusCode.UNIMPLEMENTED:
                    raise
                raise self._too_old(for_what) from error
            self._is_current = True

    def _too_old(self, for_what: str) -> ServerError:
        return ServerError(
            f"the server at {self._route} is too old for {for_what}, and would ignore it: update"
            " the server",
            grpc.StatusCode.UNIMPLEMENTED,
        )

    async def _upserted(
        self, sending: Sending, timeout: float | None
    ) -> AsyncIterator[UpsertAnswer]:
        requests = sending.requests()
        if sending.gallery:
            await self._require_current("named galleries", None)
        with self._errors():
            answers = self._gallery.UpsertImages(requests, timeout=timeout, metadata=self._metadata)
            async for response in with_servers_status(answers):
                yield decoding.upsert(response)
        sending.require_all_sent()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise from_rpc(error, self._route) from error
