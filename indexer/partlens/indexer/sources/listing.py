"""The images of a source, listed before any of them is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from partlens.common.bucket_address import in_bucket
from partlens.explainer.images import SUFFIXES
from partlens.indexer.errors import SourceError
from partlens.indexer.sources.folder import folder_images
from partlens.indexer.sources.image import SourceImage
from partlens.indexer.sources.manifest import manifest_images
from partlens.indexer.sources.objects import object_images


class Source(Protocol):
    """Images in a fixed order; can be iterated again."""

    def __len__(self) -> int:
        """Approximate number of images."""
        ...

    def __iter__(self) -> Iterator[SourceImage]:
        """Iterate over the images."""
        ...


@dataclass(frozen=True)
class Listing:
    """The images of a folder, a manifest or an object store, in a fixed order: a Source.

    Attributes:
        images: all images, including unreadable ones; reading one of those raises the reason.
        not_looked_at: everything else in the folder, in one line; "" if nothing.
    """

    images: tuple[SourceImage, ...]
    not_looked_at: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[SourceImage]:
        return iter(self.images)


def read_source(source: str | Path) -> Listing:
    """The images of a folder, a manifest or an object store.

    A folder is read with its subfolders; see folder_images. A manifest is CSV or Parquet; see
    manifest_images. An address such as s3://bucket/prefix is listed like a folder; see
    object_images.

    Raises:
        SourceError: nothing is there or it cannot be read; a column is missing, a row cannot be
            read, or an id comes twice (names the row).
    """
    if in_bucket(source):
        images, others = object_images(str(source))
    else:
        images, others = _local(Path(source))
    if not images:
        raise SourceError(
            f"{source} contains no images ({', '.join(sorted(SUFFIXES))})"
            + (f"; ignored: {others}" if others else "")
        )
    return Listing(images, others)


def _local(source: Path) -> tuple[tuple[SourceImage, ...], str]:
    if _is_folder(source):
        return folder_images(source)
    if source.suffix.lower() in (".csv", ".parquet"):
        return tuple(manifest_images(source)), ""
    raise SourceError(
        f"{source} is neither a folder nor a manifest (.csv or .parquet)"
        + ("" if source.exists() else "; it does not exist")
    )


def _is_folder(source: Path) -> bool:
    try:
        return source.is_dir()
    except OSError as error:  # in a folder that is closed to this user, or a name too long
        raise SourceError(f"{source} cannot be read: {error.strerror}") from error
