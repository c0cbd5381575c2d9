"""Erase images from every file of a gallery, verify that they are gone, and write a receipt."""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from partlens.common.bucket_address import Place
from partlens.common.durable import write_atomically
from partlens.indexer.errors import ChangedError, DamagedError, StorageError
from partlens.indexer.gallery import checksums, segments
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.home.home import Home, State
from partlens.indexer.gallery.home.locate import home_of
from partlens.indexer.gallery.image_columns import TRUTH_COLUMNS
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.markers import Marker, MarkerSearch, data_markers, text_markers
from partlens.indexer.gallery.neighbours import Neighbours, text_columns
from partlens.indexer.gallery.rows_version import RowsVersion, earlier_manifests
from partlens.indexer.gallery.schema import rows
from partlens.indexer.gallery.unfinished import FILE as UNFINISHED
from partlens.indexer.gallery.unfinished import begin, finish, unfinished
from partlens.indexer.gallery.view import GalleryView

TEXTS = ("id", "uri", "media_digest")
KINDS = (*TEXTS, "thumbnail", "contributions", "embedding")
_KIND_OF = {"contributions": "contributions", "scales": "contributions", "embedding": "embedding"}
"""Columns of numbers that are searched for, without the bias: it may be equal in all images."""
_STORED = (*TRUTH_COLUMNS, "thumbnail")
_AT_ONCE = 256


@dataclass(frozen=True)
class Evidence:
    """Result of searching all files for one kind of pattern.

    Attributes:
        looked_for: number of patterns of the erased images.
        found_before: number of these that the files held before.
        shared: number of these that the files hold only as part of remaining images, such as a copy
            of the picture, or an id that begins with an erased one.
        found_after: number of these that the files hold now, without the shared ones.
    """

    looked_for: int
    found_before: int
    shared: int
    found_after: int


@dataclass(frozen=True)
class Receipt:
    """What an erasure did and how that was verified.

    Attributes:
        gallery, model_digest: name of the gallery, and digest of its model.
        started_at, ended_at: ISO 8601, UTC.
        erased: ids that were in the gallery.
        not_there: ids that were not, or no longer; older files hold nothing of them either.
        images_left: number of images in the gallery.
        files_removed: file -> SHA-256 of its content.
        files_written: file -> SHA-256 of its content.
        files_kept: number of files left untouched.
        versions_left: number of versions of the truth on disk, without those committed after the
            erasure: 1.
        ids_left: erased ids that a row or a segment still names: none.
        evidence: kind of pattern -> result of the search.
        gone: whether all of this shows that the gallery's files hold nothing of the images.
        object_versions_kept: whether the bucket keeps older versions of objects, which nothing here
            can remove.
        standing_queries_left, standing_queries_deleted: ids of standing queries that hold something
            of the images; a server's or a command's, as galleries know nothing of them.
    """

    gallery: str
    model_digest: str
    started_at: str
    ended_at: str
    erased: tuple[str, ...]
    not_there: tuple[str, ...]
    images_left: int
    files_removed: Mapping[str, str]
    files_written: Mapping[str, str]
    files_kept: int
    versions_left: int
    ids_left: tuple[str, ...]
    evidence: Mapping[str, Evidence]
    gone: bool
    object_versions_kept: bool = False
    standing_queries_left: tuple[str, ...] = ()
    standing_queries_deleted: tuple[str, ...] = ()


def erase(place: Place | Home, ids: Sequence[str]) -> Receipt:
    """Erase images from every file of a gallery; none of their data is left when this returns.

    Images that were deleted earlier are erased too. If the process is killed, call it again.

    Args:
        ids: images to erase; unknown ids are allowed.

    Raises:
        LockedError: another process is writing.
        StorageError: the disk refused a write; some files may still hold the images. Try again.
        DamagedError: a file that would be copied is damaged.
    """
    with Gallery.open(place) as gallery:
        receipt = erase_from_open(gallery, ids)
    if receipt.gone:
        end_erasures(gallery.home)
    return receipt


def end_erasures(place: Place | Home) -> None:
    """Note that every erasure of a gallery has ended; the caller has kept the receipts.

    Raises:
        LockedError: another process is writing.
        DamagedError, StorageError: see unfinished.finish.
    """
    home = home_of(place)
    with home.lock() if home.remote else nullcontext():
        finish(home)


