"""Images, hits and maps as a page shows them."""

from typing import Any

from PIL import Image

from partlens.client.report.pictures import data_uri, shown_or_blank
from partlens.client.report.regions import described, region
from partlens.client.report.sources import QueryPicture
from partlens.client.search_answers import Hit, Query
from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.overlay import explained, marked, outlined
from partlens.common.drawing.palette import EXCLUDED, MARKED
from partlens.common.drawing.scale import Scale
from partlens.common.regions import Box, Region
from partlens.v1 import part_search_service_pb2 as pb

_TALL = 0.53
"""Largest width / height of an image in a narrow column of a printed page: 31 by 58 mm."""
NumberedRegion = tuple[int, pb.QueryRegion, ActivationMap | None]
"""Number of a region, from 1, the region, and the cells that it covers, if they are known."""


class Picture:
    """An image of a report, scaled to be shown.

    Args:
        image: what the server says of it.
        data: the encoded picture; b"" if it is not available.

    Attributes:
        missing: why the picture is not shown; "" if it is.
    """

    def __init__(self, image: Query, data: bytes) -> None:
        self._size = image.width, image.height
        self._picture, self.missing = shown_or_blank(data, self._size)

    @property
    def plain(self) -> str:
        """The picture, as data URI; as all others."""
        return data_uri(self._picture)

    def under(self, map: ActivationMap, scale: Scale) -> str:
        """The picture under its map."""
        return data_uri(explained(self._picture, map, self._size, scale))

    def with_region(self, place: Region, coverage: ActivationMap | None, label: str) -> str:
        """The picture with a region outlined."""
        return data_uri(marked(self._picture, place, coverage, self._size, label))

    def with_regions(self, regions: list[NumberedRegion]) -> str:
        """The picture with its regions outlined."""
        picture = self._picture
        for number, one, coverage in regions:
            colour = EXCLUDED if one.exclude else MARKED
            place = region(one.region)
            picture = marked(picture, place, coverage, self._size, str(number), colour)
        return data_uri(picture)


def query(image: Query, known: QueryPicture, regions: list[NumberedRegion]) -> dict[str, Any]:
    """A query image and its regions."""
    picture = Picture(image, known.shown)
    return {
        "name": known.name,
        "digest": known.digest,
        "id": image.id,
        "size": (image.width, image.height),
        "picture": picture.with_regions(regions),
        "missing": picture.missing,
        "regions": [
            {
                "number": number,
                "what": described(region(one.region)),
                "weight": one.weight if one.HasField("weight") else 1.0,
                "exclude": one.exclude,
            }
            for number, one, _ in regions
        ],
    }


def hit(found: Hit, scale: Scale) -> dict[str, Any]:
    """A hit with its picture and its map."""
    size = found.image.width, found.image.height
    picture, missing = shown_or_blank(found.thumbnail, size)

    def boxed(image: Image.Image) -> str:
        return data_uri(outlined(image, found.box, size))

    return {
        "id": found.id,
        "score": found.score,
        "constant": found.constant,
        "sums": None if found.map is None else found.map.sums,
        "picture": boxed(picture),
        "missing": missing,
        "map": None if found.map is None else boxed(explained(picture, found.map, size, scale)),
        "box": described(_rounded(found.box)),
        "size": size,
        "tall": is_tall(size),
        "metadata": found.image.metadata,
        "uri": found.image.uri,
        "digest": found.image.media_digest,
        "group": found.group,
        "others": found.others_in_group,
    }


def is_tall(size: tuple[int, int]) -> bool:
    """Whether an image is narrow enough for a narrow column."""
    return size[0] <= _TALL * size[1]


def _rounded(box: Box) -> Box:
    return Box(*(round(one, 1) for one in (box.x, box.y, box.width, box.height)))
