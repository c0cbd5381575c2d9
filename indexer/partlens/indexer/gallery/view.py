"""A gallery at one commit: everything that can be read of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from partlens.common.filters import Filter, GroupBy
from partlens.common.metadata import Metadata
from partlens.explainer.scoring import QueryPart, Score
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import DamagedError, NotFoundError, SupersededError
from partlens.indexer.gallery.holdings import Holdings
from partlens.indexer.gallery.indexes import Indexes
from partlens.indexer.gallery.live_rows import LiveRows, Place
from partlens.indexer.gallery.records import Candidate, FloatArray, StoredImage
from partlens.indexer.gallery.search import others, search
from partlens.indexer.gallery.truth import Committed
from partlens.indexer.gallery.version import Version


@dataclass(frozen=True, eq=False)
class GalleryView:
    """The images of a gallery at one commit: `len(view)`, `id in view`, and the methods below.

    It never changes. Whoever answers a question takes one view and reads everything from it, so
    that no answer mixes two commits. Safe to use from threads.

    Attributes:
        path: of the gallery.
        spec: of the model that the gallery is bound to.
        version: of the truth, from which thumbnails are read.
        live: the same images, with their contributions.
        indexes: of the segments.
    """

    path: Path
    spec: ModelSpec
    version: Version
    live: LiveRows
    indexes: Indexes

    @property
    def number(self) -> int:
        """The commit's; grows with every commit."""
        return self.version.number

    def __len__(self) -> int:
        return self.live.count

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and bool(self.live.find([id]))

    def get(self, id: str) -> StoredImage:
        """The image of this id; NotFoundError if there is none."""
        return self._stored(self._require([id]))[0]

    def list(
        self, after: str = "", limit: int = 100, where: Filter | None = None
    ) -> Sequence[StoredImage]:
        """Images that pass the filter in order of id, from the first id above `after`."""
        return self._stored(self.live.page(after, limit, where))

    def count(self, where: Filter) -> int:
        """How many images pass the filter."""
        return sum(len(rows) for _, rows in self.live.matching(where))

    def stored(self, ids: Sequence[str]) -> dict[str, StoredImage]:
        """Id -> image, of those of these ids that are there."""
        return {one.id: one for one in self._stored(list(self.live.find(ids).values()))}

    def metadata(self, ids: Sequence[str]) -> dict[str, Metadata]:
        """Id -> metadata, of those images of these ids that are there."""
        return {id: one.metadata for id, one in self.stored(ids).items()}

    def passing(self, ids: Sequence[str], where: Filter) -> set[str]:
        """Ids of those images of these ids that are there and pass the filter."""
        return self.live.passing(ids, where)

    def thumbnails(self, ids: Sequence[str]) -> Sequence[bytes]:
        """JPEGs of the images of these ids.

        Raises:
            NotFoundError: an id is unknown.
            SupersededError: a writer has removed files of this commit; see Gallery.read.
            DamagedError: they cannot be read.
        """
        row_ids = self.live.row_ids(self._require(ids))
        if not ids:
            return []
        try:
            table = self.version.read(["thumbnail"], set(row_ids))
        except DamagedError as error:
            if Committed.read(self.path).version != self.number:
                raise SupersededError(str(error)) from error
            raise
        found = dict(zip(table["_rowid"].to_pylist(), table["thumbnail"].to_pylist(), strict=True))
        return [found.get(row_id) or b"" for row_id in row_ids]

    def decompositions(self, ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Contributions float32 [M, P, D] and bias [M, D]; NotFoundError for an unknown id."""
        shape = (len(ids), self.spec.positions, self.spec.dimensions)
        contributions, bias = np.zeros(shape, np.float32), np.zeros(shape[::2], np.float32)
        for i, (number, row) in enumerate(self._require(ids)):
            contributions[i] = self.live.segments[number].contributions[row]
            bias[i] = self.live.segments[number].bias[row]
        return contributions, bias

    def prepare(self) -> None:
        """Read the indexes that a search would read first."""
        for segment in self.live.segments:
            self.indexes.of(segment).copies.prepare()

    def search(
        self,
        parts: Sequence[QueryPart],
        score: Score,
        where: Filter,
        top: int,
        require_waiting: Callable[[], None] = lambda: None,
        by: GroupBy | None = None,
    ) -> Sequence[Candidate]:
        """The best `top` images, or best ones of groups, that pass the filter; see search.search.

        Args:
            require_waiting: called between chunks; what it raises ends the search.
            by: what makes images a group; None for none.

        Raises:
            ShapeError: a part of another dimension than the gallery's.
        """
        live, index_of = self.live, self.indexes.of
        found = search(
            live, parts, score, where, top, self.spec.grid, index_of,
            require_waiting=require_waiting, by=by,
        )  # fmt: skip
        more = [0] * len(found) if by is None else others(live, where, by, found)
        stored = self._stored([one.place for one in found])
        return [
            Candidate(
                image.id,
                one.score,
                one.map,
                one.constant,
                one.window,
                image,
                revision=live.revision(one.place),
                group=one.group,
                others=count,
            )
            for one, image, count in zip(found, stored, more, strict=True)
        ]

    def unchanged(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """Of what a search in an earlier view found, what has been neither replaced nor deleted."""
        revisions = self.live.revisions([one.id for one in found])
        return [one for one in found if revisions.get(one.id) == one.revision]

    def with_thumbnails(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """The same candidates with their thumbnails.

        One that is damaged is left empty, and `unreadable` is then true.

        Raises:
            NotFoundError: one is not in this view.
            SupersededError: as thumbnails.
        """
        try:
            thumbnails = self.thumbnails([one.id for one in found])
        except SupersededError:
            raise
        except DamagedError:
            return [self._with_thumbnail(one) for one in found]
        return [
            replace(one, thumbnail=thumbnail)
            for one, thumbnail in zip(found, thumbnails, strict=True)
        ]

    @property
    def newest_revision(self) -> int:
        """The highest of all images; grows with every `add` and `correct`; 0 if there is none."""
        return max((revision for revision, _ in self.changed_since(0)), default=0)

    def changed_since(self, revision: int) -> Sequence[tuple[int, str]]:
        """(revision, id) of the images of a later revision, in order."""
        return self.live.changed_since(revision)

    def holdings(self) -> Holdings:
        """What is held, to look up by id and by uri; a copy, about 200 bytes an image."""
        return Holdings.of(self.live)

    def digests(self) -> dict[str, str]:
        """Id -> media digest of every image."""
        found = dict[str, str]()
        for segment, chosen in self.live.matching():
            table = segment.catalogue.table.select(["id", "media_digest"]).take(pa.array(chosen))
            names = table["id"].to_pylist()
            found.update(zip(names, table["media_digest"].to_pylist(), strict=True))
        return found

    def _with_thumbnail(self, one: Candidate) -> Candidate:
        try:
            return replace(one, thumbnail=self.thumbnails([one.id])[0])
        except SupersededError:
            raise
        except DamagedError:
            return replace(one, unreadable=True)

    def _stored(self, places: Sequence[Place]) -> Sequence[StoredImage]:
        found = dict[Place, StoredImage]()
        for number in {place.segment for place in places}:
            here = [place for place in places if place.segment == number]
            rows = np.array([place.row for place in here])
            of_segment = self.live.segments[number].catalogue.stored(rows)
            found.update(zip(here, of_segment, strict=True))
        return [found[place] for place in places]

    def _require(self, ids: Sequence[str]) -> Sequence[Place]:
        """Where the images of these ids lie."""
        places = self.live.find(ids)
        for id in ids:
            if id not in places:
                raise NotFoundError(f"the gallery has no image {id!r}")
        return [places[id] for id in ids]
