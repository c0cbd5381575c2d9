"""The report of a search."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from partlens.client.report import messages, record, shown, words
from partlens.client.report.rendering import rendered
from partlens.client.report.sources import QueryPicture
from partlens.client.search_answers import SearchAnswer
from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.scale import Scale
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import report_pb2 as pb


@dataclass(frozen=True, eq=False)
class SearchReport:
    """The report of a search.

    Attributes:
        request: what was asked.
        answer: the hits, with maps and thumbnails.
        pictures: of the images of the request, in its order, then of its marks.
        origin: where the numbers come from.
        title: heading; "" for a general one.
        coverage: the cells that each region covers, None where it is not known; empty for none.
    """

    request: search_pb.SearchRegionsRequest
    answer: SearchAnswer
    pictures: Sequence[QueryPicture]
    origin: pb.ReportOrigin
    title: str = ""
    coverage: Sequence[ActivationMap | None] = ()
    kind = "search"

    @property
    def hits(self) -> int:
        """Number of hits."""
        return len(self.answer.hits)

    def record(self) -> pb.ReportRecord:
        """The request, the answer and their origin as data."""
        asked = search_pb.SearchRegionsRequest()
        asked.CopyFrom(self.request)
        made = pb.ReportRecord(
            format=record.FORMAT,
            title=self.title,
            origin=self.origin,
            search=pb.ReportedSearch(request=asked, response=messages.search(self.answer)),
        )
        return record.with_pictures(made, self.pictures)

    def page(self, embedded: str) -> str:
        """The page.

        Args:
            embedded: the record as JSON that is safe in a script element; "" for none.
        """
        answer, asked = self.answer, self.request
        scale = Scale.of(*(hit.map for hit in answer.hits))
        marked = self.pictures[len(answer.queries) :]
        return rendered(
            "search.html.j2",
            self.origin.bias_share,
            embedded=Markup(embedded),
            title=self.title,
            origin=self.origin,
            queries=[
                shown.query(query, picture, self._regions(number))
                for number, (query, picture) in enumerate(
                    zip(answer.queries, self.pictures, strict=False)
                )
            ],
            hits=[shown.hit(hit, scale) for hit in answer.hits],
            grid=next((hit.map.values.shape for hit in answer.hits if hit.map is not None), None),
            scale=scale,
            ranking=words.ranking(asked),
            whole=words.is_whole(asked),
            conditions=words.conditions(asked),
            marks=[
                words.mark(mark, known.name or "a picture")
                for mark, known in zip(asked.marks, marked, strict=True)
            ],
        )

    def _regions(self, image: int) -> list[shown.NumberedRegion]:
        coverage = self.coverage or [None] * len(self.request.regions)
        numbered = enumerate(zip(self.request.regions, coverage, strict=True), start=1)
        return [(n, one, cells) for n, (one, cells) in numbered if one.image_index == image]
