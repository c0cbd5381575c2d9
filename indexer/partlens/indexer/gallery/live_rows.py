"""Which rows of which segments are in a gallery at one commit."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from partlens.common.filters import Filter
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.indexer.gallery.codes import Mask
from partlens.indexer.gallery.image_columns import Rows
from partlens.indexer.gallery.records import Place
from partlens.indexer.gallery.segments import Segment


@dataclass(frozen=True, eq=False)
class LiveRows:
    """The images of one commit, by segment and row; never changes.

    Attributes:
        segments: which together hold every image.
        live: for each segment which of its rows are in the gallery, shape [M].
    """

    segments: Sequence[Segment]
    live: Sequence[Mask]

    @classmethod
    def of(
        cls,
        row_ids: NDArray[np.int64],
        revisions: NDArray[np.int64],
        segments: Sequence[Segment],
    ) -> tuple["LiveRows", NDArray[np.int64]]:
        """The images of these rows of the truth, and row ids that no segment holds.

        Of an image that two segments hold the first counts.
        """
        order = np.argsort(row_ids)
        there, wanted = row_ids[order], revisions[order]
        held, live = np.zeros(len(there), bool), []
        for segment in segments:
            of = segment.columns
            at = np.searchsorted(there, of.row_ids).clip(max=max(len(there) - 1, 0))
            mask = np.zeros(len(of), bool)
            if len(there):
                mask = (there[at] == of.row_ids) & (wanted[at] == of.revisions) & ~held[at]
                held[at[mask]] = True
            live.append(mask)
        return cls(tuple(segments), tuple(live)), there[~held]

    @cached_property
    def count(self) -> int:
        """Images."""
        return sum(int(mask.sum()) for mask in self.live)

    def find(self, ids: Sequence[str]) -> dict[str, Place]:
        """Where the images of these ids lie, those that are there."""
        found = {}
        for number, (segment, live) in enumerate(zip(self.segments, self.live, strict=True)):
            for id, row in segment.columns.find(ids):
                if live[row]:
                    found[id] = Place(number, row)
        return found

    def holds(self, place: Place, id: str) -> bool:
        """Whether the image of this id lies at a place."""
        number, row = place
        if not (0 <= number < len(self.segments) and 0 <= row < len(self.live[number])):
            return False
        return bool(self.live[number][row]) and self.segments[number].columns.id_of(row) == id

    def revision(self, place: Place) -> int:
        """Of the image at a place."""
        return int(self.segments[place.segment].columns.revisions[place.row])

    def revisions(self, ids: Sequence[str]) -> dict[str, int]:
        """Of the images of these ids, those that are there: a replaced image has another."""
        return {id: self.revision(place) for id, place in self.find(ids).items()}

    @cached_property
    def newest_revision(self) -> int:
        """Highest revision of all images; 0 if there are none."""
        highest = 0
        for segment, live in zip(self.segments, self.live, strict=True):
            of = segment.columns.revisions[live]
            highest = max(highest, int(of.max()) if len(of) else 0)
        return highest

    def changed_since(self, revision: int, most: int | None = None) -> list[tuple[int, str]]:
        """(revision, id) of the images of a later revision, in order.

        Args:
            most: leave out the later ones beyond so many, but for those of the last revision.
        """
        last = self._last_of(revision, most) if most is not None else None
        found = list[tuple[int, str]]()
        for segment, live in zip(self.segments, self.live, strict=True):
            of = segment.columns
            changed = live & (of.revisions > revision)
            rows = np.flatnonzero(changed if last is None else changed & (of.revisions <= last))
            found += zip(of.revisions[rows].tolist(), of.ids(rows), strict=True)
        return sorted(found)

    def _last_of(self, revision: int, count: int) -> int | None:
        """The revision of the image of this number among the later ones; None if they are fewer."""
        revisions = [segment.columns.revisions for segment in self.segments]
        later = [of[live & (of > revision)] for of, live in zip(revisions, self.live, strict=True)]
        together = np.concatenate([np.zeros(0, np.int64), *later])
        if len(together) <= count:
            return None
        return int(np.partition(together, count - 1)[count - 1])

    def passing(self, ids: Sequence[str], where: Filter) -> set[str]:
        """Those of the images of these ids that are there and pass the filter."""
        rows: dict[int, list[int]] = {}
        for number, row in self.find(ids).values():
            rows.setdefault(number, []).append(row)
        found = set[str]()
        for number, some in rows.items():
            of = self.segments[number].columns.take(np.array(some))
            accepted = of.accepted(where)
            every = np.arange(len(of))
            found.update(of.ids(every if accepted is None else every[accepted]))
        return found

    def places_of(
        self, row_ids: NDArray[np.int64], revisions: NDArray[np.int64]
    ) -> list[Place | None]:
        """Where the images of these rows of the truth lie; None for one that is not there, or has
        another revision."""
        found: list[Place | None] = [None] * len(row_ids)
        for number, (segment, live) in enumerate(zip(self.segments, self.live, strict=True)):
            here, rows = segment.columns.rows_of(row_ids)
            same = live[rows] & (segment.columns.revisions[rows] == revisions[here])
            for i, row in zip(
                np.flatnonzero(here)[same].tolist(), rows[same].tolist(), strict=True
            ):
                found[i] = Place(number, row)
        return found

    def row_ids(self, places: Iterable[Place]) -> list[int]:
        """Which rows of the truth the images at these places are."""
        return [int(self.segments[number].columns.row_ids[row]) for number, row in places]

    def page(
        self,
        after: str,
        limit: int,
        where: Filter | None = None,
        require_waiting: RequireWaiting = wait_always,
        prefix: str = "",
    ) -> list[Place]:
        """The first places in order of id, of the ids above `after` that pass the filter.

        Args:
            prefix: what the ids begin with.
            require_waiting: as matching.
        """
        found: list[tuple[str, Place]] = []
        options = pc.SelectKOptions(limit, [("id", "ascending")])
        for number, (segment, passing) in enumerate(self.matching(where, require_waiting)):
            ids = segment.columns.table["id"].take(pa.array(passing))
            wanted = pc.call_function("greater", [ids, pa.scalar(after)])
            if prefix:
                begins = pc.call_function("starts_with", [ids], pc.MatchSubstringOptions(prefix))
                wanted = pc.call_function("and", [wanted, begins])
            some = pa.table({"id": ids, "row": passing}).filter(wanted)
            first = some.take(pc.call_function("select_k_unstable", [some], options))
            found += [(row["id"], Place(number, row["row"])) for row in first.to_pylist()]
        return [place for _, place in sorted(found)[:limit]]

    def matching(
        self, where: Filter | None = None, require_waiting: RequireWaiting = wait_always
    ) -> Iterator[tuple[Segment, Rows]]:
        """Each segment's rows that are in the gallery and pass the filter, in order.

        Args:
            require_waiting: called before each condition; what it raises ends the work early.
        """
        for number, segment in enumerate(self.segments):
            passing = None
            if where is not None:
                passing = segment.columns.accepted(where, require_waiting)
            if passing is None:
                yield segment, self._rows[number]
            else:
                yield segment, np.flatnonzero(self.live[number] & passing)

    @cached_property
    def _rows(self) -> Sequence[Rows]:
        """The rows of each segment that are in the gallery, in order; not to be written to."""
        found = [np.flatnonzero(live) for live in self.live]
        for rows in found:
            rows.flags.writeable = False
        return found

    def without(self, places: Sequence[Place]) -> "LiveRows":
        """The same without these images."""
        live = list(self.live)
        for number in {place.segment for place in places}:
            live[number] = live[number].copy()
            live[number][[place.row for place in places if place.segment == number]] = False
        return LiveRows(self.segments, live)

    def holding(self, segment: Segment) -> "LiveRows":
        """The same with all images of one more segment."""
        live = [*self.live, np.ones(len(segment), bool)]
        return LiveRows([*self.segments, segment], live)

    def replaced(self, old: Sequence[Segment], new: Sequence[Segment]) -> "LiveRows":
        """The same images, with new segments in the place of old ones that hold them too."""
        gone = set(old)
        numbers = range(len(self.segments))
        kept = [number for number in numbers if self.segments[number] not in gone]
        moved = [number for number in numbers if self.segments[number] in gone]
        of = [self.segments[number].columns for number in moved]
        live = [self.live[number] for number in moved]
        none = np.zeros(0, np.int64)
        held, _ = LiveRows.of(
            np.concatenate([none, *(c.row_ids[mask] for c, mask in zip(of, live, strict=True))]),
            np.concatenate([none, *(c.revisions[mask] for c, mask in zip(of, live, strict=True))]),
            new,
        )
        segments = [*(self.segments[number] for number in kept), *held.segments]
        return LiveRows(segments, [*(self.live[n] for n in kept), *held.live])
