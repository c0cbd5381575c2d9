"""Answers as tables: of HTML for notebooks, and of pandas."""

import html as escaping
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from partlens.client.errors import ClientError, MissingLibraryError
from partlens.common.metadata import Metadata
from partlens.common.regions import Box
from partlens.common.text import visible

if TYPE_CHECKING:
    import pandas

Row = Mapping[str, object]
_COLUMNS = (
    "id", "score", "constant", "x", "y", "width", "height", "camera", "track", "captured_at",
    "uri", "group", "others_in_group",
)  # fmt: skip
_SHOWN = ("id", "score", "camera", "track", "captured_at")
"""Columns of a notebook's table."""


def row(id: str, score: float, constant: float, box: Box, metadata: Metadata) -> dict[str, object]:
    """A hit by column."""
    return {
        "id": id,
        "score": score,
        "constant": constant,
        **vars(box),
        "camera": metadata.camera,
        "track": metadata.track,
        "captured_at": metadata.captured_at,
        **{f"attribute:{name}": text for name, text in metadata.attributes.items()},
    }


def frame(rows: Sequence[Row]) -> "pandas.DataFrame":
    """A table of pandas; raises MissingLibraryError."""
    try:
        library = import_module("pandas")
    except ImportError as error:
        raise MissingLibraryError("to_pandas", "pandas", "pandas") from error
    attributes = sorted({name for one in rows for name in one} - set(_COLUMNS))
    made: pandas.DataFrame = library.DataFrame(list(rows), columns=[*_COLUMNS, *attributes])
    made["captured_at"] = library.to_datetime(made["captured_at"], utc=True)
    return made


def of_hits(rows: Sequence[Row]) -> str:
    """Hits as a table of HTML."""
    if not rows:
        return "<p>no hits</p>"
    return html([{name: one[name] for name in _SHOWN} for one in rows])


def html(rows: Sequence[Row]) -> str:
    """A table of HTML; every row has the columns of the first."""
    head = "".join(f"<th>{_cell(name)}</th>" for name in rows[0])
    lines = ("".join(f"<td>{_cell(value)}</td>" for value in one.values()) for one in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def drawn_or(draw: Callable[[], str], otherwise: str) -> str:
    """What `draw` returns; `otherwise` if there is nothing to draw, or nothing to draw with."""
    try:
        return draw()
    except ClientError:
        return otherwise


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return escaping.escape(visible(text))
