"""What a search ranks by: its query images, its regions as weights of positions, and its marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring import Mark, QueryPart, query_part, whole_part, with_marks
from partlens.server.query_images.query import Query


@dataclass(frozen=True, eq=False)
class PreparedRegion:
    """A region of an image.

    Attributes:
        image: position of its image in the search.
        coverage: share of each position that it covers, float32 [P].
        weight: weight in the score, negative for an excluded region; or of a mark, negative for
            "less like this".
        whole: whether it is the whole picture, whose bias then counts too.
    """

    image: int
    coverage: NDArray[np.float32]
    weight: float
    whole: bool = False

    def part(self, images: Sequence[Query], grid: tuple[int, int]) -> QueryPart:
        """The region as a search sees it; raises ShapeError if it does not fit the grid."""
        image = images[self.image]
        prepare = whole_part if self.whole else query_part
        return prepare(image.contributions, image.bias, self.coverage, grid, self.weight)


@dataclass(frozen=True, eq=False)
class PreparedMark:
    """Feedback for one region of a search.

    Attributes:
        region: position of that region in the search.
        place: the marked region.
    """

    region: int
    place: PreparedRegion


@dataclass(frozen=True, eq=False)
class PreparedSearch:
    """A search, without the pixels of its images.

    Attributes:
        images: the images that regions and marks lie on.
        grid: (rows, cols) of the model.
    """

    images: tuple[Query, ...]
    regions: tuple[PreparedRegion, ...]
    marks: tuple[PreparedMark, ...]
    grid: tuple[int, int]

    @cached_property
    def parts(self) -> Sequence[QueryPart]:
        """Its regions as a search sees them, moved by the marks.

        Raises:
            ShapeError, RegionError: see check.
        """
        return [self._part(number) for number in range(len(self.regions))]

    def check(self) -> None:
        """Build the parts, and keep none of them.

        Raises:
            ShapeError: they do not fit the grid.
            RegionError: the marks cancel a region out.
        """
        for number in range(len(self.regions)):
            self._part(number)

    def _part(self, number: int) -> QueryPart:
        part = self.regions[number].part(self.images, self.grid)
        places = [one.place for one in self.marks if one.region == number]
        marks = [Mark(place.part(self.images, self.grid), place.weight) for place in places]
        return with_marks(part, marks)
