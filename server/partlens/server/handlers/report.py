"""ReportService: the same search or comparison as PartSearchService, written as a report."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version

from partlens.client import decoding, encoding
from partlens.client.answers import ReportFile
from partlens.client.questions import ReportFormat
from partlens.client.report.errors import ReportError
from partlens.client.report.file import MOST_PDF_HITS, Report, to_file
from partlens.client.report.pair_report import PairReport
from partlens.client.report.regions import region
from partlens.client.report.search_report import SearchReport
from partlens.client.report.sources import now
from partlens.common.activation_map import ActivationMap
from partlens.server.calls import call as calls
from partlens.server.calls.method import methods_of
from partlens.server.engine.engine import Engine
from partlens.server.errors import RequestError, UnknownQueryError
from partlens.server.galleries.served import ServedGallery
from partlens.server.handlers.part_search import described, explained, searched
from partlens.server.handlers.region_requests import drawn
from partlens.server.handlers.report_pictures import pictures
from partlens.server.host import Host
from partlens.server.messages.decoding_regions import memory_of_masks
from partlens.server.requests.blame import inside
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import report_service_pb2 as pb
from partlens.v1.image_pb2 import DescribedQuery, QueryImage
from partlens.v1.region_pb2 import Region
from partlens.v1.report_pb2 import ReportOrigin

SERVICE = pb.DESCRIPTOR.services_by_name["ReportService"]
_LONGEST_TITLE = 256
_PDF_SECONDS = 120.0
_ENVELOPE_BYTES = 256
"""Most bytes of a response besides the file."""
_FORMATS: dict[int, ReportFormat] = {
    pb.REPORT_FORMAT_UNSPECIFIED: "html",
    pb.REPORT_FORMAT_HTML: "html",
    pb.REPORT_FORMAT_PDF: "pdf",
}
Place = tuple[DescribedQuery, Region]
"""A region and the query image that it lies on."""


class ReportHandlers:
    """Writes reports of searches and explanations.

    The errors of the methods reach the caller through calls/.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.methods = methods_of(
            SERVICE, {"ReportSearch": self.report_search, "ReportPair": self.report_pair}
        )

    async def report_search(self, request: pb.ReportSearchRequest) -> pb.ReportSearchResponse:
        """Searches, and returns the first page of hits as a report."""
        format = _require_sound(request.format, request.title)
        asked = _for_report(request.search, format)
        with inside("search"):
            gallery = self._host.directory.of(asked.gallery)
            answered = await searched(gallery, asked)
        await _unpack(gallery, drawn(asked))
        sources = [*asked.images, *(mark.image for mark in asked.marks)]
        places = [(answered.queries[one.image_index], one.region) for one in asked.regions]
        report = SearchReport(
            asked,
            decoding.search(answered),
            await pictures(gallery, sources),
            await _origin(gallery, answered.gallery_version),
            request.title,
            await _coverage(gallery, places),
        )
        return pb.ReportSearchResponse(report=await _written(gallery, report, format))

    async def report_pair(self, request: pb.ReportPairRequest) -> pb.ReportPairResponse:
        """Explains a pair, and returns the explanation as a report."""
        format = _require_sound(request.format, request.title)
        asked = search_pb.ExplainPairRequest()
        asked.CopyFrom(request.pair)
        asked.ClearField("pairs")
        with inside("pair"):
            gallery = self._host.directory.of(asked.gallery)
            answered = await explained(gallery, asked)
        await _unpack(gallery, (one.region for one in asked.regions))
        sides = {search_pb.PAIR_SIDE_RETRIEVED: answered.retrieved}
        places = [(sides.get(one.side, answered.query), one.region) for one in asked.regions]
        report = PairReport(
            asked,
            decoding.pair(answered),
            await pictures(gallery, [asked.query, asked.retrieved]),
            await _origin(gallery),
            request.title,
            await _coverage(gallery, places),
        )
        return pb.ReportPairResponse(report=await _written(gallery, report, format))


