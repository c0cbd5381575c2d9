"""One version of a gallery as a search sees it; never changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from partlens.indexer.gallery.segments import Segment
from partlens.indexer.metadata import Filter, Metadata

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What is there, and in which segment.

    Attributes:
        version: of the truth.
        revisions: id -> revision.
        metadata: id -> metadata.
        segments: which together hold every image.
    """

    version: int
    revisions: Mapping[str, int]
    metadata: Mapping[str, Metadata]
    segments: Sequence[Segment]

    @cached_property
    def ids(self) -> list[str]:
        """All ids, sorted."""
        return sorted(self.revisions)

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """id -> (segment, row)."""
        places: dict[str, tuple[int, int]] = {}
        for number, segment in enumerate(self.segments):
            for row, (id, revision) in enumerate(segment.keys):
                if self.revisions.get(id) == revision:
                    places.setdefault(id, (number, row))
        return places

    def missing(self) -> list[str]:
        """Ids that no segment holds."""
        places = self.places
        return [id for id in self.ids if id not in places]

    def rows(self, where: Filter | None = None) -> Iterator[tuple[Segment, Rows]]:
        """Each segment's rows that are in the gallery and pass the filter."""
        chosen: dict[int, list[int]] = {number: [] for number in range(len(self.segments))}
        for id, (number, row) in self.places.items():
            if where is None or where.accepts(id, self.metadata[id]):
                chosen[number].append(row)
        for number, rows in chosen.items():
            yield self.segments[number], np.array(sorted(rows), np.int64)