def erase_from_open(
    gallery: Gallery, ids: Sequence[str], confirmed: Callable[[], Collection[str]] | None = None
) -> Receipt:
    """The same for an open gallery; other changes by this process wait for the longest part of it.

    The images count as unfinished until the caller has kept the receipt and calls
    unfinished.finish. Unfinished images of earlier calls are erased too.

    Args:
        confirmed: called while no image can change: those to erase. If one is left out, nothing is
            erased.

    Raises:
        ChangedError: an image is no longer confirmed.
        LockedError, StorageError, DamagedError: as erase.
    """
    started, home = _now(), gallery.home
    there = [id for id in sorted(set(ids)) if id in gallery.view]
    begun = {id: digest for id, digest in unfinished(home).items() if id not in gallery.view}
    wanted = sorted({*ids, *begun})
    markers = markers_of(gallery.view, there, wanted)
    search, before = MarkerSearch(markers), _inventory(home)
    found_before = scan(home, search)
    with gallery.writing() as newest:
        if confirmed is not None and (changed := set(there) - set(confirmed())):
            raise ChangedError(f"image {min(changed)!r} has changed; nothing was erased")
        digests = {id: image.media_digest for id, image in newest.stored(there).items()}
        begin(home, {**begun, **digests})
        gallery.delete(there)
    purged = gallery.purge()
    look = partial(_looked, gallery, purged, search, before, frozenset(wanted))
    after = look()
    if not after.gone:  # unless a commit in progress only looks like a trace
        with gallery.writing():
            after = look()
    return Receipt(
        gallery=home.name,
        model_digest=gallery.spec.digest,
        started_at=started,
        ended_at=_now(),
        erased=tuple(there),
        not_there=tuple(id for id in wanted if id not in set(there)),
        images_left=len(gallery.view),
        files_removed=_differing(before, after.files),
        files_written=_differing(after.files, before),
        files_kept=sum(before.get(name) == entry for name, entry in after.files.items()),
        versions_left=after.versions,
        ids_left=after.ids,
        evidence=_evidence(markers, found_before, after.found, after.shared),
        gone=after.gone,
        object_versions_kept=home.keeps_versions,
    )


def require_receipt_place(receipt: Path, gallery: Path) -> None:
    """Raise StorageError if the receipt exists already, or would lie in the gallery."""
    if os.path.lexists(receipt):
        raise StorageError(f"{receipt} already exists; choose another name for the receipt")
    if not os.path.isdir(receipt.resolve().parent):
        raise StorageError(f"there is no folder {receipt.parent}; make it, or choose another")
    if receipt.resolve().is_relative_to(gallery.resolve()):
        raise StorageError(
            f"{receipt} lies in the gallery, where it would name what was erased; choose another"
            " folder for the receipt"
        )


