"""Snapshots: one committed version of a gallery in another folder, taken while others write."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from partlens.common.bucket_address import Place
from partlens.indexer.errors import DamagedError, StorageError
from partlens.indexer.gallery import checksums, indexes, segments
from partlens.indexer.gallery.committed import (
    SUMS,
    Committed,
    note_committed,
    record,
    require_checksums,
)
from partlens.indexer.gallery.durability import files_below, refusals, remove_entry
from partlens.indexer.gallery.erasure import Receipt, erase
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.gallery_spec import FILE, GallerySpec
from partlens.indexer.gallery.home.folder import DATASET, LOCK, FolderHome
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.home.locate import home_of
from partlens.indexer.gallery.indexes import INDEXES
from partlens.indexer.gallery.leftovers import remove_leftovers
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.snapshot_files import (
    FACTS,
    Facts,
    appearing,
    put,
    require_whole,
    seal,
)
from partlens.indexer.gallery.snapshot_files import SUMS as SNAPSHOT_SUMS
from partlens.indexer.gallery.unfinished import FILE as UNFINISHED
from partlens.indexer.gallery.unfinished import Erasures

_TRIES, _TAIL_BYTES = 20, 2**16


@dataclass(frozen=True)
class Other:
    """A file that is kept with a gallery, such as its audit log.

    Attributes:
        source: path of the file.
        place: where it goes, relative to the snapshot.
        lines: whether a server appends lines to it; it is then copied up to its last whole one.
        inode: identity of the file, if another may take its place.
    """

    source: Path
    place: str
    lines: bool = False
    inode: int = 0


def take(
    gallery: Place,
    target: Path,
    others: Callable[[], Sequence[Other]] = lambda: (),
    *,
    link: bool = True,
    check: Callable[[Path], object] = lambda _: None,
) -> Facts:
    """Write a snapshot of the newest committed version; whole when this returns, or not there.

    Others may write to the gallery meanwhile, and never wait for this. If an erasure begins
    meanwhile, the snapshot is taken again. If one has begun before and not ended, the snapshot may
    hold the images, and the next erasure in a gallery that is restored from it finishes it; see
    unfinished.

    Args:
        others: gives the files to keep with it. Repeated if they change meanwhile.
        link: hard-link the gallery's files, none of which ever changes, if the target is on the
            same file system. The other files are always copied.
        check: called with the finished draft, before it becomes the target.

    Raises:
        NotFoundError: there is no gallery at this path.
        DamagedError: a file differs from its checksum.
        AlreadyExistsError, StorageError: the target exists, or cannot be written.
    """
    home = home_of(gallery.resolve() if isinstance(gallery, Path) else gallery)
    GallerySpec.read(home)
    if target.resolve().is_relative_to(home.folder):
        raise StorageError(f"{target} lies in the gallery; choose another folder")
    with appearing(target, "snapshot") as draft, refusals(target.name, "snapshot"):
        for _ in range(_TRIES):
            begun = Erasures.read(home).begun
            facts = _drafted(home, draft, others, link=link)
            check(draft)
            seal(draft, facts)
            if Erasures.read(home).begun == begun:
                return facts
            # Images were erased meanwhile, and must not come back from here.
            for made in draft.iterdir():
                remove_entry(made)
        raise StorageError("images are being erased all the time; try again later")


def _drafted(
    home: Home, draft: Path, others: Callable[[], Sequence[Other]], *, link: bool
) -> Facts:
    """Everything of a snapshot but its facts and checksums."""
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    inside = draft / home.name
    inside.mkdir()
    version = _put_truth(home, inside, link=link)
    _put_file(home, FILE, inside, link=False)
    if home.state(UNFINISHED) is not None:
        _put_file(home, UNFINISHED, inside, link=False)
    _put_derived(home.folder, inside, link=link)
    origins = _put_others(others, draft)
    images = _completed(inside)
    digest = GallerySpec.read(home).spec.digest
    return Facts(home.name, version, images, digest, taken_at, origins)


def restore(snapshot: Path, target: Path, *, link: bool = False) -> Facts:
    """Write a folder with everything of a snapshot; whole when this returns, or not there.

    Args:
        link: hard-link the gallery's files if the target is on the same file system.

    Raises:
        NotFoundError: there is no snapshot at this path.
        DamagedError: a file is missing, or differs from its checksum.
        AlreadyExistsError, StorageError: the target exists, or cannot be written.
    """
    facts = Facts.read(snapshot)
    places = require_whole(snapshot)
    expected = checksums.recorded(snapshot / SNAPSHOT_SUMS)
    with appearing(target, "folder") as draft, refusals(target.name, "folder"):
        for place in places:
            if place == FACTS:
                continue
            within = place.startswith(f"{facts.gallery}/") and not place.endswith(SUMS)
            put(snapshot / place, draft / place, link=link and within)
            if checksums.digest(draft / place) != expected[place]:
                raise DamagedError(f"{snapshot}: {place} changed while it was copied")
        images = _completed(draft / facts.gallery)
        if images != facts.images:
            raise DamagedError(
                f"{snapshot / FACTS} counts {facts.images} images; the gallery has {images}"
            )
    return facts


def erase_from(snapshot: Path, ids: Sequence[str]) -> Receipt:
    """Erase images from the gallery in a snapshot, and record its checksums again.

    Files outside the gallery keep their checksums, so that damage to them is still found. Until
    this returns, the snapshot counts as damaged. If the process is killed, call it again.

    Raises:
        NotFoundError, DamagedError, StorageError: as restore and erase.
    """
    facts = Facts.read(snapshot)
    receipt = erase(snapshot / facts.gallery, ids)
    with refusals(snapshot.name, "snapshot"):
        known = checksums.recorded(snapshot / SNAPSHOT_SUMS)
        committed = Committed.newest(FolderHome(snapshot / facts.gallery))
        (snapshot / facts.gallery / LOCK).unlink(missing_ok=True)
        left = {p: origin for p, origin in facts.origins.items() if (snapshot / p).exists()}
        seal(
            snapshot,
            replace(facts, version=committed.version, images=receipt.images_left, origins=left),
            known,
        )
    return receipt


def _put_truth(home: Home, inside: Path, *, link: bool) -> int:
    """The files of the newest version; returns its number."""
    copied = FolderHome(inside)
    whole, needed, tries = set[str](), list[str](), 0
    while True:
        committed, tries = Committed.newest(home), tries + 1
        try:
            version = RowsVersion.open(home, committed.version)
            needed = version.files()
            sums = require_checksums(home)
            for place in needed:
                if place not in whole:
                    _put_whole(home, place, inside, sums.get(place), link=link)
                    whole.add(place)
            break
        except (FileNotFoundError, DamagedError) as error:
            # A writer may have removed this version; what is there of it already is kept.
            if tries == _TRIES or Committed.newest(home).version == committed.version:
                raise DamagedError(f"gallery {home.name!r} is damaged: {error}") from error
    for file in files_below(inside / DATASET):
        if file.relative_to(inside).as_posix() not in needed:
            file.unlink()
    committed.write(copied)
    record(copied, needed)
    note_committed(copied)
    return committed.version


def _put_whole(home: Home, place: str, inside: Path, digest: str | None, *, link: bool) -> None:
    _put_file(home, place, inside, link=link)
    if digest is not None and checksums.digest(inside / place) != digest:
        (inside / place).unlink()
        raise DamagedError(f"{place} differs from its checksum; see `partlens index verify`")


def _put_file(home: Home, place: str, inside: Path, *, link: bool) -> None:
    source, target = home.file(place), inside / place
    if isinstance(source, Path):
        put(source, target, link=link)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open() as content, target.open("wb") as out:
        shutil.copyfileobj(content, out)


def _put_derived(gallery: Path, inside: Path, *, link: bool) -> None:
    """Segments and indexes that are whole; what is missing is rebuilt from the truth."""
    for top, sums in ((SEGMENTS, segments.SUMS), (INDEXES, indexes.SUMS)):
        for folder in segments.folders(gallery / top):
            made = inside / top / folder.name
            try:
                for file in sorted(folder.iterdir()):
                    put(file, made / file.name, link=link)
                problem = checksums.difference(made, made / sums)
            except OSError:  # removed meanwhile
                problem = "is gone"
            if problem:
                shutil.rmtree(made, ignore_errors=True)
    if (gallery / INDEXES / indexes.CHOICE).exists():
        put(gallery / INDEXES / indexes.CHOICE, inside / INDEXES / indexes.CHOICE, link=False)


def _put_others(others: Callable[[], Sequence[Other]], draft: Path) -> dict[str, str]:
    """Copies of the other files as they were together; returns place -> origin."""
    problem = "their list changes all the time"
    for _ in range(_TRIES):
        chosen = others()
        if any(other.source.is_relative_to(draft.resolve()) for other in chosen):
            raise StorageError(
                "the snapshot would hold itself, as a folder that it is to keep has it inside;"
                " choose a target outside"
            )
        try:
            for other in chosen:
                _put_other(other, draft)
        except FileNotFoundError as error:  # removed or renamed meanwhile
            problem = f"{error.filename} is missing"
        else:
            if others() == chosen:
                return {other.place: str(other.source) for other in chosen}
        for other in chosen:
            (draft / other.place).unlink(missing_ok=True)
    raise StorageError(f"the files to keep with the gallery cannot be copied: {problem}")


def _put_other(other: Other, draft: Path) -> None:
    try:
        put(other.source, draft / other.place, link=False)
    except FileNotFoundError:
        raise
    except OSError as error:
        if str(error.filename) != str(other.source):
            raise
        raise StorageError(
            f"{other.source} is to be kept with the gallery, and cannot be read: {error.strerror}"
        ) from error
    if other.lines:
        _cut_to_lines(draft / other.place)


def _cut_to_lines(path: Path) -> None:
    size, end = path.stat().st_size, 0
    with path.open("r+b") as file:
        while size and not end:
            start = max(0, size - _TAIL_BYTES)
            file.seek(start)
            end = file.read(size - start).rfind(b"\n") + 1
            size = start + end
        file.truncate(size)


def _completed(gallery: Path) -> int:
    """Make a gallery that nobody else uses complete, and drop what it does not need.

    Returns:
        The number of images.
    """
    with Gallery.open(gallery) as opened:
        if opened.damage:
            raise DamagedError(str(opened.damage[0]))
        remove_leftovers(gallery, opened.view.live.segments)
        images = len(opened.view)
    (gallery / LOCK).unlink(missing_ok=True)
    return images
