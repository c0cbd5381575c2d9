"""Reads the originals of gallery images, from the folders that an operator allows."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from partlens.common.files import read_below
from partlens.common.media_digest import media_digest
from partlens.indexer.errors import OriginalError
from partlens.indexer.gallery import StoredImage
from partlens.indexer.places import path_of, straight


class Originals:
    """Originals below some folders of this machine.

    A uri may come from anyone who may add images. So no file outside the folders is looked at, and
    of those inside only the bytes that were indexed are returned.

    Args:
        folders: as they are named in the images' uris, or where links in them lead.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def read(self, image: StoredImage, max_bytes: int) -> bytes:
        """The encoded original of an image, with its media digest.

        Raises:
            OriginalError: it is elsewhere, missing, larger than max_bytes, or has changed. The
                message is for the operator: a caller could learn from it which files exist.
        """
        path = path_of(image.uri)
        if path is None:
            raise OriginalError(f"{image.uri[:200]!r} is not a file of this machine")
        folder, below = self._place(path)
        shown = repr(str(path))  # a name may have line breaks
        try:
            data = read_below(folder, below, max_bytes + 1)
        except OSError as error:
            raise OriginalError(f"{shown}: {error.strerror or error}") from error
        if len(data) > max_bytes:
            raise OriginalError(f"{shown} has more than {max_bytes} bytes")
        if media_digest(data) != image.media_digest:
            raise OriginalError(f"{shown} has changed since it was indexed")
        return data

    def _place(self, path: PurePosixPath) -> tuple[Path, PurePosixPath]:
        """The folder that a path lies in, and the path below it."""
        for folder in self._folders:
            for root in (straight(folder), folder.resolve()):
                if path.is_relative_to(root):
                    return folder, path.relative_to(root)
        raise OriginalError(f"{str(path)!r} is not in a folder of originals")
