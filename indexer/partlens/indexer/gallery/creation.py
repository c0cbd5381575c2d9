"""The folder of a new gallery."""

import os
import secrets
import shutil
from pathlib import Path

from partlens.common.durable import make_folder, move_into_place
from partlens.common.text import is_one_line
from partlens.indexer.errors import AlreadyExistsError, GalleryError
from partlens.indexer.gallery.durability import refusals
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.lance_rows import LanceRows


def create_folder(path: Path, bound: GallerySpec) -> None:
    """Create an empty gallery, as a whole or not at all; on disk when this returns.

    Raises:
        GalleryError: the path has characters that the path of a gallery cannot have.
        AlreadyExistsError: the path already exists.
        StorageError: the disk refused the write.
    """
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
            LanceRows.create(draft, bound)
            bound.write(draft)
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
