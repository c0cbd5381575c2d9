"""What a gallery holds at one moment, by id and by where each image comes from."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from partlens.indexer.gallery.image_columns import SCHEMA, ImageColumns, joined
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.records import StoredImage


class Holdings:
    """Images without their contributions; never changes, safe to use from threads."""

    def __init__(self, columns: ImageColumns) -> None:
        self._columns = columns
        uris = columns.table["uri"]
        self._uris = uris.chunk(0) if uris.num_chunks else pa.array([], pa.string())
        order = pc.call_function("sort_indices", [columns.table["uri"]])
        self._by_uri = np.asarray(order.to_numpy(), np.int64)
        columns.prepare()

    @classmethod
    def of(cls, live: LiveRows) -> "Holdings":
        """The images of a commit."""
        parts = [segment.columns.take(rows) for segment, rows in live.matching() if len(rows)]
        return cls(joined(parts) if parts else ImageColumns(SCHEMA.empty_table()))

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def table(self) -> pa.Table:
        """The images, as a table of image_columns.SCHEMA."""
        return self._columns.table

    def some(self, ids: Iterable[str]) -> "Holdings":
        """The images of these ids, those that are held."""
        rows = [row for _, row in self._columns.find(ids)]
        return Holdings(self._columns.take(np.array(rows, np.int64)))

    def get(self, id: str) -> StoredImage | None:
        """The image of this id; None if there is none."""
        found = next(iter(self._columns.find([id])), None)
        return None if found is None else self._columns.stored_one(found[1])

    def ids_at(self, uri: str) -> Sequence[str]:
        """Ids of the images that come from this place, in order; none for an empty one."""
        if not uri:
            return ()
        at = bisect_left(self._by_uri, uri, key=lambda row: self._uris[row].as_py())
        found = list[int]()
        while at < len(self._by_uri) and self._uris[self._by_uri[at]].as_py() == uri:
            found.append(int(self._by_uri[at]))
            at += 1
        return sorted(self._columns.ids(np.array(found, np.int64))) if found else ()


EMPTY = Holdings(ImageColumns(SCHEMA.empty_table()))
