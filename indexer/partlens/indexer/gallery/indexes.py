"""FAISS indexes of segments: in files beside them, made again when they are missing or damaged."""

import json
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import faiss
import numpy as np
from numpy.typing import NDArray

from partlens.common.compute import Device
from partlens.common.durable import sync, write_atomically
from partlens.common.files import read_file
from partlens.explainer.halves import to_half
from partlens.indexer.errors import DamagedError, GalleryError, unreadable
from partlens.indexer.gallery import checksums
from partlens.indexer.gallery.copies import Copies
from partlens.indexer.gallery.durability import remove_entry
from partlens.indexer.gallery.faiss_files import read_index
from partlens.indexer.gallery.gpu import gpu_copy, require_gpu
from partlens.indexer.gallery.inherited import (
    Origin,
    add_to_lists,
    can_reuse,
    give_centres,
    lists_before,
)
from partlens.indexer.gallery.plan import (
    AUTO,
    INDEXED_ROWS,
    IndexChoice,
    images_factory,
    positions_factory,
)
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment, entries

INDEXES = "indexes"
_POSITIONS, _WHOLES, _EMBEDDINGS, _UNITS, _LENGTHS, _FACTS, SUMS = (
    "positions.faiss",
    "images.faiss",
    "embeddings.faiss",
    "images.npy",
    "lengths.npy",
    "index.json",
    "files.sha256",
)
_FILES = (_POSITIONS, _WHOLES, _EMBEDDINGS, _UNITS, _LENGTHS, _FACTS)
CHOICE = "choice.json"
_CHUNK_ROWS = 256
_TRAINING_VECTORS = 64
"""For each inverted list."""
_FEWEST_TRAINING = 256
"""In all, as one byte of a product code has so many values."""
_SEED = 0
_LEAST_LEFT = 0.9
"""Share of its rows that a segment must keep for its lists to be used again. Measured with 20,000
images: without 10 % recall is as after training anew, without 30 % up to 0.007 lower."""
_MOST_GROWN = 1.4
"""How many times as many rows as when its lists were trained a segment may have. Measured with
100,000 images: recall is 0.992 after training anew, 0.990 with lists trained on 75,000 of them, and
0.986 with lists trained on 52,000."""


class FactoryError(GalleryError, ValueError):
    """A factory string that FAISS cannot make an index of."""


@dataclass(frozen=True, eq=False)
class SegmentIndex:
    """Indexes of one segment; inner products with vectors of length 1.

    FAISS would map its files, but a mapped file that is cut short ends the process, so they are
    read into memory.

    Attributes:
        positions: contributions; a FAISS id is row * P + position. Positions that contribute
            nothing are left out.
        images: S_r = sum_q c_q of each row; a FAISS id is the row.
        embeddings: E_r = S_r + b_r of each row, likewise.
        units: S_r / |S_r| of each row, 0 where S_r is, float16 [M, D].
        lengths: |S_r| and |E_r| of each row, float32 [M, 2].
        on_disk: whether it is in files; if not it is of a few images, or provisional.
        trained: number of rows when its lists were trained.
    """

    positions: Any
    images: Any
    embeddings: Any
    units: NDArray[np.float16]
    lengths: NDArray[np.float32]
    on_disk: bool
    trained: int

    @cached_property
    def copies(self) -> Copies:
        """Which rows may be copies of each other."""
        return Copies(self.units)


class _Lists(NamedTuple):
    """The list of each position, -1 for the nearest, shape [M * P], and when they were trained."""

    numbers: NDArray[np.int32]
    trained: int


