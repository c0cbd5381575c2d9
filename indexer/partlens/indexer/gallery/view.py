"""Reading a gallery at one commit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from partlens.common.filters import Filter, GroupBy
from partlens.common.metadata import Metadata
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.scoring import QueryPart, Score
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import DamagedError, NotFoundError, SupersededError
from partlens.indexer.gallery.committed import Committed
from partlens.indexer.gallery.facets import Facets, facets
from partlens.indexer.gallery.fan_out import Layouts, Question, Shards, layouts, merged
from partlens.indexer.gallery.holdings import Holdings
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.image_columns import Rows
from partlens.indexer.gallery.indexes import Indexes
from partlens.indexer.gallery.kept_rows import Decomposition, Kept
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.ranking import Found
from partlens.indexer.gallery.records import Candidate, FloatArray, Place, StoredImage
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.search import others, search
from partlens.indexer.gallery.stages import timing


class Hits(list[Candidate]):
    """The results of a search, best first.

    Attributes:
        layouts: how each shard answered; empty without shards.
    """

    layouts: Layouts = ()


@dataclass(frozen=True, eq=False)
class GalleryView:
    """The images of a gallery at one commit: `len(view)`, `id in view`, and the methods below.

    A view never changes. To answer a request, take one view and read everything from it, so that
    no answer mixes two commits. Thread-safe.

    Attributes:
        home: what keeps the truth.
        spec: spec of the model that the gallery is bound to.
        version: version of the truth; thumbnails are read from it.
        live: the same images, with their contributions.
        indexes: indexes of the segments.
        kept: what was read of images before.
        shards: what answers searches; None to search here.
    """

    home: Home
    spec: ModelSpec
    version: RowsVersion
    live: LiveRows
    indexes: Indexes
    kept: Kept
    shards: Shards | None = None

    @property
    def path(self) -> Path:
        """Folder of the gallery's derived files on this machine."""
        return self.home.folder

    @property
    def number(self) -> int:
        """Number of the commit; increases with every commit."""
        return self.version.number

    @property
    def bytes_per_image(self) -> int:
        """Of stored contributions; 0 where there is no image."""
        return next((one.contributions.bytes_per_image for one in self.live.segments), 0)

    def __len__(self) -> int:
        return self.live.count

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and bool(self.live.find([id]))

    def get(self, id: str) -> StoredImage:
        """The image with this id; NotFoundError if there is none."""
        ((number, row),) = self._require([id])
        return self.live.segments[number].columns.stored_one(row)

    def list(
        self,
        after: str = "",
        limit: int = 100,
        where: Filter | None = None,
        require_waiting: RequireWaiting = wait_always,
        prefix: str = "",
    ) -> Sequence[StoredImage]:
        """Images that pass the filter, sorted by id, starting after the id `after`.

        Args:
            prefix: what the ids begin with, character for character.
            require_waiting: called now and then; if it raises, the listing ends.
        """
        return self._stored(self.live.page(after, limit, where, require_waiting, prefix))

    def count(self, where: Filter) -> int:
        """How many images pass the filter."""
        return sum(len(rows) for _, rows in self.live.matching(where))

    def facets(
        self, where: Filter, values: int, require_waiting: RequireWaiting = wait_always
    ) -> Facets:
        """Count the values of the images that pass the filter; see facets.facets."""
        return facets(self.live, where, values, require_waiting)

    def lacking(
        self,
        attributes: Collection[str],
        where: Filter,
        require_waiting: RequireWaiting = wait_always,
    ) -> set[str]:
        """The attributes that no image that passes the filter has."""
        lacking = set(attributes)
        for segment, rows in self.live.matching(where, require_waiting):
            for name in list(lacking):
                require_waiting()
                if (segment.columns.attribute_codes(name).numbers[rows] >= 0).any():
                    lacking.remove(name)
        return lacking

    def stored(self, ids: Sequence[str]) -> dict[str, StoredImage]:
        """Id -> image, for the ids that exist."""
        return {one.id: one for one in self._stored(list(self.live.find(ids).values()))}

    def metadata(self, ids: Sequence[str]) -> dict[str, Metadata]:
        """Id -> metadata, for the ids that exist."""
        return {id: one.metadata for id, one in self.stored(ids).items()}

    def passing(self, ids: Sequence[str], where: Filter) -> set[str]:
        """The ids that exist and pass the filter."""
        return self.live.passing(ids, where)

    def thumbnails(self, ids: Sequence[str]) -> Sequence[bytes]:
        """JPEG thumbnails of the images with these ids.

        Raises:
            NotFoundError: an id is unknown.
            SupersededError: a writer has removed files of this commit; see Gallery.read.
            DamagedError: the thumbnails cannot be read.
        """
        return self._thumbnails(self._require(ids))

    def readable_thumbnails(self, ids: Sequence[str]) -> Sequence[bytes | None]:
        """The thumbnails of these images; None where one is damaged.

        Raises:
            NotFoundError, SupersededError: see thumbnails.
        """
        return self._readable_thumbnails(self._require(ids))

    def decomposition(self, id: str) -> Decomposition:
        """Contributions and bias of one image, which is often searched with again.

        Raises:
            NotFoundError: the id is unknown.
        """
        (place,) = self._require([id])
        (kept,) = self.kept.decompositions.find(self.live, [place])
        if kept is None:
            (contributions,), (bias,) = self._decompositions([place])
            kept = Decomposition(contributions, bias)
            for array in kept:
                array.flags.writeable = False
            self.kept.decompositions.keep(self.live, {place: kept})
        return kept

    def decompositions(self, ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Contributions float32 [M, P, D] and bias [M, D]; NotFoundError for an unknown id."""
        return self._decompositions(self._require(ids))

    def decompositions_of(self, found: Sequence[Candidate]) -> tuple[FloatArray, FloatArray]:
        """The same of candidates; NotFoundError for one that is not in this view."""
        return self._decompositions(self._places(found))

    def prepare(self) -> None:
        """Load the indexes that the first search would otherwise load."""
        if self.shards is not None:
            return
        for segment in self.live.segments:
            self.indexes.of(segment).copies.prepare()

    def search(
        self,
        parts: Sequence[QueryPart],
        score: Score,
        where: Filter,
        top: int,
        require_waiting: RequireWaiting = wait_always,
        by: GroupBy | None = None,
        first: int = 0,
        earlier: Layouts = (),
        *,
        partial: bool = False,
    ) -> Hits:
        """The best `top` images (or best image per group) that pass the filter; see search.search.

        Args:
            require_waiting: called between chunks; if it raises, the search ends.
            by: how images are grouped; None to not group them.
            first: how many of the best to leave out.
            earlier: the layouts of the first page, of which this is a later one; see Shards.search.
            partial: whether shards that cannot answer may be missing; see Shards.search.

        Raises:
            ShapeError: a part's dimension differs from the gallery's.
            ShardError, SupersededError: see Shards.search.
        """
        live = self.live
        answered: Layouts = ()
        question = Question(parts, score, where, top, by)
        if self.shards is None:
            found: Sequence[Found] = self._search_here(question, require_waiting)[first:]
        else:
            answers = self.shards.search(
                self.number, question, require_waiting, earlier, partial=partial
            )
            answered = layouts(answers, self.shards.count)
            found = merged(answers, live, top)[first:]
        more = [0] * len(found) if by is None else others(live, where, by, found, require_waiting)
        with timing("look up"):
            stored = self._kept_records([one.place for one in found])
            hits = Hits(
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
                    place=one.place,
                )
                for one, image, count in zip(found, stored, more, strict=True)
            )
        hits.layouts = answered
        return hits

    def _search_here(self, asked: Question, require_waiting: RequireWaiting) -> Sequence[Found]:
        return search(
            self.live, asked.parts, asked.score, asked.where, asked.top, self.spec.grid,
            self.indexes.of, require_waiting=require_waiting, by=asked.by,
        )  # fmt: skip

    def unchanged(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """Results of a search in an earlier view that have not been replaced or deleted since."""
        revisions = self.live.revisions([one.id for one in found])
        return [one for one in found if revisions.get(one.id) == one.revision]

    def with_thumbnails(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """The same candidates with their thumbnails.

        A damaged thumbnail is left empty and `unreadable` is set.

        Raises:
            NotFoundError: a candidate is not in this view.
            SupersededError: see thumbnails.
        """
        thumbnails = self._readable_thumbnails(self._places(found))
        return [
            replace(one, thumbnail=thumbnail or b"", unreadable=thumbnail is None)
            for one, thumbnail in zip(found, thumbnails, strict=True)
        ]

    @property
    def newest_revision(self) -> int:
        """Highest revision of all images; increases with every `add` and `correct`; 0 if empty."""
        return self.live.newest_revision

    def changed_since(self, revision: int, most: int | None = None) -> Sequence[tuple[int, str]]:
        """(revision, id) of the images with a later revision, in order.

        Args:
            most: only about this many, the earliest; a revision is never split.
        """
        return self.live.changed_since(revision, most)

    def holdings(self) -> Holdings:
        """Lookup of the images by id and by uri; a copy, about 200 bytes per image."""
        return Holdings.of(self.live)

    def digests(self) -> dict[str, str]:
        """Id -> media digest of every image."""
        found = dict[str, str]()
        for segment, chosen in self.live.matching():
            table = segment.columns.table.select(["id", "media_digest"]).take(pa.array(chosen))
            names = table["id"].to_pylist()
            found.update(zip(names, table["media_digest"].to_pylist(), strict=True))
        return found

    def _thumbnails(self, places: Sequence[Place]) -> Sequence[bytes]:
        kept = dict(zip(places, self.kept.thumbnails.find(self.live, places), strict=True))
        missing = [place for place, thumbnail in kept.items() if thumbnail is None]
        read = self._read_thumbnails(missing)
        self.kept.thumbnails.keep(self.live, read)
        return [kept[place] or read.get(place, b"") for place in places]

    def _read_thumbnails(self, places: Sequence[Place]) -> dict[Place, bytes]:
        """The thumbnails that the truth has of images at places."""
        row_ids = self.live.row_ids(places)
        if not row_ids:
            return {}
        try:
            table = self.version.take(["thumbnail"], sorted(set(row_ids)))
        except DamagedError as error:
            if Committed.read(self.home).version != self.number:
                raise SupersededError(str(error)) from error
            raise
        found = dict(zip(table["_rowid"].to_pylist(), table["thumbnail"].to_pylist(), strict=True))
        thumbnails = zip(places, map(found.get, row_ids), strict=True)
        return {place: thumbnail for place, thumbnail in thumbnails if thumbnail}

    def _readable_thumbnails(self, places: Sequence[Place]) -> Sequence[bytes | None]:
        try:
            return self._thumbnails(places)
        except SupersededError:
            raise
        except DamagedError:
            return [self._readable_thumbnail(place) for place in places]

    def _readable_thumbnail(self, place: Place) -> bytes | None:
        try:
            return self._thumbnails([place])[0]
        except SupersededError:
            raise
        except DamagedError:
            return None

    def _decompositions(self, places: Sequence[Place]) -> tuple[FloatArray, FloatArray]:
        shape = (len(places), self.spec.positions, self.spec.dimensions)
        contributions, bias = np.zeros(shape, np.float32), np.zeros(shape[::2], np.float32)
        for number, (chosen, rows) in _by_segment(places).items():
            segment = self.live.segments[number]
            contributions[chosen], bias[chosen] = segment.contributions[rows], segment.bias[rows]
        return contributions, bias

    def _kept_records(self, places: Sequence[Place]) -> Sequence[StoredImage]:
        """As _stored; the same images are often found again."""
        kept = dict(zip(places, self.kept.records.find(self.live, places), strict=True))
        missing = [place for place, record in kept.items() if record is None]
        read = dict(zip(missing, self._stored(missing), strict=True)) if missing else {}
        self.kept.records.keep(self.live, read)
        return [kept[place] or read[place] for place in places]

    def _stored(self, places: Sequence[Place]) -> Sequence[StoredImage]:
        found = dict[Place, StoredImage]()
        for number, (_, rows) in _by_segment(places).items():
            of_segment = self.live.segments[number].columns.stored(rows)
            found.update(zip((Place(number, int(row)) for row in rows), of_segment, strict=True))
        return [found[place] for place in places]

    def _places(self, found: Sequence[Candidate]) -> Sequence[Place]:
        """The places of candidates, of this view or another one."""
        return [
            one.place
            if one.place is not None and self.live.holds(one.place, one.id)
            else self._require([one.id])[0]
            for one in found
        ]

    def _require(self, ids: Sequence[str]) -> Sequence[Place]:
        """The places of the images with these ids."""
        places = self.live.find(ids)
        for id in ids:
            if id not in places:
                raise NotFoundError(f"the gallery has no image {id!r}")
        return [places[id] for id in ids]


def _by_segment(places: Sequence[Place]) -> dict[int, tuple[Rows, Rows]]:
    """Number of each segment -> which of the places lie in it, and their rows."""
    numbers, rows = np.array(places, np.int64).reshape(-1, 2).T
    chosen = {int(number): np.flatnonzero(numbers == number) for number in np.unique(numbers)}
    return {number: (some, rows[some]) for number, some in chosen.items()}