def write_receipt(receipt: Receipt, path: Path) -> None:
    """Write a receipt as JSON; on disk when this returns."""
    write_atomically(path, (json.dumps(asdict(receipt), indent=1) + "\n").encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def markers_of(view: GalleryView, there: Sequence[str], wanted: Sequence[str]) -> set[Marker]:
    """What to look for: the ids `wanted`, and the content of those that are `there`."""
    found = {marker for id in wanted for marker in text_markers("id", id)}
    row_ids = view.live.row_ids(view.live.find(there).values())
    arrays = _arrays(view.version)
    for start in range(0, len(row_ids), _AT_ONCE):
        table = view.version.read((*_STORED, *arrays), row_ids[start : start + _AT_ONCE])
        for row in rows(table.drop_columns(arrays)):
            found.update(text_markers("uri", str(row["uri"] or "")))
            found.update(text_markers("media_digest", str(row["media_digest"] or "")))
            if isinstance(thumbnail := row["thumbnail"], bytes):
                found.update(data_markers("thumbnail", thumbnail))
        for column in arrays:
            for each in table[column]:
                data = each.values.to_numpy().tobytes()
                found.update(data_markers(_KIND_OF[column], data))
    return found


def _arrays(version: RowsVersion) -> list[str]:
    return [name for name in _KIND_OF if name in version.dataset.schema.names]


Inventory = dict[str, tuple[State, str]]
"""Place -> (state, SHA-256) of the file."""


def _inventory(home: Home, known: Inventory | None = None) -> Inventory:
    """Every file of a gallery. Files with the identity in `known` are not read again."""
    found: Inventory = {}
    for holder, place in _files(home):
        with suppress(FileNotFoundError):  # others commit meanwhile, and remove their drafts
            if (state := holder.state(place)) is not None:
                before = (known or {}).get(place)
                same = before is not None and before[0] == state
                digest = before[1] if before and same else checksums.digest(holder.file(place))
                found[place] = (state, digest)
    return found


@dataclass(frozen=True)
class _Found:
    """What the files of a gallery hold after an erasure.

    Attributes:
        versions, ids: see Receipt.versions_left and Receipt.ids_left.
        found: the markers that they hold.
        shared: those of them that only remaining images explain.
    """

    files: Inventory
    versions: int
    ids: tuple[str, ...]
    found: set[Marker]
    shared: set[Marker]

    @property
    def gone(self) -> bool:
        """Whether that is nothing of the erased images."""
        return not self.ids and self.versions == 1 and not self.found - self.shared


def _looked(
    gallery: Gallery, purged: int, search: MarkerSearch, before: Inventory, ids: Set[str]
) -> _Found:
    """Look through all files; others may add and delete meanwhile.

    Args:
        purged: number of the version that purge left.
        before: files before the erasure.
        ids: of the erased images.
    """
    files = _inventory(gallery.home, before)
    found, tables = scan(gallery.home, search), _segment_tables(gallery)
    shared = _shared(gallery, tables, found)
    versions = 1 + len(earlier_manifests(gallery.home, purged))
    return _Found(files, versions, _ids_left(gallery, tables, ids), found, shared)


def _differing(some: Inventory, others: Inventory) -> dict[str, str]:
    digests = {name: digest for name, (_, digest) in others.items()}
    return {name: d for name, (_, d) in sorted(some.items()) if digests.get(name) != d}


def _files(home: Home) -> Iterator[tuple[Home, str]]:
    """Every file of a gallery, with what holds it: of the truth, and those derived from it on this
    machine. Not the list of unfinished erasures, which is emptied at the end."""
    for holder in (home, FolderHome(home.folder)) if home.remote else (home,):
        yield from ((holder, place) for place in holder.places() if place != UNFINISHED)


def scan(home: Home, search: MarkerSearch) -> set[Marker]:
    """The markers that the files of a gallery hold."""
    found = set[Marker]()
    for holder, place in _files(home):
        with suppress(FileNotFoundError):
            found |= search.found_in(holder.file(place))
    return found


def _shared(gallery: Gallery, tables: Sequence[pa.Table], found: set[Marker]) -> set[Marker]:
    """The markers that files hold only because remaining images have them too."""
    texts, version = {marker for marker in found if marker.kind in TEXTS}, gallery.view.version
    shared = _in_rows(version, found - texts)
    if texts:
        truth = pa.concat_tables(version.batches(TRUTH_COLUMNS))
        files = [holder.file(place) for holder, place in _files(gallery.home)]
        # What files hold besides images; the names of Lance's files have many digits.
        others = [[gallery.spec.digest], *([file.name] for file in files)]
        known = Neighbours(texts, [*text_columns([truth, *tables]), *others])
        shared |= texts - known.unexplained(files)
    return shared


def _in_rows(version: RowsVersion, markers: set[Marker]) -> set[Marker]:
    """The markers of data that remaining images have too."""
    if not markers:
        return set()
    search, found, arrays = MarkerSearch(markers), set[Marker](), _arrays(version)
    for batch in version.batches(("thumbnail", *arrays)):
        thumbnails = [one for one in batch["thumbnail"].to_pylist() if one]
        contents = [*thumbnails, *_numbers(batch, arrays)]
        # Each by itself only if all together hold one, which may lie across two of them.
        if search.found_among(b"".join(contents)):
            found = found.union(*map(search.found_among, contents))
    return found


def _numbers(table: pa.Table, columns: Sequence[str]) -> Iterator[bytes]:
    for column in columns:
        for each in table[column]:
            yield np.ascontiguousarray(each.values.to_numpy()).tobytes()


def _segment_tables(gallery: Gallery) -> list[pa.Table]:
    """The columns of each segment on disk."""
    tables = []
    for folder in segments.folders(gallery.path / SEGMENTS):
        try:
            tables.append(segments.load(folder, gallery.bound).columns.table)
        except DamagedError as error:  # the writer removes such folders, unless the disk refuses
            if not folder.exists():  # merged meanwhile
                continue
            raise StorageError(
                f"{SEGMENTS}/{folder.name} can be neither read nor removed ({error}); remove the"
                " folder, and erase the images again"
            ) from error
    return tables


def _ids_left(gallery: Gallery, tables: Sequence[pa.Table], ids: Set[str]) -> tuple[str, ...]:
    """The ids that a row of the truth or of a segment names."""
    truth = gallery.view.version.read(["id"])
    named = {str(id) for table in (truth, *tables) for id in table["id"].to_pylist()}
    return tuple(sorted(named & ids))


def _evidence(
    markers: set[Marker], before: set[Marker], after: set[Marker], shared: set[Marker]
) -> dict[str, Evidence]:
    def count(some: set[Marker], kind: str) -> int:
        return sum(marker.kind == kind for marker in some)

    return {
        kind: Evidence(
            count(markers, kind),
            count(before, kind),
            count(shared, kind),
            count(after - shared, kind),
        )
        for kind in KINDS
    }
