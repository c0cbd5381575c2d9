"""Where images come from: a folder, or a manifest that lists them."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol

import pyarrow.parquet as pq

from partlens.explainer.errors import ImageError
from partlens.explainer.images import DEFAULT_LIMITS, SUFFIXES, ImageLimits, image_files
from partlens.indexer.errors import InvalidImageError, SourceError
from partlens.indexer.gallery.records import require_id
from partlens.indexer.metadata import NOTHING_STATED, Metadata, Stated, require_metadata
from partlens.indexer.places import file_uri, id_below

_COLUMNS = ("path", "id", "camera", "track", "captured_at")


class SourceImage(Protocol):
    """An image that may become part of a gallery."""

    @property
    def id(self) -> str:
        """What the gallery will call it."""
        ...

    @property
    def uri(self) -> str:
        """Where the original lies."""
        ...

    @property
    def metadata(self) -> Metadata:
        """What the source says of it."""
        ...

    @property
    def stated(self) -> Stated:
        """Which fields that is about."""
        ...

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """The encoded picture.

        Raises:
            ImageError: it has more bytes than the limits allow, or is not to be had.
            OSError: it cannot be read.
        """
        ...


@dataclass(frozen=True)
class ImageFile:
    """A SourceImage that is a file.

    Attributes:
        id, metadata, stated: as there.
        path: of the file.
    """

    id: str
    path: Path
    metadata: Metadata
    stated: Stated = NOTHING_STATED

    @property
    def uri(self) -> str:
        """Of the file."""
        return file_uri(self.path)

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """The file, where the limits allow it; see SourceImage."""
        size = self.path.stat().st_size
        if size > limits.max_bytes:
            raise ImageError(f"the file has {size} bytes; at most {limits.max_bytes} are allowed")
        return self.path.read_bytes()


class Source(Protocol):
    """Images, in a fixed order; it may be read again."""

    def __len__(self) -> int:
        """How many, about."""
        ...

    def __iter__(self) -> Iterator[SourceImage]:
        """Each of them."""
        ...


def read_source(source: Path) -> list[ImageFile]:
    """The images of a folder or manifest, in a fixed order.

    A folder is read with all folders in it; an image's id is the folder's name and the path below
    it, such as 2024/a.jpg. A manifest is CSV or Parquet with a column `path` (relative to the
    manifest), and optionally `id`, `camera`, `track` and `captured_at` (ISO 8601; UTC where it
    names no zone). Every other column is an attribute; an empty cell says that there is none.
    Without an `id` it is the path as written.

    Raises:
        SourceError: nothing there, a column is missing, a row cannot be read, or an id comes
            twice; names the row.
    """
    if source.is_dir():
        found = list(_folder(source))
    elif source.suffix.lower() in (".csv", ".parquet"):
        found = list(_manifest(source))
    else:
        raise SourceError(
            f"{source} is neither a folder nor a manifest (.csv or .parquet)"
            + ("" if source.exists() else "; it does not exist")
        )
    if not found:
        raise SourceError(f"{source} holds no image ({', '.join(sorted(SUFFIXES))})")
    _require_unique(found)
    return found


def _folder(folder: Path) -> Iterator[ImageFile]:
    for path in image_files(folder):
        id = id_below(folder, path.relative_to(folder).as_posix())
        yield ImageFile(id, path, Metadata())


def _manifest(manifest: Path) -> Iterator[ImageFile]:
    rows = _csv_rows(manifest) if manifest.suffix.lower() == ".csv" else _parquet_rows(manifest)
    for number, row in rows:
        place = f"{manifest.name}, row {number}"
        path = row.get("path", "")
        if not path:
            raise SourceError(f"{place}: column 'path' is empty")
        metadata = _metadata(row, place)
        try:
            require_id(row.get("id") or path)
            require_metadata(metadata)
        except InvalidImageError as error:
            raise SourceError(f"{place}: {error}") from error
        stated = _stated(tuple(row), bool(row.get("id")))
        yield ImageFile(row.get("id") or path, manifest.parent / path, metadata, stated)


@cache
def _stated(columns: tuple[str, ...], has_id: bool) -> Stated:
    """What a manifest states of an image: a column that it has, filled in or not."""
    return Stated(
        id=has_id,
        camera="camera" in columns,
        track="track" in columns,
        captured_at="captured_at" in columns,
        attributes=frozenset(columns) - frozenset(_COLUMNS),
    )


def _metadata(row: Mapping[str, str], place: str) -> Metadata:
    at = None
    if text := row.get("captured_at", ""):
        try:
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise SourceError(
                f"{place}: captured_at {text!r} is no time; write it like 2026-05-01T12:00:00+02:00"
            ) from error
        at = at.replace(tzinfo=at.tzinfo or UTC)
    attributes = {key: value for key, value in row.items() if key not in _COLUMNS and value}
    return Metadata(row.get("camera", ""), row.get("track", ""), at, attributes)


def _csv_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            _require_columns(manifest, reader.fieldnames or ())
            for number, row in enumerate(reader, start=2):
                if None in row or None in row.values():
                    raise SourceError(
                        f"{manifest.name}, row {number}: it has another number of cells than the"
                        " header"
                    )
                yield number, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{manifest} cannot be read as CSV in UTF-8: {error}") from error


def _parquet_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        table = pq.read_table(manifest)
    except (OSError, ValueError) as error:
        raise SourceError(f"{manifest} cannot be read as Parquet: {error}") from error
    _require_columns(manifest, table.column_names)
    for number, row in enumerate(table.to_pylist(), start=1):
        yield number, {key: _text(value) for key, value in row.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _require_columns(manifest: Path, columns: Iterable[str]) -> None:
    names = list(columns)
    if "path" not in names:
        raise SourceError(f"{manifest.name} has no column 'path'; it has {', '.join(names)}")


def _require_unique(images: Iterable[ImageFile]) -> None:
    seen: dict[str, Path] = {}
    for image in images:
        if image.id in seen:
            raise SourceError(
                f"id {image.id!r} comes twice: {seen[image.id]} and {image.path}; give each image"
                " an id of its own"
            )
        seen[image.id] = image.path
