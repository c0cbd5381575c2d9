"""Segments: contributions laid out for searching; derived from the truth, rebuildable any time."""

import json
import shutil
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery.records import FloatArray

Key = tuple[str, int]
"""An image's id and revision."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Some images' arrays, memory-mapped.

    Attributes:
        path: its folder.
        keys: which images, in row order; those replaced or deleted since are passed over.
        contributions: c_p, float16, shape [M, P, D].
        bias: b, float32, shape [M, D].
    """

    path: Path
    keys: tuple[Key, ...]
    contributions: NDArray[np.float16]
    bias: FloatArray

    def __len__(self) -> int:
        return len(self.keys)


def write(
    folder: Path, keys: Sequence[Key], contributions: NDArray[np.float16], bias: FloatArray
) -> Segment:
    """A new segment, there as a whole or not at all; not synced, as the truth can make it again."""
    name = uuid.uuid4().hex
    draft = folder / f".{name}"
    draft.mkdir(parents=True)
    np.save(draft / "contributions.npy", contributions.astype(np.float16, copy=False))
    np.save(draft / "bias.npy", bias.astype(np.float32, copy=False))
    (draft / "keys.json").write_text(json.dumps(list(keys)), encoding="utf-8")
    return _map(draft.rename(folder / name))


def load(path: Path, spec: ModelSpec) -> Segment:
    """A segment on disk.

    Raises:
        DamagedError: files are missing, damaged, or of another shape.
    """
    try:
        segment = _map(path)
    except (OSError, ValueError, TypeError, EOFError, RecursionError) as error:
        raise DamagedError(f"segment {path.name} cannot be read: {error}") from error
    shape = (len(segment.keys), spec.positions, spec.dimensions)
    fits = segment.contributions.shape == shape and segment.contributions.dtype == np.float16
    if not fits or segment.bias.shape != (shape[0], shape[2]) or segment.bias.dtype != np.float32:
        raise DamagedError(f"segment {path.name} does not hold arrays of {shape}")
    return segment


def load_all(folder: Path, spec: ModelSpec) -> list[Segment]:
    """Every segment that can be read; damaged ones are removed, to be made again."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        try:
            found.append(load(path, spec))
        except DamagedError:
            shutil.rmtree(path, ignore_errors=True)
    return found


def merge(folder: Path, parts: Iterable[tuple[Segment, NDArray[np.int64]]]) -> Segment:
    """One segment of the given rows of several; the several stay."""
    chosen = [(segment, rows) for segment, rows in parts if len(rows)]
    return write(
        folder,
        [segment.keys[row] for segment, rows in chosen for row in rows],
        np.concatenate([segment.contributions[rows] for segment, rows in chosen]),
        np.concatenate([segment.bias[rows] for segment, rows in chosen]),
    )


def remove(segment: Segment) -> None:
    """Delete its files; who has them mapped keeps them until done."""
    shutil.rmtree(segment.path, ignore_errors=True)


def _map(path: Path) -> Segment:
    plain = json.loads((path / "keys.json").read_text(encoding="utf-8"))
    keys = tuple((str(id), int(revision)) for id, revision in plain)
    if not keys:
        raise ValueError("it holds no image")
    contributions = np.load(path / "contributions.npy", mmap_mode="r", allow_pickle=False)
    bias = np.load(path / "bias.npy", mmap_mode="r", allow_pickle=False)
    return Segment(path, keys, contributions, bias)
