"""Finds damage in a gallery: every file against its checksum, every row against its copies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery import checksums, segments
from partlens.indexer.gallery.binding import Binding
from partlens.indexer.gallery.catalogue import TRUTH_COLUMNS, Catalogue
from partlens.indexer.gallery.durability import WriterLock, damage
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.indexes import INDEXES, Indexes
from partlens.indexer.gallery.schema import array_columns, arrays, embeddings
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.times import out_of_range
from partlens.indexer.gallery.truth import DATASET, SUMS, Truth
from partlens.indexer.gallery.version import Version
from partlens.indexer.gallery.view import LOCK, SEGMENTS

Key = tuple[str, int]
"""An image's id and revision."""
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written.

    Attributes:
        place: file or folder, below the gallery's.
        problem: what is wrong with it.
        repairable: whether the truth can make it again.
        advice: what to do, where that is neither a repair nor a backup.
    """

    place: str
    problem: str
    repairable: bool
    advice: str = ""

    def __str__(self) -> str:
        advice = self.advice or (
            "--repair makes it again from the truth"
            if self.repairable
            else "bring the gallery back from a backup, or index its images into a new one"
        )
        return f"{self.place}: {self.problem}; {advice}"


@dataclass(frozen=True)
class Verification:
    """What a look at all of a gallery gave.

    Attributes:
        images: rows of the truth that were read whole.
        segments: that hold them for searching.
        unchecked: files of the truth that have no checksum, because the machine went down soon
            after they were written; their rows are read all the same.
        findings: all damage.
    """

    images: int
    segments: int
    unchecked: int
    findings: tuple[Finding, ...]


def verify(path: Path) -> Verification:
    """Look at every file and every row of a gallery; nothing is changed.

    Raises:
        NotFoundError, NewerFormatError: it cannot be looked at.
        DamagedError: gallery.json or committed.json is damaged, and nothing can be read.
    """
    bound = Binding.read(path)
    truth = Truth(path)
    while True:
        outcome = _verify(path, bound, truth.current)
        # A writer may have tidied away what this version needs while it was read.
        if not outcome.findings or not truth.refresh():
            return outcome


def repair(path: Path) -> Verification:
    """Make damaged segments again from the truth, then look at everything again.

    Nothing is changed where the truth is damaged too: a segment may then be the better copy.

    Raises:
        LockedError, StorageError: the gallery cannot be written to.
        NotFoundError, NewerFormatError, DamagedError: as verify.
    """
    with WriterLock(path / LOCK):
        outcome = verify(path)
        repairable = [one for one in outcome.findings if one.repairable]
        damaged = [one for one in outcome.findings if not (one.repairable or one.advice)]
        if not repairable or damaged:
            return outcome
        places = {finding.place for finding in repairable} - {SEGMENTS}
        segments.remove(path / place for place in places)
    with Gallery.open(path) as gallery:  # which makes what is missing, but for indexes
        gallery.compact()
    return verify(path)


def _verify(path: Path, bound: Binding, version: Version) -> Verification:
    findings, unchecked = _damaged_files(path, version)
    whole = list[Segment]()
    for folder in segments.folders(path / SEGMENTS):
        try:
            segments.require_whole(folder, contents=True)
            whole.append(segments.load(folder, bound))
            findings += _damaged_index(path, whole[-1])
        except (OSError, DamagedError) as error:
            if folder.exists():  # else a writer has just put it into another
                problem = str(error).removeprefix(f"segment {folder.name}").lstrip(": ")
                findings.append(Finding(f"{SEGMENTS}/{folder.name}", problem, True))
    count = 0
    if all(finding.repairable for finding in findings):
        count, of_rows = _damaged_rows(bound, version, whole)
        # Rows of a damaged segment are in no other; that need not be said again.
        findings += [one for one in of_rows if not findings or one.place != SEGMENTS]
    return Verification(count, len(whole), unchecked, tuple(findings))


def _damaged_index(path: Path, segment: Segment) -> list[Finding]:
    try:
        Indexes(path / INDEXES, segment.bias.shape[1]).require_whole(segment)
    except DamagedError as error:
        return [Finding(f"{INDEXES}/{segment.path.name}", str(error), True)] if segment.path else []
    return []


def _damaged_files(path: Path, version: Version) -> tuple[list[Finding], int]:
    """Files of the truth that are gone or differ; how many have no checksum."""
    sums, findings, unchecked = checksums.recorded(path / SUMS), list[Finding](), 0
    for file in version.files():
        place = str(file.relative_to(path))
        if not file.exists():
            findings.append(Finding(place, "is missing", False))
        elif file not in sums:
            unchecked += 1
        elif checksums.digest(file) != sums[file]:
            findings.append(Finding(place, "differs from its checksum", False))
    return findings, unchecked


def _damaged_rows(
    bound: Binding, version: Version, whole: list[Segment]
) -> tuple[int, list[Finding]]:
    """How many rows there are, and those that are damaged, twice there, or in no segment."""
    places = {key: (segment, row) for segment in whole for row, key in enumerate(_keys(segment))}
    seen, missing, findings = set[str](), 0, list[Finding]()
    try:
        for batch in version.batches(
            (*TRUTH_COLUMNS, "thumbnail", "embedding", *array_columns(bound))
        ):
            keys = _require_rows(batch, seen)
            _require_sums(batch, bound, keys)
            missing += sum(key not in places for key in keys)
            findings += _differing(batch, bound, keys, places)
            findings += _mistimed(batch)
    except DamagedError as error:
        findings.append(Finding(DATASET, str(error), False))
    else:
        if len(seen) != len(version):
            problem = f"holds {len(seen)} images, and counts {len(version)}"
            findings.append(Finding(DATASET, problem, False))
    if missing:
        findings.append(Finding(SEGMENTS, f"lack {missing} of {len(seen)} images", True))
    return len(seen), findings


def _keys(segment: Segment) -> Iterator[Key]:
    ids = segment.catalogue.table["id"].to_pylist()
    return zip(ids, segment.catalogue.revisions.tolist(), strict=True)


def _require_rows(batch: pa.Table, seen: set[str]) -> list[Key]:
    """The keys of rows whose metadata can be read and whose ids were not seen before."""
    with damage("metadata of the gallery cannot be read"):
        of = Catalogue.of_truth(batch, np.zeros(len(batch), np.int64))
    keys = list(zip(of.table["id"].to_pylist(), of.revisions.tolist(), strict=True))
    for id, _ in keys:
        if id in seen:
            raise DamagedError(f"image {id!r} is there twice")
        seen.add(id)
    return keys


def _mistimed(batch: pa.Table) -> Iterator[Finding]:
    """Images whose time of capture an earlier version let in though nothing can show it."""
    wrong = out_of_range(batch)
    for id in batch["id"].filter(wrong).to_pylist():
        problem = f"the time of capture of image {id!r} is out of range and counts as unknown"
        yield Finding(DATASET, problem, False, "index the image again with a time that is allowed")


def _require_sums(batch: pa.Table, bound: Binding, keys: list[Key]) -> None:
    """Each embedding is the sum of its contributions and bias, or one of them is damaged."""
    contributions, bias = arrays(batch, bound)
    stored = embeddings(batch, bound)
    single = contributions[:]
    wrong = np.abs(single.sum(1) + bias - stored).max(1)
    # Written so that NaN, which compares false with everything, is found too.
    sound = wrong <= _TOLERANCE * (1 + np.abs(single).sum(1).max(1))
    for number in np.flatnonzero(~sound):
        raise DamagedError(
            f"the embedding of image {keys[number][0]!r} is not the sum of its parts"
        )


def _differing(
    batch: pa.Table, bound: Binding, keys: list[Key], places: dict[Key, tuple[Segment, int]]
) -> Iterator[Finding]:
    """Segments that hold other numbers than the truth."""
    contributions, bias = arrays(batch, bound)
    for number, key in enumerate(keys):
        if key in places:
            segment, row = places[key]
            same = np.array_equal(segment.contributions[row], contributions[number])
            if not (same and np.array_equal(segment.bias[row], bias[number])) and segment.path:
                problem = f"holds other numbers of image {key[0]!r} than the truth"
                yield Finding(f"{SEGMENTS}/{segment.path.name}", problem, True)
