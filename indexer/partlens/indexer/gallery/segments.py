"""Segments: contributions laid out for searching; derived from the truth, rebuildable any time."""

import os
import re
import shutil
import uuid
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from partlens.common.durable import sync
from partlens.common.storage import Storage
from partlens.explainer.stored import RowArray, Stored
from partlens.indexer.errors import DamagedError, unreadable
from partlens.indexer.gallery import checksums
from partlens.indexer.gallery.durability import remove_entry
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.image_columns import ImageColumns, joined
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.row_file import RowFile

SUMS, CATALOGUE, SCALES = "files.sha256", "catalogue.arrow", "scales.npy"
# Smaller ones are compared with their checksums on opening; larger ones are synced instead.
# Names of segments; their drafts and their indexes' begin with a dot.
_NAME = re.compile(r"\.?[0-9a-f]{32}(\.draft)?")
_SMALL_BYTES = 32 * 2**20
_CHUNK_BYTES = 16 * 2**20

_KINDS: Mapping[Storage, str] = {"float16": "<f2", "int8": "|i1"}
_Chunks = Iterable[tuple[Stored, FloatArray]]


@dataclass(frozen=True, eq=False)
class Segment:
    """Some images' arrays, in files or in memory.

    Attributes:
        path: its folder; None for one that is in memory only.
        columns: the images, in row order; those replaced or deleted since are skipped.
        contributions: c_p, shape [M, P, D].
        bias: b, float32, shape [M, D].
    """

    path: Path | None
    columns: ImageColumns
    contributions: Stored
    bias: RowArray

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def failed(self) -> bool:
        """Whether a file was found truncated or unreadable while it was in use."""
        return any(file.failed for file in self._row_files)

    def read_ahead(self, rows: NDArray[np.int64]) -> None:
        """Have the system read rows that will be scored, if they are on disk only."""
        for file in self._row_files:
            file.read_ahead(rows)

    @property
    def _row_files(self) -> list[RowFile]:
        arrays = (self.contributions.values, self.contributions.scales, self.bias)
        return [each for each in arrays if isinstance(each, RowFile)]


def write(folder: Path, columns: ImageColumns, contributions: Stored, bias: FloatArray) -> Segment:
    """Write a segment, as a whole or not at all.

    A small one is not synced: after a crash, its checksums show the damage and it is rebuilt.
    """
    return _write(folder, columns, contributions, [(contributions, bias)])


def _write(folder: Path, columns: ImageColumns, like: Stored, chunks: _Chunks) -> Segment:
    """A segment of chunks that are kept as one of them is."""
    count, (_, positions, dimensions) = len(columns), like.shape
    name = uuid.uuid4().hex
    draft = folder / f".{name}"
    draft.mkdir(parents=True)
    try:
        # Through files, not maps: a full disk is an error of a write, but the end of a process
        # that writes to a map.
        with (
            (draft / "contributions.npy").open("wb") as of_positions,
            (draft / "bias.npy").open("wb") as of_images,
            _scales_file(draft, like) as of_scales,
        ):
            kind = like.values.dtype.newbyteorder("<")
            _write_header(of_positions, kind.str, (count, positions, dimensions))
            _write_header(of_images, "<f4", (count, dimensions))
            if of_scales:
                _write_header(of_scales, "<f4", (count, positions))
            for contributions, bias in chunks:
                of_positions.write(_bytes(contributions.values[:], kind))
                of_images.write(_bytes(bias, "<f4"))
                if of_scales and contributions.scales is not None:
                    of_scales.write(_bytes(contributions.scales[:], "<f4"))
        columns.write(draft / CATALOGUE)
        seal(draft)
        return _map(draft.rename(folder / name))
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _bytes(array: NDArray[Any], kind: np.dtype[Any] | str) -> memoryview:
    """The numbers of an array as they are written, copied only if they must be."""
    return np.ascontiguousarray(array, kind).reshape(-1).view(np.uint8).data


def _scales_file(folder: Path, like: Stored) -> AbstractContextManager[BinaryIO | None]:
    return nullcontext() if like.scales is None else (folder / SCALES).open("wb")


