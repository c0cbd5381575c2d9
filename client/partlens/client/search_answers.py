"""Responses of a server to searches and explanations, as plain values with numpy maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partlens.client import checks, seeing, tables
from partlens.client.answers import GalleryImage
from partlens.client.pictures import PictureLike
from partlens.client.questions import QueryImages, QueryRegions, Regions
from partlens.common.activation_map import ActivationMap
from partlens.common.explained_pair import ExplainedPair, Side
from partlens.common.regions import Box
from partlens.common.registration import Registration

if TYPE_CHECKING:
    import pandas

    from partlens.common.drawing.figure import Figure

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Query:
    """A query image as the server keeps it.

    Attributes:
        id: query id; names the image in later calls.
        width, height: size of the upright image, in pixels.
        grid: (rows, cols) of its maps.
        extent: rectangle of the image that the model sees.
        registration: where the cells of its maps look, as fractions of the extent.
    """

    id: str
    width: int
    height: int
    grid: tuple[int, int]
    extent: Box
    registration: Registration


@dataclass(frozen=True, eq=False, repr=False)
class Hit:
    """An image that a search found.

    Attributes:
        id: id of the image.
        score: score that ranks it: map.values.sum() + constant.
        map: what each position adds to the score; None if not requested.
        constant: the part of the score that no position adds.
        box: where it matched, in pixels of the image.
        image: its entry in the gallery.
        thumbnail: a JPEG, or b"".
        overall_maps: one per query image, if requested.
        region_maps: one per region, if requested.
        group: value that its group shares; "" if it has no group, or groups were not requested.
        others_in_group: number of other images in its group that pass the filter.
    """

    id: str
    score: float
    map: ActivationMap | None
    constant: float
    box: Box
    image: GalleryImage
    thumbnail: bytes
    overall_maps: Sequence[ActivationMap] = ()
    region_maps: Sequence[ActivationMap] = ()
    group: str = ""
    others_in_group: int = 0

    def overlay(
        self,
        picture: PictureLike | None = None,
        *,
        map: ActivationMap | None = None,
        scale: float | None = None,
    ) -> "Figure":
        """The image under its map, with the box where it matched and the sums of the score.

        Args:
            picture: the image, at any scale; None for the thumbnail of the search.
            map: another map of this image, such as region_maps[0]; None for that of the score.
            scale: the value at which colours are strongest, to compare figures; by default a round
                number that suits the map.

        Raises:
            RequestError: no picture, another picture, or no map.
            FigureError: the scale is not a finite number above 0.
            MissingLibraryError: Pillow is not installed.
        """
        return seeing.overlay(self._found(), picture, map, scale)

    def __repr__(self) -> str:
        return f"Hit({self.id!r}, score {self.score:+.4f})"

    def _repr_html_(self) -> str:
        return tables.drawn_or(lambda: self.overlay()._repr_html_(), tables.of_hits([self._row()]))

    def _found(self) -> seeing.Found:
        size = self.image.width, self.image.height
        return seeing.Found(
            self.id, size, self.map, self.constant, self.score, self.box, self.thumbnail
        )

    def _row(self) -> dict[str, object]:
        return tables.row(self.id, self.score, self.constant, self.box, self.image.metadata) | {
            "uri": self.image.uri,
            "group": self.group,
            "others_in_group": self.others_in_group,
        }


@dataclass(frozen=True, eq=False, repr=False)
class SearchAnswer:
    """One page of hits, best first; next_page_token is "" on the last.

    Attributes:
        queries: the query images.
        marks: the image of each mark.
        request_id: id of the call in the server's log and audit log.
        shards_ok, shards_total: how many shards of the gallery were searched, of how many; 1 of 1
            where the server searches by itself.
    """

    hits: Sequence[Hit]
    next_page_token: str
    queries: Sequence[Query]
    gallery_version: int
    marks: Sequence[Query] = ()
    request_id: str = ""
    shards_ok: int = 1
    shards_total: int = 1

    @property
    def is_partial(self) -> bool:
        """Whether images of shards that could not be reached are missing."""
        return self.shards_ok < self.shards_total

    def figure(
        self,
        images: QueryImages = (),
        regions: QueryRegions = (),
        *,
        top: int = 9,
        scale: float | None = None,
    ) -> "Figure":
        """The query images with their regions, and the best hits under their maps.

        The search must have asked for thumbnails.

        Args:
            images: pictures of the query images, or one; empty to leave them out.
            regions: regions of the search, to mark on them.
            top: number of hits to draw, from the first.
            scale: as in Hit.overlay.

        Raises:
            RequestError: hits without thumbnails, or pictures of other images.
            FigureError: the scale is not a finite number above 0.
            MissingLibraryError: Pillow is not installed.
        """
        sizes = [(one.width, one.height) for one in self.queries]
        drawn = self.hits[: checks.whole("top", top)]
        return seeing.search_figure(sizes, [one._found() for one in drawn], images, regions, scale)

    def to_pandas(self) -> "pandas.DataFrame":
        """One row per hit: id, score, constant, box, metadata, group; no maps.

        Attributes are columns named "attribute:NAME"; a hit without one has NaN there. Times are
        UTC.

        Raises:
            MissingLibraryError: pandas is not installed.
        """
        return tables.frame([one._row() for one in self.hits])

    def __repr__(self) -> str:
        best = f", best {self.hits[0]!r}" if self.hits else ""
        more = ", more pages" if self.next_page_token else ""
        return f"SearchAnswer({len(self.hits)} hits{best}{more})"

    def _repr_html_(self) -> str:
        table = tables.of_hits([one._row() for one in self.hits])
        return tables.drawn_or(lambda: self.figure()._repr_html_(), "") + table


@dataclass(frozen=True, eq=False)
class PairMatrix:
    """What pairs of positions add to the similarity: I positions of one image, the rows, with all
    P positions of the other.

    For a region of the rows' image that covers only these positions, `weights @ values` is the
    partial map and `weights @ bias` its constant. For that whole image, if the rows are all its
    positions, the map is `values.sum(0) + other_bias`.

    Attributes:
        side: image that the rows belong to.
        positions: position of each row, row-major over the grid, from 0.
        values: shape [I, P]; sent in half precision: each is off by at most 2**-11 of itself, or
            2**-39 of the largest.
        bias: what the other image's bias adds to each row, shape [I].
        other_bias: what the bias of the rows' image adds at each position of the other, shape [P].
    """

    side: Side
    positions: tuple[int, ...]
    values: FloatArray
    bias: FloatArray
    other_bias: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class PairAnswer(ExplainedPair):
    """Why two images are similar; see ExplainPairResponse in the .proto files.

    Attributes:
        pairs: None if they were not requested.
    """

    query: Query
    retrieved: Query
    pairs: PairMatrix | None = None
    request_id: str = ""

    def figure(
        self,
        query: PictureLike,
        retrieved: PictureLike,
        *,
        query_regions: Regions = (),
        retrieved_regions: Regions = (),
        scale: float | None = None,
    ) -> "Figure":
        """Both images and the partial maps; the overall maps if no region was asked for.

        Args:
            query, retrieved: pictures of the two images, at any scale.
            query_regions, retrieved_regions: those of the call, to mark them; empty to mark none.
            scale: as in Hit.overlay.

        Raises:
            RequestError: pictures of other images, or other regions.
            FigureError: the scale is not a finite number above 0.
            MissingLibraryError: Pillow is not installed.
        """
        sizes = (self.query.width, self.query.height), (self.retrieved.width, self.retrieved.height)
        regions = query_regions, retrieved_regions
        return seeing.pair_figure(self, sizes, (query, retrieved), regions, scale)

    def _repr_html_(self) -> str:
        return tables.html([{"similarity": self.similarity} | vars(self.terms)])


@dataclass(frozen=True, eq=False)
class DescribeAnswer:
    """How the model sees an image; coverage is one map per region."""

    query: Query
    coverage: Sequence[ActivationMap]
    model_digest: str