class Indexes:
    """The indexes of a gallery's segments; safe to use from threads.

    Args:
        folder: of the indexes, with a folder for each segment that has one.
        dimensions: D.
        device: where indexes of positions that are in files are searched.

    Raises:
        GpuError: there is no such device.
    """

    def __init__(self, folder: Path, dimensions: int, device: Device = "cpu") -> None:
        if device == "cuda":
            require_gpu()
        self._folder, self._dimensions, self._device = folder, dimensions, device
        self.choice = read_choice(folder)
        self._known: WeakKeyDictionary[Segment, SegmentIndex] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, segment: Segment) -> SegmentIndex:
        """That of a segment: from its files, or compared vector by vector where it has none."""
        with self._lock:
            if segment not in self._known:
                self._known[segment] = self._read(segment) or _made(segment, "SQfp16", "SQfp16")
            return self._known[segment]

    def see(self, segments: Iterable[Segment]) -> None:
        """Take up the files of indexes that were written meanwhile."""
        for segment in segments:
            if segment in self._known:
                self._is_missing(segment)

    def missing(self, segments: Iterable[Segment]) -> list[Segment]:
        """Segments that should have files of an index and have none that can be read."""
        return [segment for segment in segments if self._is_missing(segment)]

    def lacks_files(self, segments: Iterable[Segment]) -> bool:
        """Whether files of an index that a segment should have are not there, as after an earlier
        version; what is in the others is not looked at."""
        return any(
            segment.path is not None
            and len(segment) >= INDEXED_ROWS
            and not all((self._folder / segment.path.name / name).exists() for name in _FILES)
            for segment in segments
        )

    def _is_missing(self, segment: Segment) -> bool:
        with self._lock:
            known = self._known.get(segment)
            if segment.path is None or len(segment) < INDEXED_ROWS or (known and known.on_disk):
                return False
            read = self._read(segment)
            if read is not None:
                self._known[segment] = read
            return read is None

    def choose(self, choice: IndexChoice) -> None:
        """Have all indexes made anew, as this says; only for the one writer.

        Raises:
            FactoryError: no index can be made of the factory string; nothing is changed.
        """
        if choice.factory != AUTO:
            _empty(self._dimensions, choice.factory)
        self._folder.mkdir(exist_ok=True)
        write_atomically(self._folder / CHOICE, json.dumps(asdict(choice)).encode())
        self.choice = choice
        with self._lock:
            self._known.clear()
        self.keep_only(())

    def build(self, segment: Segment, images: int, origin: Origin | None = None) -> None:
        """Write a segment's index and use it from now on; small segments get none.

        Args:
            images: number of images in the gallery.
            origin: where most of its rows come from; the lists of that segment are used again where
                that is possible.

        Raises:
            OSError: the disk refused it.
        """
        if segment.path is None or len(segment) < INDEXED_ROWS:
            return
        rows, positions, dimensions = segment.contributions.shape
        share = rows / max(images, rows)
        factory = positions_factory(self.choice, rows * positions, dimensions, share)
        place = self._folder / segment.path.name
        draft = place.with_name(f".{place.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            _write(draft, segment, factory, self._lists(segment, factory, origin))
            remove_entry(place)
            draft.rename(place)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        with self._lock:
            self._known[segment] = self._placed(_open(place, segment))

    def _lists(self, segment: Segment, factory: str, origin: Origin | None) -> "_Lists | None":
        """Those of an earlier segment; None if there are none, or they no longer fit."""
        if origin is None or origin.kept < _LEAST_LEFT * len(origin.segment):
            return None
        with self._lock:
            known = self._known.get(origin.segment) or self._read(origin.segment)
        if known is None or len(segment) > _MOST_GROWN * known.trained:
            return None
        if not can_reuse(known.positions, _empty(self._dimensions, factory)):
            return None
        return _Lists(lists_before(known.positions, origin), known.trained)

    def keep_only(self, segments: Iterable[Segment]) -> None:
        """Delete the files of all other segments' indexes; only for the one writer."""
        names = {segment.path.name for segment in segments if segment.path}
        for path in entries(self._folder):
            if path.name not in names:
                remove_entry(path)

    def forget(self, segment: Segment) -> None:
        """Let go of an index whose files were damaged while it was in use."""
        with self._lock:
            self._known.pop(segment, None)

    def _read(self, segment: Segment) -> SegmentIndex | None:
        if segment.path is None or not (self._folder / segment.path.name).exists():
            return None
        try:
            return self._placed(_load(self._folder / segment.path.name, segment))
        except DamagedError:
            return None

    def _placed(self, index: SegmentIndex) -> SegmentIndex:
        if self._device == "cpu":
            return index
        return replace(index, positions=gpu_copy(index.positions))


def read_choice(folder: Path) -> IndexChoice:
    """What was chosen for a folder of indexes; the default where nothing was.

    Raises:
        DamagedError: the file is not what choose writes.
    """
    try:
        plain = json.loads(read_file(folder / CHOICE))
        memory = plain["memory_bytes"]
        return IndexChoice(str(plain["factory"]), None if memory is None else int(memory))
    except FileNotFoundError:
        return IndexChoice()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise unreadable(
            f"{folder.name}/{CHOICE} cannot be read: {error}; delete it, and choose again with"
            " `partlens index compact`",
            error,
        ) from error


def _write(folder: Path, segment: Segment, factory: str, lists: _Lists | None = None) -> None:
    """The files of a segment's index, synced; what was built in memory is let go of."""
    rows, positions, dimensions = segment.contributions.shape
    made = _made(segment, factory, images_factory(rows, dimensions), lists)
    faiss.write_index(made.positions, str(folder / _POSITIONS))
    faiss.write_index(made.images, str(folder / _WHOLES))
    faiss.write_index(made.embeddings, str(folder / _EMBEDDINGS))
    np.save(folder / _UNITS, made.units)
    np.save(folder / _LENGTHS, made.lengths)
    facts = {"factory": factory, "rows": rows, "positions": positions, "trained": made.trained}
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    files = [folder / name for name in _FILES]
    checksums.record(folder / SUMS, files)
    for path in (*files, folder / SUMS, folder):
        sync(path)


def _load(path: Path, segment: Segment) -> SegmentIndex:
    """That of a folder, after its files are compared with their checksums; DamagedError."""
    try:
        # First, as FAISS must not parse a file that was changed.
        problem = checksums.difference(path, path / SUMS)
    except OSError as error:
        raise unreadable(f"index {path.name} cannot be read: {error}", error) from error
    if problem:
        raise DamagedError(f"index {path.name}: {problem}")
    return _open(path, segment)


def _open(path: Path, segment: Segment) -> SegmentIndex:
    rows, positions, dimensions = segment.contributions.shape
    try:
        facts = json.loads(read_file(path / _FACTS))
        fits = [facts["rows"], facts["positions"]] == [rows, positions]
        found = SegmentIndex(
            read_index(path / _POSITIONS, dimensions, rows * positions),
            read_index(path / _WHOLES, dimensions, rows),
            read_index(path / _EMBEDDINGS, dimensions, rows),
            np.load(path / _UNITS, allow_pickle=False),
            np.load(path / _LENGTHS, allow_pickle=False),
            on_disk=True,
            trained=int(facts.get("trained", rows)),
        )
    except (
        # RecursionError is a RuntimeError.
        OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError,
    ) as error:  # fmt: skip
        raise unreadable(f"index {path.name} cannot be read: {error}", error) from error
    fits &= found.units.shape == (rows, dimensions) and found.units.dtype == np.float16
    fits &= found.lengths.shape == (rows, 2) and found.lengths.dtype == np.float32
    if not fits:
        raise DamagedError(f"index {path.name} is not one of segment {path.name}")
    return found


def _made(
    segment: Segment, factory: str, of_images: str, lists: _Lists | None = None
) -> SegmentIndex:
    """Trained on the segment's vectors, with them.

    Args:
        lists: None to train new ones.
    """
    rows, positions, dimensions = segment.contributions.shape
    indexes = [_empty(dimensions, text) for text in (factory, of_images, of_images)]
    if lists is not None:
        give_centres(indexes[0], _in_lists(segment, lists.numbers))
    random = np.random.default_rng(_SEED)
    for number, index in enumerate(indexes):
        held = rows if number else rows * positions
        if not index.is_trained:
            inverted = faiss.try_extract_index_ivf(index)
            wanted = _TRAINING_VECTORS * (inverted.nlist if inverted else 1024)
            some = min(rows, -(-wanted * rows // held))
            chosen = np.sort(random.choice(rows, some, replace=False))
            training, _ = _unit(_vectors(segment, chosen)[number])
            index.train(_enough(training, inverted, random))
    units, lengths = np.zeros((rows, dimensions), "<f2"), np.zeros((rows, 2), "<f4")
    for start in range(0, rows, _CHUNK_ROWS):
        chunk = slice(start, min(start + _CHUNK_ROWS, rows))
        contributions, *wholes = _vectors(segment, chunk)
        unit, which = _unit(contributions)
        _add(indexes[0], unit, start * positions + which, lists.numbers if lists else None)
        for column, vectors in enumerate(wholes):
            unit, which = _unit(vectors)
            _add(indexes[1 + column], unit, start + which)
            lengths[chunk, column] = np.linalg.norm(vectors, axis=1)
            if column == 0:
                units[start + which] = to_half(unit)
    trained = lists.trained if lists else rows
    return SegmentIndex(
        indexes[0], indexes[1], indexes[2], units, lengths, on_disk=False, trained=trained
    )


def _in_lists(
    segment: Segment, lists: NDArray[np.int32]
) -> Iterator[tuple[FloatArray, NDArray[np.int32]]]:
    """The vectors of positions, of length 1, and their lists, part by part."""
    rows, positions, dimensions = segment.contributions.shape
    for start in range(0, rows, _CHUNK_ROWS):
        contributions = segment.contributions[start : start + _CHUNK_ROWS]
        unit, which = _unit(contributions.reshape(-1, dimensions))
        yield unit, lists[start * positions + which]


def _vectors(
    segment: Segment, rows: NDArray[np.int64] | slice
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What the indexes of SegmentIndex hold of rows, at any length: contributions [M * P, D], sums
    [M, D] and embeddings [M, D]."""
    contributions = segment.contributions[rows]
    sums = contributions.sum(1)
    return contributions.reshape(-1, contributions.shape[2]), sums, sums + segment.bias[rows]


def _empty(dimensions: int, factory: str) -> Any:
    try:
        index = faiss.index_factory(dimensions, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise FactoryError(
            f"FAISS cannot make an index {factory!r} of {dimensions} dimensions: {error}"
        ) from error
    if isinstance(index, faiss.IndexRefine):
        raise FactoryError(
            f"{factory!r} refines what it finds, as exact re-ranking does: leave out its last part"
        )
    return index if faiss.try_extract_index_ivf(index) else faiss.IndexIDMap2(index)


def _enough(vectors: FloatArray, inverted: Any, random: np.random.Generator) -> FloatArray:
    """The vectors, with random ones where FAISS would refuse to train with so few.

    Args:
        vectors: of length 1.
        inverted: the inverted lists that are trained, or None.
    """
    fewest = max(_FEWEST_TRAINING, inverted.nlist if inverted else 0)
    missing = max(0, fewest - len(vectors))
    added = random.standard_normal((missing, vectors.shape[1])).astype(np.float32)
    return np.concatenate([vectors, _unit(added)[0]])


def _unit(vectors: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Those that are not zero, scaled to length 1, and which they are."""
    norms = np.linalg.norm(vectors, axis=1)
    something = np.flatnonzero(norms > 0)
    return vectors[something] / norms[something, None], something


def _add(
    index: Any,
    unit: FloatArray,
    ids: NDArray[np.int64],
    lists: NDArray[np.int32] | None = None,
) -> None:
    if not len(unit):
        return
    if lists is None:
        index.add_with_ids(unit, ids)
    else:
        add_to_lists(index, unit, ids, lists[ids])
