"""A new gallery, empty."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from partlens.common.bucket_address import BucketAddress, Place
from partlens.common.durable import make_folder, move_into_place, write_atomically
from partlens.common.text import is_one_line, visible
from partlens.indexer.errors import AlreadyExistsError, GalleryError, UnreachableError
from partlens.indexer.gallery.durability import refusals
from partlens.indexer.gallery.gallery_spec import FILE, GallerySpec
from partlens.indexer.gallery.home.bucket import BucketHome
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.home.locate import home_of
from partlens.indexer.gallery.home.scratch import Scratch
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.object_stores.access import store
from partlens.indexer.object_stores.errors import reaching


def create_empty(place: Place, bound: GallerySpec) -> None:
    """Create an empty gallery, as a whole or not at all; durable when this returns.

    Raises:
        GalleryError: the path has characters that the path of a gallery cannot have.
        AlreadyExistsError: there is something at this place.
        StorageError: the disk or the store refused the write.
    """
    if isinstance(place, Path):
        _create_folder(place, bound)
    else:
        _create_in_bucket(BucketHome(place, Scratch.of_environment()), bound)


def exists(place: Place) -> bool:
    """Whether there is something at a place, so that no gallery can be created there.

    Raises:
        StorageError: the store cannot be reached.
    """
    if isinstance(place, Path):
        return os.path.lexists(place)
    return home_of(place).state(FILE) is not None


def _create_folder(path: Path, bound: GallerySpec) -> None:
    if not is_one_line(str(path.absolute())):
        raise GalleryError(
            f"{str(path)!r} cannot be the path of a gallery: a folder in it has a control"
            " character, a line break or bytes that are not UTF-8; give another path"
        )
    if os.path.lexists(path):
        raise AlreadyExistsError(f"{path} already exists; choose another path")
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with refusals(path.name):
            make_folder(path.parent)
            draft.mkdir()
            LanceRows.create(FolderHome(draft), bound)
            write_atomically(draft / FILE, bound.content())
            if not _appears(draft, path):
                raise AlreadyExistsError(f"{path} already exists; choose another path")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _appears(draft: Path, path: Path) -> bool:
    """Move a draft into place, unless another process has made something there meanwhile."""
    try:
        move_into_place(draft, path)
    except OSError:
        if draft.exists() and os.path.lexists(path):
            return False
        raise
    return True


def _create_in_bucket(home: BucketHome, bound: GallerySpec) -> None:
    """gallery.json is written last: without it there is no gallery, only what a creation left."""
    _require_empty(home)
    with refusals(home.name):
        home.require_conditions()
        with home.lock():
            _require_empty(home)
            LanceRows.create(home, bound)
            home.write(FILE, bound.content())


def _require_empty(home: BucketHome) -> None:
    if home.state(FILE) is not None:
        raise AlreadyExistsError(f"{home} already exists; choose another address")
    if other := next(iter(home.places()), None):
        raise AlreadyExistsError(
            f"{home} holds objects that are no gallery, such as {visible(other)}; remove them, or"
            " choose another address"
        )
    if (outer := _gallery_around(home.address)) is not None:
        raise AlreadyExistsError(
            f"{home} would lie inside the gallery {outer}; choose an address outside it"
        )


def _gallery_around(address: BucketAddress) -> BucketAddress | None:
    """A gallery inside which an address lies, as far as the credentials allow to see it."""
    parts = address.prefix.split("/")
    for count in range(1, len(parts)):
        outer = BucketAddress(address.bucket, "/".join(parts[:count]))
        with suppress(FileNotFoundError, UnreachableError), reaching(FILE):
            store(outer.bucket, outer.prefix).head(FILE)
            return outer
    return None
