"""The images and metadata listed in a manifest."""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from partlens.common.ids import require_id
from partlens.common.metadata import Metadata, require_metadata
from partlens.common.moments import in_utc, read_moment
from partlens.explainer.errors import TableError
from partlens.explainer.tables import csv_rows
from partlens.indexer.errors import SourceError
from partlens.indexer.sources.image import ImageFile
from partlens.indexer.stated import Stated

_OTHER_FORMS = {
    "\\": "write folders with /, not \\",
    "://": "give a path on this machine, not an address",
    "~/": "write the home folder out",
}
"""What paths of other systems and programs have, and what to write instead."""
MAX_IMAGES = 1_000_000
"""All images of a manifest are in memory at once, with about a kilobyte each."""
_COLUMNS = ("path", "id", "camera", "track", "captured_at")


def manifest_images(manifest: Path) -> Iterator[ImageFile]:
    """The images of a manifest, in its order.

    It is CSV or Parquet with a column `path` (relative to the manifest), and optionally `id`,
    `camera`, `track` and `captured_at` (ISO 8601; UTC if it names no zone). Every other column is
    an attribute; an empty cell means none. Column names ignore case and surrounding blanks; blanks
    around cells are removed. Without an `id`, the path as written is the id.

    Raises:
        SourceError: a column is missing or appears twice, a row cannot be read, an id appears
            twice, or there are more than MAX_IMAGES images; names the row.
    """
    seen: dict[str, int] = {}
    try:
        for number, row in _rows(manifest):
            if len(seen) == MAX_IMAGES:
                raise SourceError(
                    f"{manifest.name} lists more than {MAX_IMAGES} images, up to row {number}:"
                    " split it, and add one part after the other"
                )
            image = _image(manifest, row, f"{manifest.name}, row {number}")
            if image.id in seen:
                raise SourceError(
                    f"id {image.id!r} appears twice: {manifest.name}, rows {seen[image.id]} and"
                    f" {number}; give each image its own id"
                )
            seen[image.id] = number
            yield image
    except TableError as error:
        raise SourceError(str(error)) from error


def _rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    if manifest.suffix.lower() == ".csv":
        return csv_rows(manifest, _COLUMNS, ("path",))
    from partlens.indexer.sources.parquet import parquet_rows  # loads pyarrow

    return parquet_rows(manifest, _COLUMNS, ("path",))


def _image(manifest: Path, row: Mapping[str, str], place: str) -> ImageFile:
    path = row["path"]
    if not path:
        raise SourceError(f"{place}: column 'path' is empty")
    file = manifest.parent / path
    for sign, advice in _OTHER_FORMS.items():
        if sign in path and not os.path.exists(file):
            raise SourceError(f"{place}: there is no file {path!r}; {advice}")
    id = row.get("id") or path
    try:
        require_id(id)
        metadata = _metadata(row)
        require_metadata(metadata)
    except (ValueError, OverflowError) as error:
        raise SourceError(f"{place}: {error}") from error
    return ImageFile(id, file, metadata, _stated(tuple(row), bool(row.get("id"))))


@cache
def _stated(columns: tuple[str, ...], has_id: bool) -> Stated:
    """The fields that a manifest states: every column it has, filled in or not."""
    return Stated(
        id=has_id,
        camera="camera" in columns,
        track="track" in columns,
        captured_at="captured_at" in columns,
        attributes=frozenset(columns) - frozenset(_COLUMNS),
    )


def _metadata(row: Mapping[str, str]) -> Metadata:
    text = row.get("captured_at", "")
    attributes = {key: value for key, value in row.items() if key not in _COLUMNS and value}
    camera, track = row.get("camera", ""), row.get("track", "")
    return Metadata(camera, track, _captured_at(text) if text else None, attributes)


def _captured_at(text: str) -> datetime:
    try:
        return in_utc(read_moment(text))
    except ValueError as error:
        raise ValueError(f"captured_at {error}") from error
