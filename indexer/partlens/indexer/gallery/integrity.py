"""The files that a gallery's newest version needs, and whether they are as they were written."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from partlens.indexer.errors import DamagedError, IndexerError, OutOfFilesError, unreadable
from partlens.indexer.gallery import checksums, indexes, segments
from partlens.indexer.gallery.committed import (
    COMMITTED,
    DATASET,
    SUMS,
    Committed,
    recorded,
    require_checksums,
)
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.indexes import INDEXES
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.view import GalleryView

Digest = Callable[[Path], str]
Identity = tuple[tuple[str, int, int, int], ...]
_log = logging.getLogger(__name__)
_GLANCE_BYTES = 32 * 2**20
"""Of files of rows that are read as a gallery is opened, when they are not more in all."""


@dataclass(frozen=True)
class TruthFile:
    """A file of the truth.

    Attributes:
        path: of the file.
        place: the same, relative to the gallery's folder.
        digest: its SHA-256; None if none is recorded.
        lost: whether there is none although one was recorded. Versions before 0.2 could lose it
            as the machine went down.
        images: how many depend on it.
        of_rows: whether it holds rows, or says which rows there are.
        size: in bytes, where that was written down.
    """

    path: Path
    place: str
    digest: str | None
    lost: bool
    images: int
    of_rows: bool
    size: int | None

    def examine(self, digest_of: Digest) -> Finding | None:
        """Read the file; None if it is whole, or no version needs it any more."""
        if self.digest is None:
            problem = "has no checksum any more" if self.lost else None
            problem = problem if self.path.exists() else "is missing"
        else:
            problem = _difference(self.path, self.digest, digest_of)
        if problem is None or not _needed(self.path):
            return None
        return Finding(self.place, problem, repairable=False, images=self.images)


@dataclass(frozen=True)
class SealedFolder:
    """A segment or an index: a folder with a list of its files' checksums.

    Attributes:
        path: of the folder.
        place: the same, relative to the gallery's folder.
        sums: the list.
        images: how many lie in it.
    """

    path: Path
    place: str
    sums: Path
    images: int

    def examine(self, digest_of: Digest) -> Finding | None:
        """Read its files; None if they are whole, or the folder was removed or replaced."""
        while True:
            before = _inode(self.path)
            if before is None:
                return None
            try:
                problem = checksums.difference(self.path, self.sums, digest_of=digest_of)
            except OSError as error:
                problem = _unreadable(error)
            if problem is None:
                return None
            # Removing a segment renames its folder first, so this one is still the same and whole.
            if _inode(self.path) == before:
                return Finding(self.place, problem, repairable=True, images=self.images)


@dataclass(frozen=True)
class Note:
    """A small file that is read as a whole, such as gallery.json.

    Attributes:
        path: of the file.
        place: the same, relative to the gallery's folder.
        read: reads it, and raises IndexerError if it is damaged.
        advice: see Finding.
    """

    path: Path
    place: str
    read: Callable[[], object]
    advice: str = ""

    def examine(self, digest_of: Digest) -> Finding | None:
        """Read it; None if it can be read."""
        try:
            self.read()
        except OutOfFilesError:
            raise
        except IndexerError as error:
            problem = f"is damaged: {error}"
            return Finding(self.place, problem, repairable=False, advice=self.advice)
        return None


Piece = TruthFile | SealedFolder | Note


def pieces(view: GalleryView, path: Path, bound: GallerySpec) -> list[Piece]:
    """Everything on disk that a view needs, the truth first.

    Args:
        path: of the gallery.

    Raises:
        DamagedError: the version's list of files cannot be read.
    """
    found: list[Piece] = [*notes(path, bound), *truth_files(path, view.version)]
    for segment in view.live.segments:
        found += sealed_folders(path, segment)
    return found


def notes(path: Path, bound: GallerySpec) -> list[Note]:
    """The small files: gallery.json, committed.json, truth.sha256 and indexes/choice.json."""

    def same_binding() -> None:
        if GallerySpec.read(path) != bound:
            raise DamagedError("it names another model than when the gallery was opened")

    choice = f"{INDEXES}/{indexes.CHOICE}"
    return [
        Note(path / "gallery.json", "gallery.json", same_binding),
        Note(path / COMMITTED, COMMITTED, lambda: Committed.newest(path)),
        checksums_note(path),
        Note(path / choice, choice, lambda: indexes.read_choice(path / INDEXES)),
    ]


def checksums_note(path: Path) -> Note:
    """The file of checksums, without which other damage of the truth cannot be found."""
    advice = (
        "restore this file from a backup; if there is none, `partlens index verify --repair`"
        " records the checksums again, provided that every row can be read"
    )
    return Note(path / SUMS, SUMS, lambda: require_checksums(path), advice)


def truth_files(path: Path, version: RowsVersion) -> list[TruthFile]:
    """The files that a version of the truth needs."""
    sums = recorded(path)
    found = []
    for file in version.needed():
        place = file.path.relative_to(path).as_posix()
        digest = sums.get(place)
        lost = digest is None and COMMITTED in sums
        found.append(
            TruthFile(file.path, place, digest, lost, file.images, file.of_rows, file.size)
        )
    return found


def sealed_folder(path: Path, folder: Path, images: int = 0) -> SealedFolder:
    """A segment's or an index's folder in the gallery at `path`."""
    sums = indexes.SUMS if folder.parent.name == INDEXES else segments.SUMS
    return SealedFolder(folder, folder.relative_to(path).as_posix(), folder / sums, images)


def sealed_folders(path: Path, segment: Segment) -> Iterator[SealedFolder]:
    """The folders of a segment and of its index, those that are on disk."""
    for top in (SEGMENTS, INDEXES):
        if segment.path is not None and (path / top / segment.path.name).exists():
            yield sealed_folder(path, path / top / segment.path.name, len(segment))


@dataclass(frozen=True)
class Glance:
    """What can be seen of a gallery's truth without reading much.

    Attributes:
        findings: all damage.
        fatal: one of them because of which rows cannot be read, or it is not known which there are.
    """

    findings: tuple[Finding, ...]
    fatal: Finding | None


def glance(path: Path, version: RowsVersion) -> Glance:
    """Look for damage of the truth as a gallery is opened.

    It looks at the presence and size of every file, and compares with their checksums those that
    say which rows there are, and the files of rows where they have up to 32 MiB in all.

    Args:
        path: of the gallery.
    """
    files, fatal, findings = truth_files(path, version), None, list[Finding]()
    small = sum(file.size or 0 for file in files) <= _GLANCE_BYTES
    for file in files:
        problem = _misfit(file.path, file.size)
        finding = None
        if problem:
            finding = Finding(file.place, problem, repairable=False, images=file.images)
        elif small or not file.of_rows:
            finding = file.examine(checksums.digest)
        if finding:
            findings.append(finding)
            lost = file.lost and not problem
            fatal = finding if problem or not (file.of_rows or lost) else fatal
    if finding := checksums_note(path).examine(checksums.digest):
        findings.append(finding)
    return Glance(tuple(findings), fatal)


def require_readable(path: Path, truth: LanceRows) -> Sequence[Finding]:
    """Find damage that is cheap to detect, and log it.

    Args:
        path: of the gallery.
        truth: of the gallery; refreshed if a writer removed files meanwhile.

    Raises:
        DamagedError: the gallery cannot be read.
    """
    seen = glance(path, truth.current)
    while seen.findings and truth.refresh():
        seen = glance(path, truth.current)
    if seen.fatal:
        raise DamagedError(str(seen.fatal))
    for finding in seen.findings:
        _log.error("gallery %s is damaged: %s", path.name, finding)
    return seen.findings


def identity(piece: Piece) -> Identity:
    """Differs after the files of a piece were replaced, changed or removed."""
    found = []
    with suppress(OSError):  # what is gone has no identity
        files = sorted(piece.path.iterdir()) if piece.path.is_dir() else [piece.path]
        for file in files:
            status = file.stat()
            found.append((file.name, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _misfit(file: Path, expected: int | None) -> str | None:
    """What the file system says against a file."""
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return _unreadable(error)
    if expected is not None and size != expected:
        return f"has {size} bytes and was written with {expected}"
    return None


def _difference(file: Path, digest: str, digest_of: Digest) -> str | None:
    try:
        same = digest_of(file) == digest
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return _unreadable(error)
    return None if same else "differs from its checksum"


def _unreadable(error: OSError) -> str:
    """The problem of a file that cannot be read; OutOfFilesError if nothing is known of it."""
    problem = f"cannot be read: {error.strerror or error}"
    if isinstance(found := unreadable(problem, error), OutOfFilesError):
        raise found from error
    return problem


def _needed(file: Path) -> bool:
    """Whether the newest version on disk needs a file: a writer may have tidied it away."""
    folder = next(parent for parent in file.parents if parent.name == DATASET).parent
    try:
        return file in LanceRows(folder).current.files()
    except DamagedError:
        return True


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
