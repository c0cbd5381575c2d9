"""The report of an explained pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from partlens.client.report import messages, record
from partlens.client.report.regions import described, region
from partlens.client.report.rendering import rendered
from partlens.client.report.shown import Picture, is_tall
from partlens.client.report.sources import QueryPicture
from partlens.client.search_answers import PairAnswer, Query
from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.scale import Scale
from partlens.common.explained_pair import PartialMap, Side
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import report_pb2 as pb

_SIDES: dict[int, Side] = {
    search_pb.PAIR_SIDE_QUERY: "query",
    search_pb.PAIR_SIDE_RETRIEVED: "retrieved",
}


@dataclass(frozen=True, eq=False)
class PairReport:
    """The report of an explained pair.

    Attributes:
        request: what was asked.
        answer: the explanation.
        pictures: of the query and of the retrieved image.
        origin: where the numbers come from.
        title: heading; "" for a general one.
        coverage: the cells that each region covers, None where it is not known; empty for none.
    """

    request: search_pb.ExplainPairRequest
    answer: PairAnswer
    pictures: Sequence[QueryPicture]
    origin: pb.ReportOrigin
    title: str = ""
    coverage: Sequence[ActivationMap | None] = ()
    kind = "pair"
    hits = 0

    def record(self) -> pb.ReportRecord:
        """The request, the answer and their origin as data."""
        asked = search_pb.ExplainPairRequest()
        asked.CopyFrom(self.request)
        made = pb.ReportRecord(
            format=record.FORMAT,
            title=self.title,
            origin=self.origin,
            pair=pb.ReportedPair(request=asked, response=messages.pair(self.answer)),
        )
        return record.with_pictures(made, self.pictures)

    def page(self, embedded: str) -> str:
        """The page.

        Args:
            embedded: the record as JSON that is safe in a script element; "" for none.
        """
        answer = self.answer
        images: dict[Side, Query] = {"query": answer.query, "retrieved": answer.retrieved}
        known = dict(zip(images, self.pictures, strict=True))
        pictures: dict[Side, Picture] = {
            side: Picture(images[side], known[side].shown) for side in images
        }
        maps: dict[Side, tuple[ActivationMap, ActivationMap]] = {
            "query": (answer.query_map, answer.query_map_with_bias),
            "retrieved": (answer.retrieved_map, answer.retrieved_map_with_bias),
        }
        scale = Scale.of(*(one for both in maps.values() for one in both))
        partial_scale = Scale.of(*(one.map for one in answer.partial_maps))
        return rendered(
            "pair.html.j2",
            self.origin.bias_share,
            embedded=Markup(embedded),
            title=self.title,
            origin=self.origin,
            similarity=answer.similarity,
            terms=answer.terms,
            scale=scale,
            grid=answer.query_map.values.shape,
            sides={
                side: {
                    "name": known[side].name,
                    "digest": known[side].digest,
                    "id": images[side].id,
                    "size": (images[side].width, images[side].height),
                    "tall": is_tall((images[side].width, images[side].height)),
                    "picture": pictures[side].plain,
                    "missing": pictures[side].missing,
                    "map": pictures[side].under(with_bias, scale),
                    "without_bias": pictures[side].under(without, scale),
                    "constant": answer.constant_of(side),
                }
                | with_bias.sums._asdict()
                for side, (without, with_bias) in maps.items()
            },
            partial_scale=partial_scale,
            partial=self._partial(pictures, partial_scale),
        )

    def _partial(self, pictures: dict[Side, Picture], scale: Scale) -> list[dict[str, Any]]:
        coverage = self.coverage or [None] * len(self.request.regions)
        triples = zip(self.request.regions, self.answer.partial_maps, coverage, strict=True)
        return [
            _region(number, asked, found, cells, pictures, scale)
            for number, (asked, found, cells) in enumerate(triples, start=1)
        ]


def _region(
    number: int,
    asked: search_pb.PairRegion,
    found: PartialMap,
    cells: ActivationMap | None,
    pictures: dict[Side, Picture],
    scale: Scale,
) -> dict[str, Any]:
    side, place = _SIDES.get(asked.side, "query"), region(asked.region)
    return {
        "side": side,
        "other": found.side,
        "region": described(place),
        "source": pictures[side].with_region(place, cells, str(number)),
        "map": pictures[found.side].under(found.map, scale),
        "constant": found.constant,
    } | found.map.sums._asdict()
