"""The ids and metadata of a segment's images, column by column, in memory."""

import json
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from partlens.common.files import read_file
from partlens.common.filters import Filter, GroupBy, require_several
from partlens.common.metadata import Metadata
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.indexer.gallery.codes import EPOCH, UNKNOWN_TIME, Codes, Mask, microseconds
from partlens.indexer.gallery.records import StoredImage
from partlens.indexer.gallery.times import readable

Rows = NDArray[np.int64]
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("revision", pa.int64(), nullable=False),
        pa.field("row_id", pa.int64(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("media_digest", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("camera", pa.string(), nullable=False),
        pa.field("track", pa.string(), nullable=False),
        pa.field("captured_at", pa.timestamp("us", tz="UTC")),
        pa.field("attributes", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)
"""`revision` and `row_id` (Lance's stable one) tell which row of the truth an image is."""
TRUTH_COLUMNS = tuple(name for name in SCHEMA.names if name != "row_id")
_ROWS_AN_ID = 4000
"""Rows that are scanned in the time that finding one id by bisection takes."""
ATTRIBUTES_KEPT = 8
"""Attributes of a segment whose values stay decoded; the least recently used are dropped."""


class ImageColumns:
    """The columns SCHEMA of M images, in row order; they never change.

    Args:
        table: table of that schema. Capture times out of range, which earlier versions allowed,
            are treated as unknown.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = readable(table.combine_chunks())
        self._codes: dict[str, Codes] = {}
        self._attributes: OrderedDict[str, Codes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        count: int = self.table.num_rows
        return count

    @cached_property
    def revisions(self) -> NDArray[np.int64]:
        """Shape [M]."""
        return np.asarray(self.table["revision"].to_numpy())

    @cached_property
    def row_ids(self) -> NDArray[np.int64]:
        """Shape [M]."""
        return np.asarray(self.table["row_id"].to_numpy())

    def take(self, rows: Rows) -> "ImageColumns":
        """The columns of some rows."""
        return ImageColumns(self.table.take(pa.array(rows)))

    def ids(self, rows: Rows) -> list[str]:
        """Ids of rows."""
        found: list[str] = self.table["id"].take(pa.array(rows)).to_pylist()
        return found

    def id_of(self, row: int) -> str:
        """Id of one row, without the overhead of an array."""
        id: str = self._ids[row].as_py()
        return id

    @cached_property
    def _ids(self) -> pa.Array:
        """The ids; there is at least one."""
        return self.table["id"].chunk(0)

    def find(self, ids: Iterable[str]) -> Sequence[tuple[str, int]]:
        """(id, row) for every row that has one of the ids."""
        found, wanted = list[tuple[str, int]](), list(dict.fromkeys(ids))
        if not len(self):
            return found
        if len(wanted) > len(self) // _ROWS_AN_ID + 1:
            return self._found_by_scan(wanted)
        column, order = self._ids, self._by_id
        for id in wanted:
            at = bisect_left(order, id, key=lambda row: column[row].as_py())
            while at < len(order) and column[order[at]].as_py() == id:
                found.append((id, int(order[at])))
                at += 1
        return found

    def _found_by_scan(self, ids: Sequence[str]) -> list[tuple[str, int]]:
        """The same by looking at every row, which is faster for many ids."""
        known = [id for id in ids if _is_text(id)]
        options = pc.SetLookupOptions(value_set=pa.array(known, pa.string()))
        numbers = pc.call_function("index_in", [self._ids], options)
        rows = np.flatnonzero(np.asarray(numbers.is_valid()))
        of = np.asarray(numbers.take(pa.array(rows)), np.int64)
        order = np.argsort(of, kind="stable")
        return [(known[of[i]], int(rows[i])) for i in order]

    def rows_of(self, row_ids: NDArray[np.int64]) -> tuple[Mask, Rows]:
        """Which of these rows of the truth are here, shape [N], and the row of each that is."""
        order, known = self._by_row_id
        at = np.searchsorted(known, row_ids).clip(max=max(len(known) - 1, 0))
        here = known[at] == row_ids if len(known) else np.zeros(len(row_ids), bool)
        return here, order[at[here]]

    @cached_property
    def _by_row_id(self) -> tuple[Rows, NDArray[np.int64]]:
        """Rows in order of row id, and these row ids, shape [M] each."""
        order = np.argsort(self.row_ids, kind="stable")
        return order, self.row_ids[order]

    def prepare(self) -> None:
        """Sort the ids now, so that not every thread has to."""
        _ = self._by_id if len(self) else None

    @cached_property
    def _by_id(self) -> Rows:
        """Rows in order of id, shape [M]: strings in Arrow and in Python sort alike."""
        return np.asarray(pc.call_function("sort_indices", [self.table["id"]]).to_numpy(), np.int64)

    def in_order(self, rows: Rows) -> Rows:
        """The same rows in order of id."""
        return rows[np.argsort(self._ranks[rows])]

    @cached_property
    def _ranks(self) -> Rows:
        """The place of each row in order of id, shape [M]."""
        ranks = np.empty(len(self), np.int64)
        ranks[self._by_id] = np.arange(len(self))
        return ranks

    def stored(self, rows: Rows) -> list[StoredImage]:
        """The images in rows."""
        return [_stored(plain) for plain in self.table.take(pa.array(rows)).to_pylist()]

    def stored_one(self, row: int) -> StoredImage:
        """The image in one row, without the overhead of a table."""
        names = self.table.column_names
        return _stored({name: self.table[name].chunk(0)[row].as_py() for name in names})

    def codes(self, column: str) -> Codes:
        """The column "camera" or "track", where an empty text means unknown."""
        if column not in self._codes:
            self._codes[column] = _coded(self.table[column])
        return self._codes[column]

    def attribute_codes(self, name: str) -> Codes:
        """The values of an attribute."""
        with self._lock:
            if (kept := self._attributes.get(name)) is not None:
                self._attributes.move_to_end(name)
                return kept
        options = pc.MapLookupOptions(pa.scalar(name), "first")
        values = pc.call_function("map_lookup", [self.table["attributes"]], options)
        codes = _coded(values)
        with self._lock:
            self._attributes[name] = codes
            while len(self._attributes) > ATTRIBUTES_KEPT:
                self._attributes.popitem(last=False)
        return codes

    def captured(self, rows: Rows) -> tuple[datetime, datetime] | None:
        """When the first and the last of the rows was captured; None if no time is known."""
        times = self._captured_at[rows]
        known = times[times != UNKNOWN_TIME]
        if not len(known):
            return None
        first, last = (timedelta(microseconds=int(of)) for of in (known.min(), known.max()))
        return EPOCH + first, EPOCH + last

    def groups(self, by: GroupBy) -> Codes:
        """The group of every row, -1 for rows without one."""
        codes = self.attribute_codes(by.attribute) if by.attribute else self.codes(by.column)
        unknown = [number for number, text in enumerate(codes.texts) if not text]
        return Codes(np.where(np.isin(codes.numbers, unknown), -1, codes.numbers), codes.texts)

    def accepted(self, where: Filter, require_waiting: RequireWaiting = wait_always) -> Mask | None:
        """Which rows pass the filter, shape [M]; None if all do.

        Args:
            require_waiting: called before each condition; what it raises ends the work early.
        """
        require_several(where)
        accepted: Mask | None = None
        for mask in chain(self._masks(where), self._nested_masks(where, require_waiting)):
            require_waiting()
            accepted = mask if accepted is None else accepted & mask
        return accepted

    def _nested_masks(self, where: Filter, require_waiting: RequireWaiting) -> Iterator[Mask]:
        """Which rows pass the filters inside a filter, shape [M] each."""

        def passing(one: Filter) -> Mask:
            mask = self.accepted(one, require_waiting)
            return np.ones(len(self), bool) if mask is None else mask

        yield from (passing(one) for one in where.all_of)
        yield from (~passing(one) for one in where.none_of)
        if where.any_of:
            some = np.zeros(len(self), bool)
            for one in where.any_of:
                some |= passing(one)
            yield some

    def _masks(self, where: Filter) -> Iterator[Mask]:
        """Which rows meet each condition of a filter, shape [M] each."""
        for column, texts in (("camera", where.cameras), ("track", where.tracks)):
            if texts:
                yield self.codes(column).are(texts)
        if where.exclude_cameras:
            yield ~self.codes("camera").are(where.exclude_cameras)
        for name, wanted in where.attributes.items():
            yield self.attribute_codes(name).meet(wanted)
        if where.captured_after is not None:
            yield self._captured_at >= microseconds(where.captured_after)
        if where.captured_before is not None:
            before = self._captured_at < microseconds(where.captured_before)
            yield before & (self._captured_at != UNKNOWN_TIME)
        if where.ids:
            named = np.zeros(len(self), bool)
            named[[row for _, row in self.find(where.ids)]] = True
            yield named
        if where.exclude_ids:
            others = np.ones(len(self), bool)
            others[[row for _, row in self.find(where.exclude_ids)]] = False
            yield others
        if where.exclude_media:
            known = [digest for digest in where.exclude_media if _is_text(digest)]
            options = pc.SetLookupOptions(value_set=pa.array(known, pa.string()))
            same = pc.call_function("is_in", [self.table["media_digest"]], options)
            yield ~np.asarray(same.to_numpy(), np.bool_)

    @cached_property
    def _captured_at(self) -> NDArray[np.int64]:
        """Microseconds since 1970, shape [M]."""
        column = self.table["captured_at"].cast(pa.int64())
        return np.asarray(pc.fill_null(column, UNKNOWN_TIME).to_numpy())

    def write(self, path: Path) -> None:
        """Write an Arrow file of one batch."""
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            writer.write_table(self.table)

    @classmethod
    def read(cls, path: Path) -> "ImageColumns":
        """Read a file that write made, into memory, so that it may change afterwards.

        Raises:
            ValueError, OSError: the file cannot be read, or holds something else.
        """
        table = pa.ipc.open_file(pa.py_buffer(read_file(path))).read_all()
        if table.schema != SCHEMA or not len(table):
            raise ValueError(f"{path.name} has other columns, or no row")
        table.validate(full=True)
        return cls(table)

    @classmethod
    def of_truth(
        cls,
        table: pa.Table,
        row_ids: NDArray[np.int64],
        attributes: Sequence[Mapping[str, str]] | None = None,
    ) -> "ImageColumns":
        """Columns of rows of the truth, which have the columns TRUTH_COLUMNS.

        Args:
            attributes: of each row; None to read them from the table, which holds JSON.

        Raises:
            ValueError: attributes in the table are not JSON.
        """
        columns = {name: table[name] for name in TRUTH_COLUMNS if name != "attributes"}
        for name in ("uri", "media_digest", "camera", "track"):
            columns[name] = pc.fill_null(columns[name], "")
        columns["row_id"] = pa.array(row_ids, pa.int64())
        if attributes is None:
            attributes = [_attributes(text) for text in table["attributes"].to_pylist()]
        pairs = [
            [(_encodable(key), _encodable(value)) for key, value in each.items()]
            for each in attributes
        ]
        columns["attributes"] = pa.array(pairs, SCHEMA.field("attributes").type)
        return cls(pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA))


def joined(parts: Sequence[ImageColumns]) -> ImageColumns:
    """Concatenate columns."""
    return ImageColumns(pa.concat_tables([part.table for part in parts]))


def _attributes(text: str | None) -> dict[str, str]:
    plain = json.loads(text or "{}")
    if not isinstance(plain, dict):
        raise ValueError(f"attributes {text!r} are no JSON object")
    return {str(key): str(value) for key, value in plain.items()}


def _is_text(text: str) -> bool:
    """Whether UTF-8 can encode it: halves of surrogate pairs are in no column."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encodable(text: str) -> str:
    """Earlier versions let in halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _stored(plain: dict[str, Any]) -> StoredImage:
    at = plain.pop("captured_at")
    metadata = Metadata(
        plain.pop("camera"),
        plain.pop("track"),
        None if at is None else at.astimezone(UTC),
        dict(plain.pop("attributes")),
    )
    del plain["row_id"]
    return StoredImage(**plain, metadata=metadata)


def _coded(column: pa.ChunkedArray) -> Codes:
    coded = column.combine_chunks().dictionary_encode()
    numbers = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    return Codes(np.asarray(numbers, np.int32), coded.dictionary.to_pylist())
