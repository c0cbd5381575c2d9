"""Finds damage in a gallery: every file against its checksum, every row against its copies."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from partlens.common.bucket_address import Place
from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery import checksums, segments
from partlens.indexer.gallery.committed import (
    SUMS,
    Committed,
    note_committed,
    record,
    require_checksums,
)
from partlens.indexer.gallery.completeness import not_adding_up
from partlens.indexer.gallery.durability import damage
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.folder import DATASET
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.home.locate import home_of
from partlens.indexer.gallery.image_columns import TRUTH_COLUMNS, ImageColumns
from partlens.indexer.gallery.integrity import notes, sealed_folder, sealed_folders, truth_files
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.rows_version import RowsVersion, manifest_place
from partlens.indexer.gallery.schema import array_columns, arrays
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.times import out_of_range

Key = tuple[str, int]
"""An image's id and revision."""


@dataclass(frozen=True)
class Verification:
    """What a look at all of a gallery gave.

    Attributes:
        images: that the gallery holds; None where damage keeps them from being counted.
        whole: of these, those whose row was read and adds up. Such a row may still be damaged in
            what nothing is computed from, as its thumbnail, where its file is among the findings.
        segments: that are whole.
        unchecked: files of the truth that have no checksum, because the machine went down soon
            after they were written; their rows are read all the same.
        findings: all damage.
    """

    images: int | None
    whole: int
    segments: int
    unchecked: int
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        """The last line of a report."""
        images = "the images cannot be counted" if self.images is None else f"{self.images} images"
        return (
            f"{images}, {self.whole} read whole; {self.segments} segments; {self.unchecked} files"
            f" without a checksum; {len(self.findings)} damaged"
        )


def verify(place: Place | Home) -> Verification:
    """Look at every file and every row of a gallery; nothing is changed.

    Raises:
        NotFoundError, NewerFormatError: it cannot be looked at.
        DamagedError: gallery.json or committed.json is damaged, and nothing can be read.
    """
    home = home_of(place)
    bound = GallerySpec.read(home)
    while True:
        before = _state(home)
        outcome = _verify(home, bound, before[0])
        # Meanwhile a writer may have tidied away what this version needs, or its segments.
        if not outcome.findings or _state(home) == before:
            return outcome


def repair(place: Place | Home) -> Verification:
    """Make damaged segments and indexes again from the truth, then look at everything again.

    Nothing is changed where the truth is damaged too: a segment may then be the better copy.

    Raises:
        LockedError, StorageError: the gallery cannot be written to.
        NotFoundError, NewerFormatError, DamagedError: as verify.
    """
    home = home_of(place)
    with home.lock():
        outcome = verify(home)
        if any(one.place == SUMS for one in outcome.findings):
            if outcome.whole != outcome.images:
                return outcome
            _record_again(home)
            outcome = verify(home)
        repairable = [one for one in outcome.findings if one.repairable]
        damaged = [one for one in outcome.findings if not (one.repairable or one.advice)]
        if not repairable or damaged:
            return outcome
        places = {finding.place for finding in repairable} - {SEGMENTS}
        segments.remove(home.folder / place for place in places)
    with Gallery.open(home) as gallery:  # which makes what is missing, but for indexes
        gallery.compact()
    return verify(home)


def _record_again(home: Home) -> None:
    """Record the checksums of a truth that lost them; its rows have been read."""
    home.write(SUMS, b"")
    record(home, LanceRows(home).current.files())
    note_committed(home)
    require_checksums(home)


def _state(home: Home) -> tuple[int, list[Path]]:
    """The newest version, and the folders of segments: a new one follows the version it is for."""
    return Committed.read(home).version, segments.folders(home.folder / SEGMENTS)


def _verify(home: Home, bound: GallerySpec, number: int) -> Verification:
    path = home.folder
    derived, whole = _derived(path, bound)
    derived += [found for note in notes(home, bound) if (found := note.examine(checksums.digest))]
    try:
        version = LanceRows(home).current
    except DamagedError as error:
        place = manifest_place(number)
        of_truth = Finding(place, f"cannot be opened: {error}", repairable=False)
        return Verification(None, 0, len(whole), 0, (of_truth, *derived))
    of_files, unchecked = _damaged_files(home, version)
    images, sound, of_rows = _damaged_rows(bound, version, whole)
    if derived or home.remote:
        # Rows of a damaged segment are in no other; that need not be said again. Of a bucket, this
        # machine need not have them all.
        of_rows = [one for one in of_rows if one.place != SEGMENTS]
    every = (*_combined(of_files, of_rows), *derived)
    return Verification(images, sound, len(whole), unchecked, every)


