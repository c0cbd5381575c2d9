"""CSV tables with a header, row by row, and the names of a table's columns."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from partlens.common.files import open_regular
from partlens.explainer.errors import TableError

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UNNAMED = re.compile(r"__index_level_\d+__")
"""The name that pandas gives an unnamed index in Parquet; in CSV it has no name at all."""


def csv_rows(
    table: Path, known: Sequence[str], required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row of a CSV file with its number, counted from 1 at the top of the file.

    Blanks around cells are removed; rows without any text are skipped.

    Args:
        known, required: see column_names.

    Raises:
        TableError: the file is missing or not UTF-8, column_names refuses its header, or a row has
            another number of cells; names the row.
    """
    try:
        with open(table, newline="", encoding="utf-8-sig", opener=open_regular) as file:
            names: list[str] | None = None
            rows = csv.reader(file, strict=True, skipinitialspace=True)
            for number, row in enumerate(rows, start=1):
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if names is None:
                    names = column_names(table.name, cells, known, required)
                    continue
                yield number, _row(names, cells, f"{table.name}, row {number}")
            if names is None:
                raise TableError(f"{table.name} is empty; it needs a header with {required[0]!r}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(
            f"{table} cannot be read as CSV in UTF-8: {error}{_encoding_hint(table, error)}"
        ) from error


def column_names(
    table: str, header: Sequence[str], known: Sequence[str], required: Sequence[str]
) -> list[str]:
    """The names of a table's columns without blanks around them, known ones in their known form.

    "Captured At" becomes the known column "captured_at"; unknown names keep their capitals.

    Args:
        table: its name, for messages.
        known: columns that have a meaning, in lower case.
        required: known columns that must be present.

    Raises:
        TableError: a column has no name, two have the same name (apart from capitals and blanks),
            or a required one is missing.
    """
    names: list[str] = []
    seen: dict[str, str] = {}
    for number, given in enumerate(header, start=1):
        name = given.strip()
        if not name or _UNNAMED.fullmatch(name):
            raise TableError(
                f"{table}: column {number} has no name; name it or leave it out (pandas writes its"
                " index there unless given index=False)"
            )
        folded = re.sub(r"[\s-]+", "_", name.casefold())
        folded = folded if folded in known else name.casefold()
        if folded in seen:
            raise TableError(
                f"{table} has the columns {seen[folded]!r} and {given!r}, which mean the same; keep"
                " one, or give one another name"
            )
        seen[folded] = given
        names.append(folded if folded in known else name)
    if missing := [name for name in required if name not in names]:
        raise TableError(
            f"{table} has no column {', '.join(map(repr, missing))}; it has"
            f" {', '.join(map(repr, header))}{_separator_hint(header)}"
        )
    return names


def _row(names: Sequence[str], cells: Sequence[str], place: str) -> dict[str, str]:
    if len(cells) != len(names):
        raise TableError(f"{place} has {len(cells)} cells; the header has {len(names)}")
    for name, cell in zip(names, cells, strict=True):
        if "\0" in cell:
            raise TableError(f"{place}: column {name!r} holds a NUL character")
    return dict(zip(names, cells, strict=True))


def _separator_hint(header: Sequence[str]) -> str:
    for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and sign in header[0]:
            return f": is it separated by {name}? Save it with commas"
    if any("\0" in name for name in header):
        return ": is it UTF-16? Save it as UTF-8"
    return ""


def _encoding_hint(table: Path, error: Exception) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return ""
    with open(table, "rb", opener=open_regular) as file:
        utf16 = file.read(2) in _UTF16
    return "; it is UTF-16: save it as UTF-8" if utf16 else "; save it as UTF-8"
