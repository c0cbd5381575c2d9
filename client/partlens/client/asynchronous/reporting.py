"""Reports that the server writes."""

from collections.abc import Sequence

from partlens.client import decoding, encoding
from partlens.client.answers import ReportFile
from partlens.client.asynchronous.calls import Calls
from partlens.client.questions import (
    Mark,
    QueryImage,
    QueryImages,
    QueryRegions,
    Regions,
    ReportFormat,
    Score,
)
from partlens.common.filters import Filter


class ReportCalls(Calls):
    """Calls that return a report."""

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