def _derived(path: Path, bound: GallerySpec) -> tuple[list[Finding], list[Segment]]:
    """Damage of segments and indexes, and the segments that are whole."""
    findings, whole = list[Finding](), list[Segment]()
    for folder in segments.folders(path / SEGMENTS):
        found = sealed_folder(path, folder).examine(checksums.digest)
        if found:
            findings.append(found)
            continue
        try:
            segment = segments.load(folder, bound)
        except DamagedError as error:
            if folder.exists():  # else a writer has just put it into another
                findings.append(Finding(f"{SEGMENTS}/{folder.name}", str(error), repairable=True))
            continue
        whole.append(segment)
        for sealed in sealed_folders(path, segment):
            if sealed.path != folder and (found := sealed.examine(checksums.digest)):
                findings.append(found)
    return findings, whole


def _damaged_files(home: Home, version: RowsVersion) -> tuple[list[Finding], int]:
    """Files of the truth that are gone or differ; how many have no checksum."""
    files = truth_files(home, version)
    findings = [found for file in files if (found := file.examine(checksums.digest))]
    return findings, sum(file.digest is None and file.exists() for file in files)


def _damaged_rows(
    bound: GallerySpec, version: RowsVersion, whole: list[Segment]
) -> tuple[int | None, int, list[Finding]]:
    """How many images there are (None if that cannot be read), how many of them are whole; and
    damaged rows, such as are there twice, and such as are in no segment."""
    places = {key: (segment, row) for segment in whole for row, key in enumerate(_keys(segment))}
    columns = (*TRUTH_COLUMNS, "thumbnail", "embedding", *array_columns(bound))
    seen, sound, missing, findings = set[str](), 0, 0, list[Finding]()
    for part in version.parts():
        problems = list[str]()
        try:
            for batch in version.batches(columns, part):
                keys = _require_rows(batch, seen)
                wrong = not_adding_up(batch, bound)
                problems += [_not_adding_up(keys[row]) for row in wrong]
                missing += sum(key not in places for key in keys)
                sound += len(keys) - len(wrong)
                findings += _differing(batch, bound, keys, places, set(wrong))
                findings += _mistimed(batch)
        except DamagedError as error:
            problems.append(str(error))
        if problems:
            more = f", and so are {len(problems) - 1} more" if problems[1:] else ""
            place = version.data_files(part)[0]
            problem = f"{problems[0]}{more}"
            findings.insert(0, Finding(place, problem, repairable=False, images=part.count_rows()))
    images = _count(version)
    if images != len(seen) and not findings:
        problem = f"holds {len(seen)} images, and counts {images}"
        findings.append(Finding(DATASET, problem, repairable=False))
    if missing:
        findings.append(Finding(SEGMENTS, f"lack {missing} of {images} images", repairable=True))
    return images, sound, findings


def _count(version: RowsVersion) -> int | None:
    try:
        with damage("images cannot be counted"):
            return len(version)
    except DamagedError:
        return None


def _combined(of_files: list[Finding], of_rows: list[Finding]) -> Iterator[Finding]:
    """One finding for each file of the truth, with what is wrong with its rows."""
    problems = {one.place: one.problem for one in of_rows if one.kind == "truth"}
    for one in of_files:
        rows = problems.pop(one.place, "")
        yield replace(one, problem=f"{one.problem}: {rows}") if rows else one
    for one in of_rows:
        if one.kind != "truth" or one.place in problems:
            yield one


def _keys(segment: Segment) -> Iterator[Key]:
    ids = segment.columns.table["id"].to_pylist()
    return zip(ids, segment.columns.revisions.tolist(), strict=True)


def _require_rows(batch: pa.Table, seen: set[str]) -> list[Key]:
    """The keys of rows whose metadata can be read and whose ids were not seen before."""
    with damage("metadata of the gallery cannot be read"):
        of = ImageColumns.of_truth(batch, np.zeros(len(batch), np.int64))
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
        advice = "index the image again with a time that is allowed"
        yield Finding(DATASET, problem, repairable=False, advice=advice)


def _not_adding_up(key: Key) -> str:
    return f"the embedding of image {key[0]!r} is not the sum of its parts"


def _differing(
    batch: pa.Table,
    bound: GallerySpec,
    keys: list[Key],
    places: dict[Key, tuple[Segment, int]],
    wrong: set[int],
) -> Iterator[Finding]:
    """Segments that hold other numbers than the truth, where that is not wrong itself."""
    contributions, bias = arrays(batch, bound)
    for number, key in enumerate(keys):
        if key in places and number not in wrong:
            segment, row = places[key]
            same = np.array_equal(segment.contributions[row], contributions[number])
            if not (same and np.array_equal(segment.bias[row], bias[number])) and segment.path:
                problem = f"holds other numbers of image {key[0]!r} than the truth"
                yield Finding(f"{SEGMENTS}/{segment.path.name}", problem, repairable=True)
