"""The files that a gallery's newest version needs, and whether they are as they were written."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from partlens.indexer.errors import (
    DamagedError,
    IndexerError,
    OutOfFilesError,
    UnreachableError,
    unreadable,
)
from partlens.indexer.gallery import checksums, gallery_spec, indexes, segments
from partlens.indexer.gallery.committed import (
    COMMITTED,
    SUMS,
    Committed,
    recorded,
    require_checksums,
)
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.home.home import File, Home
from partlens.indexer.gallery.indexes import INDEXES
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.view import GalleryView

Digest = Callable[[File], str]
Identity = tuple[object, ...]
_log = logging.getLogger(__name__)
_GLANCE_BYTES = 32 * 2**20
"""Of files of rows that are read as a gallery is opened, when they are not more in all."""


@dataclass(frozen=True)
class TruthFile:
    """A file of the truth.

    Attributes:
        home: of the gallery.
        place: the file, relative to the gallery.
        digest: its SHA-256; None if none is recorded.
        lost: whether there is none although one was recorded. Versions before 0.2 could lose it
            as the machine went down.
        images: how many depend on it.
        of_rows: whether it holds rows, or says which rows there are.
        size: in bytes, where that was written down.
    """

    home: Home
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
            problem = problem if self.exists() else "is missing"
        else:
            problem = _difference(self.home.file(self.place), self.digest, digest_of)
        if problem is None or not self._needed():
            return None
        return Finding(self.place, problem, repairable=False, images=self.images)

    def exists(self) -> bool:
        """Whether it is there."""
        return self.home.state(self.place) is not None

    def identity(self) -> Identity:
        """Differs after the file was replaced, changed or removed."""
        return (self.home.state(self.place),)

    def _needed(self) -> bool:
        """Whether the newest version needs the file: a writer may have tidied it away."""
        try:
            return self.place in LanceRows(self.home).current.files()
        except DamagedError:
            return True


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

    def identity(self) -> Identity:
        """Differs after one of the files was replaced, changed or removed."""
        found = []
        with suppress(OSError):  # what is gone has no identity
            for file in sorted(self.path.iterdir()):
                status = file.stat()
                found.append((file.name, status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)


@dataclass(frozen=True)
class Note:
    """A small file that is read as a whole, such as gallery.json.

    Attributes:
        home: of the gallery, or of its derived files.
        place: the file, relative to the gallery.
        read: reads it, and raises IndexerError if it is damaged.
        advice: see Finding.
    """

    home: Home
    place: str
    read: Callable[[], object]
    advice: str = ""

    def examine(self, digest_of: Digest) -> Finding | None:
        """Read it; None if it can be read."""
        try:
            self.read()
        except (OutOfFilesError, UnreachableError):
            raise
        except IndexerError as error:
            problem = f"is damaged: {error}"
            return Finding(self.place, problem, repairable=False, advice=self.advice)
        return None

    def identity(self) -> Identity:
        """Differs after the file was replaced, changed or removed."""
        return (self.home.state(self.place),)


Piece = TruthFile | SealedFolder | Note


def pieces(view: GalleryView, bound: GallerySpec) -> list[Piece]:
    """Every file that a view needs, the truth first.

    Raises:
        DamagedError: the version's list of files cannot be read.
    """
    found: list[Piece] = [*notes(view.home, bound), *truth_files(view.home, view.version)]
    for segment in view.live.segments:
        found += sealed_folders(view.path, segment)
    return found


def notes(home: Home, bound: GallerySpec) -> list[Note]:
    """The small files: gallery.json, committed.json, truth.sha256 and indexes/choice.json."""

    def same_binding() -> None:
        if GallerySpec.read(home) != bound:
            raise DamagedError("it names another model than when the gallery was opened")

    choice = f"{INDEXES}/{indexes.CHOICE}"
    return [
        Note(home, gallery_spec.FILE, same_binding),
        Note(home, COMMITTED, lambda: Committed.newest(home)),
        checksums_note(home),
        Note(FolderHome(home.folder), choice, lambda: indexes.read_choice(home.folder / INDEXES)),
    ]


def checksums_note(home: Home) -> Note:
    """The file of checksums, without which other damage of the truth cannot be found."""
    advice = (
        "restore this file from a backup; if there is none, `partlens index verify --repair`"
        " records the checksums again, provided that every row can be read"
    )
    return Note(home, SUMS, lambda: require_checksums(home), advice)


def truth_files(home: Home, version: RowsVersion) -> list[TruthFile]:
    """The files that a version of the truth needs."""
    sums = recorded(home)
    found = []
    for file in version.needed():
        digest = sums.get(file.place)
        lost = digest is None and COMMITTED in sums
        found.append(
            TruthFile(home, file.place, digest, lost, file.images, file.of_rows, file.size)
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


def glance(home: Home, version: RowsVersion) -> Glance:
    """Look for damage of the truth as a gallery is opened.

    It looks at the presence and size of every file, and compares with their checksums those that
    say which rows there are, and the files of rows where they have up to 32 MiB in all.

    Args:
        home: of the gallery.
    """
    files, fatal, findings = truth_files(home, version), None, list[Finding]()
    small = sum(file.size or 0 for file in files) <= _GLANCE_BYTES
    for file in files:
        problem = _misfit(file)
        finding = None
        if problem:
            finding = Finding(file.place, problem, repairable=False, images=file.images)
        elif small or not file.of_rows:
            finding = file.examine(checksums.digest)
        if finding:
            findings.append(finding)
            lost = file.lost and not problem
            fatal = finding if problem or not (file.of_rows or lost) else fatal
    if finding := checksums_note(home).examine(checksums.digest):
        findings.append(finding)
    return Glance(tuple(findings), fatal)


def require_readable(home: Home, truth: LanceRows) -> Sequence[Finding]:
    """Find damage that is cheap to detect, and log it.

    Args:
        home: of the gallery.
        truth: of the gallery; refreshed if a writer removed files meanwhile.

    Raises:
        DamagedError: the gallery cannot be read.
    """
    seen = glance(home, truth.current)
    while seen.findings and truth.refresh():
        seen = glance(home, truth.current)
    if seen.fatal:
        raise DamagedError(str(seen.fatal))
    for finding in seen.findings:
        _log.error("gallery %s is damaged: %s", home.name, finding)
    return seen.findings


def _misfit(file: TruthFile) -> str | None:
    """What the state of a file says against it."""
    try:
        state = file.home.state(file.place)
    except OSError as error:
        return _unreadable(error)
    if state is None:
        return "is missing"
    if file.size is not None and state.size != file.size:
        return f"has {state.size} bytes and was written with {file.size}"
    return None


def _difference(file: File, digest: str, digest_of: Digest) -> str | None:
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


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
