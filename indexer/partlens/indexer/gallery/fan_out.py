"""A search that shards answer: what they are asked, what they answer, and the best of it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from partlens.common.filters import Filter, GroupBy
from partlens.common.waiting import RequireWaiting
from partlens.explainer.scoring import QueryPart, Score
from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.ranking import Found, first
from partlens.indexer.gallery.records import FloatArray, Place

Layouts = Sequence[str | None]
"""How each shard answered: the name of the layout that named candidates; "" if it scored every
image, so that all its replicas answer alike; None if it did not answer."""


@dataclass(frozen=True, eq=False)
class Question:
    """What a search asks for; see search.search."""

    parts: Sequence[QueryPart]
    score: Score
    where: Filter
    top: int
    by: GroupBy | None = None


@dataclass(frozen=True, eq=False)
class ShardHits:
    """The best images of a shard, best first; fields as ranking.Found, of N images.

    Attributes:
        row_ids, revisions: of the truth's rows that the images are, int64 [N].
        scores, constants: float64 [N].
        maps: float32 [N, rows, cols].
        windows: float64 [N, 4].
        groups: N texts.
        layout: see Layouts.
    """

    row_ids: NDArray[np.int64]
    revisions: NDArray[np.int64]
    scores: NDArray[np.float64]
    maps: FloatArray
    constants: NDArray[np.float64]
    windows: NDArray[np.float64]
    groups: Sequence[str]
    layout: str = ""

    @classmethod
    def of(cls, found: Sequence[Found], grid: tuple[int, int], layout: str) -> "ShardHits":
        """What was found, as arrays that can be sent."""
        rows = [(one.columns, one.place.row) for one in found]
        return cls(
            np.array([columns.row_ids[row] for columns, row in rows], np.int64),
            np.array([columns.revisions[row] for columns, row in rows], np.int64),
            np.array([one.score for one in found], np.float64),
            np.array([one.map for one in found], np.float32).reshape(-1, *grid),
            np.array([one.constant for one in found], np.float64),
            np.array([one.window for one in found], np.float64).reshape(-1, 4),
            [one.group for one in found],
            layout,
        )

    def __len__(self) -> int:
        return len(self.row_ids)


class ShardFigures(Protocol):
    """Counts what shards answer, for those who operate them. Thread-safe."""

    def answered(self, shard: int, seconds: float, retries: int) -> None:
        """A shard has answered, and was asked again so many times."""
        ...


class Shards(Protocol):
    """The shards of a gallery, each of which holds a share of its rows. Thread-safe.

    Attributes:
        count: how many there are.
    """

    count: int

    def report_to(self, figures: ShardFigures) -> None:
        """Count answers there from now on."""
        ...

    def trouble(self) -> str | None:
        """Which shards cannot answer now; None if all can. Blocks for some seconds at most."""
        ...

    def search(
        self,
        number: int,
        question: Question,
        require_waiting: RequireWaiting,
        earlier: Layouts = (),
        *,
        partial: bool = False,
    ) -> Mapping[int, ShardHits]:
        """What each shard finds among its rows of one commit.

        Args:
            number: of the commit.
            require_waiting: called now and then; if it raises, the shards stop.
            earlier: how the shards answered the first page of this search. They answer likewise, so
                that the pages join.
            partial: leave out shards that cannot answer, instead of failing.

        Raises:
            ShardError: a shard cannot answer, or with `partial` none can.
            SupersededError: the commit, or the layout of the first page, is no longer kept.
            ShapeError, DamagedError: see search.search.
        """
        ...


def layouts(answers: Mapping[int, ShardHits], count: int) -> Layouts:
    """How each of `count` shards answered."""
    return [answers[number].layout if number in answers else None for number in range(count)]


def merged(answers: Mapping[int, ShardHits], live: LiveRows, top: int) -> list[Found]:
    """The best `top` of what shards found, in the order of a search of all rows.

    Args:
        live: the rows of the commit that the shards were asked for.

    Raises:
        DamagedError: a shard found what is not in this commit, as of another gallery.
    """
    found = list[Found]()
    for shard, hits in answers.items():
        places = live.places_of(hits.row_ids, hits.revisions)
        for i, place in enumerate(places):
            if place is None:
                raise DamagedError(
                    f"shard {shard} found row {hits.row_ids[i]} with revision"
                    f" {hits.revisions[i]}, which the gallery does not have: its folder is of"
                    " another gallery, or the gallery was replaced while it was served; restart"
                    " the shards"
                )
            found.append(_found(hits, i, place, live))
    return first(found, top)


def _found(hits: ShardHits, i: int, place: Place, live: LiveRows) -> Found:
    row0, col0, row1, col1 = hits.windows[i].tolist()
    return Found(
        place,
        live.segments[place.segment].columns,
        float(hits.scores[i]),
        hits.maps[i],
        float(hits.constants[i]),
        (row0, col0, row1, col1),
        hits.groups[i],
    )