def _write_header(file: BinaryIO, kind: str, shape: tuple[int, ...]) -> None:
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def seal(folder: Path) -> None:
    """Write the checksums of a segment's files, and sync them unless they are few bytes."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    (folder / SUMS).unlink(missing_ok=True)
    checksums.record(folder / SUMS, files)
    if sum(path.stat().st_size for path in files) > _SMALL_BYTES:
        for path in (*files, folder / SUMS, folder):
            sync(path)


def in_memory(columns: ImageColumns, contributions: Stored, bias: FloatArray) -> Segment:
    """A segment for as long as this process needs it."""
    return Segment(None, columns, contributions, bias)


def load(path: Path, bound: GallerySpec) -> Segment:
    """A segment on disk.

    Raises:
        DamagedError: files are missing, damaged, or of another shape.
    """
    try:
        # First, as a file that was changed must not be parsed.
        require_whole(path, contents=_size(path) <= _SMALL_BYTES)
        segment = _map(path)
        _require_fitting(segment, bound)
    except (OSError, ValueError, TypeError, EOFError, RecursionError) as error:
        raise unreadable(f"segment {path.name} cannot be read: {error}", error) from error
    return segment


def _require_fitting(segment: Segment, bound: GallerySpec) -> None:
    """Raise ValueError unless a segment's arrays are of its gallery's shapes and numbers."""
    kept, kind = segment.contributions, np.dtype(_KINDS[bound.storage])
    shape = (len(segment), bound.spec.positions, bound.spec.dimensions)
    fits = [kept.values.shape == shape and kept.values.dtype == kind]
    fits += [segment.bias.shape == shape[::2] and segment.bias.dtype == np.float32]
    fits += [(kept.scales is not None) == (bound.storage == "int8")]
    if kept.scales is not None:
        fits += [kept.scales.shape == shape[:2] and kept.scales.dtype == np.float32]
    if not all(fits):
        raise ValueError(f"it does not hold {bound.storage} arrays of {shape}")


def require_whole(path: Path, *, contents: bool) -> None:
    """Compare a segment's files with its checksums.

    Args:
        contents: all of their bytes; otherwise only those of its columns.

    Raises:
        DamagedError: they differ; the message names the file.
    """
    problem = checksums.difference(
        path, path / SUMS, lambda file: contents or file.name == CATALOGUE
    )
    if problem:
        raise DamagedError(f"segment {path.name}: {problem}")


def folders(folder: Path) -> list[Path]:
    """Those of all segments, damaged ones too."""
    return [path for path in entries(folder) if not path.name.startswith(".")]


def entries(folder: Path) -> list[Path]:
    """What is called like a segment, an index or a draft of one; the rest is someone else's."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if _NAME.fullmatch(path.name)]


def load_others(
    folder: Path, bound: GallerySpec, known: Container[Path | None]
) -> tuple[list[Segment], list[Path]]:
    """Segments whose folders are not known and that can be read; folders of damaged ones."""
    found, damaged = [], []
    for path in folders(folder):
        if path in known:
            continue
        try:
            found.append(load(path, bound))
        except DamagedError:
            damaged.append(path)
    return found, damaged


def merge(folder: Path, parts: Sequence[tuple[Segment, NDArray[np.int64]]]) -> Segment:
    """One segment of the given rows of several, at least one; the several stay."""
    first, _ = parts[0]
    columns = joined([segment.columns.take(rows) for segment, rows in parts])
    return _write(folder, columns, first.contributions, _chunks(parts))


def _chunks(parts: Sequence[tuple[Segment, NDArray[np.int64]]]) -> _Chunks:
    for segment, rows in parts:
        step = max(1, _CHUNK_BYTES // segment.contributions.bytes_per_image)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            yield segment.contributions.take(some), segment.bias[some]


def remove(paths: Iterable[Path]) -> None:
    """Delete segments; processes that have them open can still read them."""
    for path in paths:
        remove_entry(path)


def _size(path: Path) -> int:
    # Closed even where a writer removes the files meanwhile.
    with os.scandir(path) as entries:
        return sum(entry.stat().st_size for entry in entries)


def _map(path: Path) -> Segment:
    columns = ImageColumns.read(path / CATALOGUE)
    values, bias = RowFile(path / "contributions.npy"), RowFile(path / "bias.npy")
    scales = RowFile(path / SCALES) if (path / SCALES).exists() else None
    return Segment(path, columns, Stored(values, scales), bias)
