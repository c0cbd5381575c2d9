"""CSV tables about images, row by row."""

import csv
from pathlib import Path

from partlens.explainer.errors import AnnotationError


def read_rows(table: Path, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Each row of a CSV file with its place, for messages.

    Args:
        columns: that the table must have; it may have more.

    Raises:
        AnnotationError: no such file, a column is missing, or a row has another number of cells.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise AnnotationError(
                    f"{table.name} lacks the columns {', '.join(sorted(missing))}; it needs"
                    f" {', '.join(columns)}"
                )
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{table} cannot be read as CSV in UTF-8: {error}") from error
    numbered = [(f"{table.name}, row {number}", row) for number, row in enumerate(rows, start=2)]
    for place, row in numbered:
        if None in row or None in row.values():
            raise AnnotationError(f"{place}: it has another number of cells than the header")
    return numbered
