"""Times of capture in rows that were stored before their range was checked."""

import pyarrow as pa
import pyarrow.compute as pc

from partlens.common.metadata import EARLIEST, LATEST

COLUMN = "captured_at"
TYPE = pa.timestamp("us", tz="UTC")


def out_of_range(table: pa.Table) -> pa.ChunkedArray:
    """Which rows have a time that Python cannot show in every zone; null where there is none."""
    column = table[COLUMN]
    early = pc.call_function("less", [column, pa.scalar(EARLIEST, TYPE)])
    late = pc.call_function("greater", [column, pa.scalar(LATEST, TYPE)])
    return pc.call_function("or", [early, late])


def readable(table: pa.Table) -> pa.Table:
    """The same rows, with such a time unknown."""
    if COLUMN not in table.column_names:
        return table
    wrong = out_of_range(table)
    if not pc.call_function("any", [wrong]).as_py():
        return table
    known = pc.call_function("if_else", [wrong, pa.scalar(None, TYPE), table[COLUMN]])
    return table.set_column(table.column_names.index(COLUMN), table.schema.field(COLUMN), known)
