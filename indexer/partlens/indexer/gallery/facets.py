"""Counts the values that some images of a gallery have, column by column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from partlens.common.filters import Filter
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.indexer.gallery.image_columns import Rows
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.segments import Segment

MOST_ATTRIBUTES = 100
_ROWS = 2**15
"""Images that are counted at once; bounds memory, as an image has up to 256 attributes."""
_KEY = ["name", "value"]


@dataclass(frozen=True)
class Facet:
    """The values of one property. An empty text means unknown.

    Attributes:
        values: (value, number of images), the most frequent first, then by value.
        distinct: number of different values, of which `values` may hold only the first.
        unknown: number of images without a value.
    """

    name: str
    values: Sequence[tuple[str, int]]
    distinct: int
    unknown: int


@dataclass(frozen=True)
class Facets:
    """The values of every property of some images.

    Attributes:
        images: number of images.
        attributes: ordered by name; of more than MOST_ATTRIBUTES, those that most images have.
        first, last: when the first and the last image was captured; None if no time is known.
    """

    images: int
    cameras: Facet
    tracks: Facet
    attributes: Sequence[Facet]
    first: datetime | None
    last: datetime | None


def facets(
    live: LiveRows,
    where: Filter,
    values: int,
    require_waiting: RequireWaiting = wait_always,
) -> Facets:
    """Count the values of the images that pass a filter.

    Args:
        values: most values of each property to return.
        require_waiting: called between chunks; if it raises, counting ends.
    """
    chosen = list(live.matching(where, require_waiting))
    images = sum(len(rows) for _, rows in chosen)
    columns = {
        name: _column(name, chosen, images, values, require_waiting) for name in ("camera", "track")
    }
    counted = _counted(_attributes(chosen, require_waiting))
    times = [span for segment, rows in chosen if (span := segment.columns.captured(rows))]
    return Facets(
        images,
        columns["camera"],
        columns["track"],
        _by_name(counted, images, values, require_waiting),
        min((first for first, _ in times), default=None),
        max((last for _, last in times), default=None),
    )


def _column(
    name: str,
    chosen: Sequence[tuple[Segment, Rows]],
    images: int,
    values: int,
    require_waiting: RequireWaiting,
) -> Facet:
    def parts() -> Iterator[pa.Table]:
        for segment, rows in chosen:
            require_waiting()
            texts = segment.columns.table[name].take(pa.array(rows))
            yield pa.table({"name": pa.repeat(name, len(rows)), "value": texts})

    found = _by_name(_counted(parts()), images, values, require_waiting)
    return found[0] if found else Facet(name, (), 0, images)


def _attributes(
    chosen: Sequence[tuple[Segment, Rows]], require_waiting: RequireWaiting
) -> Iterator[pa.Table]:
    """The name and the value of every attribute of the images, chunk by chunk."""
    for segment, rows in chosen:
        column = segment.columns.table["attributes"].chunk(0)
        for start in range(0, len(rows), _ROWS):
            require_waiting()
            some = column.take(pa.array(rows[start : start + _ROWS]))
            yield pa.table({"name": some.keys, "value": some.items})


def _counted(parts: Iterator[pa.Table]) -> pa.Table:
    """How often each value of each name occurs in tables of `name` and `value`."""
    counted = [
        part.filter(pc.field("value") != "").group_by(_KEY, use_threads=False).aggregate(
            [([], "count_all")]
        )
        for part in parts
    ]  # fmt: skip
    if not counted:
        return pa.table({name: pa.array([], pa.string()) for name in _KEY} | {"images": []})
    together = pa.concat_tables(counted).group_by(_KEY, use_threads=False)
    summed: pa.Table = together.aggregate([("count_all", "sum")])
    return summed.rename_columns([*_KEY, "images"])


def _by_name(
    counted: pa.Table, images: int, values: int, require_waiting: RequireWaiting
) -> list[Facet]:
    """The facet of each name, ordered by name; of too many names those that most images have."""
    require_waiting()
    if not len(counted):
        return []
    order = [("name", "ascending"), ("images", "descending"), ("value", "ascending")]
    table = counted.sort_by(order).combine_chunks()
    numbers = np.asarray(table["images"].to_numpy(), np.int64)
    codes = table["name"].chunk(0).dictionary_encode().indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    ends, totals = np.append(starts[1:], len(codes)), np.add.reduceat(numbers, starts)
    kept = np.sort(np.argsort(-totals, kind="stable")[:MOST_ATTRIBUTES])
    return [
        Facet(
            table["name"][starts[i]].as_py(),
            _values(table, int(starts[i]), int(min(ends[i], starts[i] + values))),
            int(ends[i] - starts[i]),
            images - int(totals[i]),
        )
        for i in kept.tolist()
    ]


def _values(table: Any, start: int, end: int) -> list[tuple[str, int]]:
    some = table.slice(start, end - start)
    return list(zip(some["value"].to_pylist(), some["images"].to_pylist(), strict=True))
