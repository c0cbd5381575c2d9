"""Searches."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace

from partlens.client import checks, decoding, encoding
from partlens.client.asynchronous.galleries import GalleryCalls
from partlens.client.questions import (
    MapKind,
    Mark,
    QueryId,
    QueryImage,
    QueryImages,
    QueryRegions,
    Score,
)
from partlens.client.search_answers import SearchAnswer
from partlens.common.filters import Filter
from partlens.v1 import part_search_service_pb2 as search_pb


class SearchCalls(GalleryCalls):
    """Calls that search a gallery."""

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
        allow_partial: bool = False,
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
            allow_partial: accept an answer of the shards of the gallery that can be reached,
                instead of an UnavailableError where one cannot; see SearchAnswer.is_partial.
            deadline: time limit of this call, in seconds; None for the client's.
        """
        request = encoding.search(
            images, regions, where, score, page_size, page_token, maps, thumbnails, group_by,
            marks, exclude_identical, allow_partial,
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
        allow_partial: bool = False,
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
            exclude_identical, allow_partial,
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
                allow_partial=allow_partial,
                gallery=gallery,
                deadline=deadline,
            )
            yield page
            asked, token = [QueryId(query.id) for query in page.queries], page.next_page_token
            seen = zip(marks, page.marks, strict=True)
            marks = tuple(replace(mark, image=QueryId(query.id)) for mark, query in seen)
            left = left - len(page.hits) if token else 0
