"""What can go wrong in the indexer.

IndexerError
├── GalleryError              a gallery that cannot be used, or not like this
│   ├── NotFoundError         no gallery at this path, or no image with this id
│   ├── AlreadyExistsError    something is already at this path
│   ├── ModelMismatchError    made with another model
│   ├── DamagedError          files that are missing, cut short or changed
│   │   └── SupersededError   removed by a writer, since there are newer ones
│   ├── NewerFormatError      written by a newer version
│   ├── LockedError           another process is writing to it
│   ├── StorageError          the disk refused a write: full, read-only, failing
│   └── InvalidImageError     an image that the gallery cannot hold
│       └── InvalidMetadataError  because of one field of its metadata
└── SourceError               a folder or list of images that cannot be read
"""

from partlens.common.metadata import MetadataError


class IndexerError(Exception):
    """Base of every error that partlens.indexer raises on purpose."""


class GalleryError(IndexerError):
    """A gallery that cannot be used, or not like this."""


class NotFoundError(GalleryError, LookupError):
    """No gallery at this path, or no image with this id."""


class AlreadyExistsError(GalleryError):
    """Something is already at the path where a gallery was to be made."""


class ModelMismatchError(GalleryError, ValueError):
    """The gallery was made with another model.

    Attributes:
        gallery_digest: of the model it was made with.
        model_digest: of the model that was given.
    """

    def __init__(self, gallery_digest: str, model_digest: str) -> None:
        self.gallery_digest, self.model_digest = gallery_digest, model_digest
        super().__init__(
            f"this gallery was made with model {gallery_digest}, and the model given is"
            f" {model_digest}; give that model, or index the images again into a new gallery"
        )


class DamagedError(GalleryError):
    """Files of the gallery are missing, cut short or changed; the message names one."""


class SupersededError(DamagedError):
    """Another process has removed files of an earlier commit; a newer one can be read."""


class NewerFormatError(GalleryError):
    """The gallery was written by a newer version of partlens.

    Attributes:
        found: format of the gallery.
        known: newest format that this version reads.
    """

    def __init__(self, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(
            f"this gallery has format {found}, and this version of partlens reads up to format"
            f" {known}; upgrade partlens"
        )


class LockedError(GalleryError):
    """Another process is writing to the gallery."""


class StorageError(GalleryError):
    """The disk refused a write (full, read-only, failing); what was there before still is."""


class InvalidImageError(GalleryError, ValueError):
    """An image that the gallery cannot hold: its id, its arrays or its metadata.

    Attributes:
        id: of the image, where Gallery.add refused it.
    """

    id = ""


class InvalidMetadataError(InvalidImageError, MetadataError):
    """A field of an image's metadata that the gallery cannot hold; attributes as MetadataError."""


class SourceError(IndexerError):
    """A folder or list of images that cannot be read."""
