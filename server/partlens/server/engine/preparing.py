"""Turns the regions and marks of a search into weights of positions."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Region, Whole
from partlens.common.waiting import RequireWaiting
from partlens.explainer.errors import RegionError
from partlens.explainer.scoring import best_place
from partlens.explainer.snapping import region_weights
from partlens.explainer.spec import ModelSpec
from partlens.server.query_images.prepared import PreparedMark, PreparedRegion, PreparedSearch
from partlens.server.query_images.query import Query
from partlens.server.requests.blame import blamed_on
from partlens.server.requests.questions import ImageMark, SearchQuestion


class Preparation:
    """Prepares the searches of one caller.

    Args:
        require_waiting: raises when the caller is gone.
    """

    def __init__(self, spec: ModelSpec, require_waiting: RequireWaiting) -> None:
        self._spec, self._require_waiting = spec, require_waiting

    def coverage(self, query: Query, region: Region, field: str) -> NDArray[np.float32]:
        """Share of each position that a region covers, [P]; raises RequestError."""
        with blamed_on(field):
            return region_weights(
                region, query.contributions, query.image_size, self._spec.preprocessing,
                self._spec.registration, self._require_waiting,
            )  # fmt: skip

    def search(self, question: SearchQuestion, images: Sequence[Query]) -> PreparedSearch:
        """What a search ranks by.

        Args:
            images: all images of the question, in the order of its sources.

        Raises:
            RequestError: a region or mark is unusable or contributes nothing, or marks cancel a
                region out.
        """
        regions = tuple(
            self._region(images, one.image, one.region, one.weight, one.field)
            for one in question.regions
        )
        marks = tuple(
            PreparedMark(number, place)
            for i, mark in enumerate(question.marks)
            for number, place in self._places(images, len(question.images) + i, mark, regions)
        )
        prepared = PreparedSearch(tuple(images), regions, marks, self._spec.grid)
        with blamed_on("marks"):
            _ = prepared.parts  # kept for the search
        return prepared

    def _region(
        self, images: Sequence[Query], image: int, region: Region, weight: float, field: str
    ) -> PreparedRegion:
        covered = self.coverage(images[image], region, field)
        prepared = PreparedRegion(image, covered, weight, isinstance(region, Whole))
        self._require_seen(prepared, images, field)
        return prepared

    def _places(
        self,
        images: Sequence[Query],
        image: int,
        mark: ImageMark,
        regions: Sequence[PreparedRegion],
    ) -> Iterator[tuple[int, PreparedRegion]]:
        """The marked place for each region that a mark is about, with the region's number."""
        for number in mark.regions:
            self._require_waiting()
            of = regions[number]
            if mark.place is not None:
                field = f"{mark.field}.region"
                place = self._region(images, image, mark.place, mark.weight, field)
                # The bias counts only in a search for a whole picture.
                yield number, replace(place, whole=place.whole and of.whole)
                continue
            covered = of.coverage
            if not of.whole:
                part = of.part(images, self._spec.grid)
                covered = best_place(part, images[image].contributions, self._spec.grid)
            laid = PreparedRegion(image, covered, mark.weight, of.whole)
            self._require_seen(laid, images, mark.field)
            yield number, laid

    def _require_seen(self, region: PreparedRegion, images: Sequence[Query], field: str) -> None:
        with blamed_on(field):
            covered = region.coverage > 0
            if not images[region.image].contributions[covered].any():
                raise RegionError(
                    f"the model sees nothing in this region: none of the {covered.sum()}"
                    " positions that it covers contributes to the embedding; draw a larger one"
                )
