"""Errors raised by the indexer.

IndexerError
├── GalleryError              the gallery cannot be used, or not in this way
│   ├── NotFoundError         no gallery at this path, or no image with this id
│   ├── AlreadyExistsError    the path already exists
│   ├── ModelMismatchError    the gallery was made with another model
│   ├── DamagedError          files are missing, truncated or changed
│   │   └── SupersededError   a writer replaced them with newer ones
│   ├── OutOfFilesError       no file descriptor is left to read them
│   ├── NewerFormatError      the gallery was written by a newer version
│   ├── LockedError           another process is writing to it
│   ├── ShardError            a shard of the gallery cannot answer now
│   ├── ChangedError          images changed while they were to be erased
│   ├── StorageError          the disk refused a write: full, read-only, failing
│   │   └── UnreachableError  the object store cannot be reached, or refuses the request
│   └── InvalidImageError     the gallery cannot store this image
│       └── InvalidMetadataError  a metadata field is not allowed
├── SourceError               a folder or manifest cannot be read
├── OriginalError             the original of an image cannot be read, or has changed
├── ExtractionError           a process that extracts images ended early
└── ClusterError              a Ray cluster cannot be reached, or has too little
"""

from partlens.common.files import lacks_descriptors
from partlens.common.metadata import MetadataError


class IndexerError(Exception):
    """Base class of all errors raised by partlens.indexer."""


class GalleryError(IndexerError):
    """The gallery cannot be used, or not in this way."""


class NotFoundError(GalleryError, LookupError):
    """No gallery at this path, or no image with this id."""


class AlreadyExistsError(GalleryError):
    """The path for a new gallery already exists."""


class ModelMismatchError(GalleryError, ValueError):
    """The gallery was made with another model.

    Attributes:
        gallery_digest: digest of the gallery's model.
        model_digest: digest of the model that was given.
    """

    def __init__(self, gallery_digest: str, model_digest: str) -> None:
        self.gallery_digest, self.model_digest = gallery_digest, model_digest
        super().__init__(
            f"this gallery was made with model {gallery_digest}, but the model given is"
            f" {model_digest}; use the gallery's model, or make a new gallery for the one given:"
            " `partlens index copy` fills it if that one was made from the gallery's (by"
            " `model register` or `index reduce`), `partlens index add` from the images"
        )


class DamagedError(GalleryError):
    """Files of the gallery are missing, truncated or changed; the message names one."""


class SupersededError(DamagedError):
    """Another process removed files of an older commit; read a newer one instead."""


class OutOfFilesError(GalleryError):
    """No file descriptor is left, so the gallery's files cannot be read now. They may be whole."""


def unreadable(message: str, error: BaseException) -> DamagedError | OutOfFilesError:
    """What to raise if files cannot be read: DamagedError, unless only descriptors are missing.

    Args:
        message: names the file, and says that it cannot be read.
    """
    if lacks_descriptors(error):
        return OutOfFilesError(f"no file descriptor is left: {message}")
    return DamagedError(message)


class NewerFormatError(GalleryError):
    """The gallery was written by a newer version of partlens.

    Attributes:
        found: format version of the gallery.
        known: newest format version that this version of partlens can read.
    """

    def __init__(self, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(
            f"this gallery has format {found}, but this version of partlens reads formats up to"
            f" {known}; upgrade partlens"
        )


class LockedError(GalleryError):
    """Another process is writing to the gallery."""


class ShardError(GalleryError):
    """A shard of the gallery cannot answer now; the same search may succeed later."""


class ChangedError(GalleryError):
    """Images changed while they were to be erased by age; nothing was erased."""


class StorageError(GalleryError):
    """The disk refused a write (full, read-only, failing); existing data is unchanged."""


class UnreachableError(StorageError):
    """The object store cannot be reached, or refuses the request. The gallery may be whole."""


class InvalidImageError(GalleryError, ValueError):
    """The gallery cannot store an image because of its id, arrays or metadata.

    Attributes:
        id: id of the image, if Gallery.add rejected it.
    """

    id = ""


class InvalidMetadataError(InvalidImageError, MetadataError):
    """A field of an image's metadata that the gallery cannot hold; attributes as MetadataError."""


class SourceError(IndexerError):
    """A folder or manifest cannot be read."""


class OriginalError(IndexerError):
    """The original of an image cannot be read, or has changed since it was indexed."""


class ExtractionError(IndexerError):
    """A process that extracts images ended early; the message says why."""


class ClusterError(IndexerError):
    """A Ray cluster cannot be reached, or has fewer processors or GPUs than needed."""
