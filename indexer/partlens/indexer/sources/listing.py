"""The images of a source, listed before any of them is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from partlens.explainer.images import SUFFIXES
from partlens.indexer.errors import SourceError
from partlens.indexer.sources.folder import folder_images
from partlens.indexer.sources.image import SourceImage
from partlens.indexer.sources.manifest import manifest_images


class Source(Protocol):
    """Images, in a fixed order; it may be read again."""

    def __len__(self) -> int:
        """How many, about."""
        ...

    def __iter__(self) -> Iterator[SourceImage]:
        """Each of them."""
        ...


@dataclass(frozen=True)
class Listing:
    """The images of a folder or manifest, in a fixed order: a Source.

    Attributes:
        images: those of them that cannot be read, too; reading such a one says why.
        not_looked_at: what else a folder holds, in one line; "" if nothing.
    """

    images: tuple[SourceImage, ...]
    not_looked_at: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[SourceImage]:
        return iter(self.images)


def read_source(source: Path) -> Listing:
    """The images of a folder or manifest.

    A folder is read with all folders in it; see folder_images. A manifest is CSV or Parquet; see
    manifest_images.

    Raises:
        SourceError: nothing is there or it cannot be read; a column is missing, a row cannot be
            read, or an id comes twice (names the row).
    """
    if _is_folder(source):
        images, others = folder_images(source)
    elif source.suffix.lower() in (".csv", ".parquet"):
        images, others = tuple(manifest_images(source)), ""
    else:
        raise SourceError(
            f"{source} is neither a folder nor a manifest (.csv or .parquet)"
            + ("" if source.exists() else "; it does not exist")
        )
    if not images:
        raise SourceError(
            f"{source} holds no image ({', '.join(sorted(SUFFIXES))})"
            + (f"; not looked at: {others}" if others else "")
        )
    return Listing(images, others)


def _is_folder(source: Path) -> bool:
    try:
        return source.is_dir()
    except OSError as error:  # in a folder that is closed to this user, or a name too long
        raise SourceError(f"{source} cannot be read: {error.strerror}") from error
