"""From where a gallery is to its home."""

from pathlib import Path

from partlens.common.bucket_address import Place
from partlens.indexer.gallery.home.bucket import BucketHome
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.home.scratch import Scratch


def home_of(place: Place | Home) -> Home:
    """The home of the gallery at a place; looks at nothing.

    Raises:
        StorageError: the environment does not say how to reach a bucket.
    """
    if isinstance(place, Home):
        return place
    if isinstance(place, Path):
        return FolderHome(place)
    return BucketHome(place, Scratch.of_environment())


def folder_of(place: Place) -> Path:
    """The folder on this machine that belongs to a gallery; what is kept with it goes beside it.
    Of a gallery in a bucket, it is made if it is missing.

    Raises:
        StorageError: see Scratch.of_environment.
    """
    return place if isinstance(place, Path) else Scratch.of_environment().made(place)