async def _origin(gallery: ServedGallery, gallery_version: int | None = None) -> ReportOrigin:
    call = calls.current()

    def origin(engine: Engine) -> ReportOrigin:
        seen = engine.gallery.view.number if gallery_version is None else gallery_version
        made = ReportOrigin(
            request_id=call.request_id,
            caller=call.caller.name,
            server_version=version("partlens"),
            gallery_version=seen,
            model_name=engine.spec.name,
            model_digest=engine.spec.digest,
            gallery=gallery.name,
            bias_share=engine.spec.bias_share,
        )
        made.made_at.FromDatetime(now())
        return made

    return await gallery.look(origin)


async def _coverage(gallery: ServedGallery, places: Sequence[Place]) -> list[ActivationMap | None]:
    """The cells that each point covers; None for other regions, which are drawn as given."""
    facts = dict(calls.current().facts)
    found = [await _covered(gallery, *place) for place in places]
    calls.current().note(**facts)  # of the search, not of its regions
    return found


async def _covered(
    gallery: ServedGallery, query: DescribedQuery, region: Region
) -> ActivationMap | None:
    if region.WhichOneof("shape") != "point":
        return None
    image = QueryImage(query_id=query.query_id)
    try:
        asked = search_pb.DescribeQueryRequest(image=image, regions=[region])
        answered = await described(gallery, asked)
    except UnknownQueryError:  # few queries are kept, and this one was dropped
        return None
    return decoding.activation_map(answered.coverage[0])


async def _unpack(gallery: ServedGallery, regions: Iterable[Region]) -> None:
    """Turn masks that are PNGs into bits, when there is memory to decode them."""
    masks = [one for one in regions if one.mask.WhichOneof("form") == "png"]

    def unpack(engine: Engine) -> None:
        for one in masks:
            engine.require_waiting()
            one.CopyFrom(encoding.region(region(one)))

    if masks:
        await gallery.decode(
            lambda engine: memory_of_masks(masks, engine.limits.image_pixels), unpack
        )


async def _written(gallery: ServedGallery, report: Report, format: ReportFormat) -> pb.ReportFile:
    def write(engine: Engine) -> ReportFile:
        return to_file(report, format, seconds=_PDF_SECONDS, require_waiting=engine.require_waiting)

    file = await gallery.report(write)
    most = gallery.settings.limits.response_bytes
    if len(file.data) + _ENVELOPE_BYTES > most:
        raise ReportError(
            f"the report has {len(file.data)} bytes, and a response at most {most}"
            " (limits.response_bytes): report fewer hits, or send smaller pictures"
        )
    return pb.ReportFile(data=file.data, media_type=file.media_type, name=file.name)


def _require_sound(format: int, title: str) -> ReportFormat:
    """The format; raises RequestError if it or the title cannot be used."""
    if format not in _FORMATS:
        raise RequestError("format", f"{format} is not a format; give HTML or PDF")
    if len(title) > _LONGEST_TITLE:
        raise RequestError(
            "title", f"{len(title)} characters; at most {_LONGEST_TITLE} are allowed"
        )
    return _FORMATS[format]


def _for_report(
    search: search_pb.SearchRegionsRequest, format: ReportFormat
) -> search_pb.SearchRegionsRequest:
    """The search with the maps and thumbnails that a report needs."""
    if search.page_token:
        raise RequestError("search.page_token", "a report shows the first page; leave it out")
    if search.allow_partial:
        raise RequestError("search.allow_partial", "a report is always complete; leave it out")
    if format == "pdf" and search.page_size > MOST_PDF_HITS:
        raise RequestError(
            "search.page_size",
            f"{search.page_size}: a PDF shows at most {MOST_PDF_HITS} hits; ask for fewer, or for"
            " HTML",
        )
    asked = search_pb.SearchRegionsRequest()
    asked.CopyFrom(search)
    asked.ClearField("maps")
    asked.maps.append(search_pb.MAP_KIND_SCORE)
    asked.include_thumbnails = True
    return asked
