"""Rows of a Parquet file as texts."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from partlens.common.files import open_regular
from partlens.explainer.errors import TableError
from partlens.explainer.tables import column_names
from partlens.indexer.sources.cells import cell_text

_ROWS = 4096
"""Rows that are in memory together."""
_EPOCH = datetime(1970, 1, 1)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FLOATS = {pa.float16(): np.float16, pa.float32(): np.float32}
_FLOAT_DIGITS = {pa.float16(): 11, pa.float32(): 24}
_TAKEN = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


def parquet_rows(
    table: Path, known: Sequence[str], required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row of a Parquet file with its number, from 1; see cell_text.

    A time with a zone is written in UTC. Of a time in nanoseconds, what is finer than a microsecond
    is cut off. Rows without any text are left out.

    Args:
        known, required: see column_names.

    Raises:
        TableError: no such file, a header that column_names refuses, a column of lists or other
            values that are no cells, or a cell that cannot be a text; names the column or row.
    """
    try:
        with open(table, "rb", opener=open_regular) as file, pq.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            names = column_names(table.name, schema.names, known, required)
            for name, field in zip(names, schema, strict=True):
                _require_cells(table.name, name, field.type)
            first = 1
            for batch in opened.iter_batches(_ROWS):
                columns = [
                    _texts(column, name, table.name, first)
                    for name, column in zip(names, batch.columns, strict=True)
                ]
                for number, row in enumerate(zip(*columns, strict=True), start=first):
                    if any(row):
                        yield number, dict(zip(names, row, strict=True))
                first += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise TableError(f"{table} cannot be read as Parquet: {error}") from error


def _require_cells(table: str, name: str, kind: pa.DataType) -> None:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(taken(plain) for taken in _TAKEN):
        raise TableError(
            f"{table}: column {name!r} holds {kind}; a cell is a text, a number, a date or a time:"
            " write it so, or leave the column out"
        )


def _texts(column: Any, name: str, table: str, first: int) -> list[str]:
    """The cells of a column as texts; `first` is the number of its first row."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    texts = []
    for number, cell in enumerate(column, start=first):
        try:
            text = cell_text(_value(cell, kind), _FLOAT_DIGITS.get(kind, 53))
            if "\0" in text:
                raise ValueError("it holds a NUL character")
        except (ValueError, OverflowError) as error:
            raise TableError(f"{table}, row {number}: column {name!r}: {error}") from error
        texts.append(text)
    return texts


def _value(cell: Any, kind: pa.DataType) -> object:
    """The Python value of a cell; times come from their numbers, as they may be too fine for it."""
    if not cell.is_valid:
        return None
    if pa.types.is_timestamp(kind):
        return _timestamp(cell.value, kind)
    if kind == pa.time64("ns"):
        return (_EPOCH + timedelta(microseconds=cell.value // 1000)).time()
    value = cell.as_py()
    if kind in _FLOATS:
        # The shortest number that means the same, not the digits that float64 adds to it.
        return float(str(_FLOATS[kind](value)))
    return value


def _timestamp(count: int, kind: pa.DataType) -> datetime:
    moment = _EPOCH + timedelta(microseconds=count * 10**6 // _PER_SECOND[kind.unit])
    return moment.replace(tzinfo=UTC) if kind.tz else moment
