"""CSV tables about images, row by row."""

from pathlib import Path

from partlens.explainer.errors import AnnotationError, TableError
from partlens.explainer.tables import csv_rows


def read_rows(
    table: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> list[tuple[str, dict[str, str]]]:
    """Each row of a CSV file, with its place for messages.

    Args:
        columns: required columns.
        optional: optional columns; others are allowed too.

    Raises:
        AnnotationError: the file is missing, or csv_rows refuses its header or a row.
    """
    try:
        rows = list(csv_rows(table, (*columns, *optional), columns))
    except TableError as error:
        raise AnnotationError(str(error)) from error
    return [(f"{table.name}, row {number}", row) for number, row in rows]
