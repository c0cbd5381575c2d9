"""Explanations of pairs and of query images."""

from dataclasses import replace

from partlens.client import decoding, encoding
from partlens.client.asynchronous.calls import Calls
from partlens.client.questions import PairSelection, QueryImage, Regions
from partlens.client.search_answers import DescribeAnswer, PairAnswer
from partlens.v1 import part_search_service_pb2 as search_pb


class ExplainCalls(Calls):
    """Calls that explain images."""

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
