"""Responses of a server about a gallery, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from partlens.common.metadata import Metadata


@dataclass(frozen=True)
class GalleryImage:
    """An image that the gallery holds.

    Attributes:
        uri: location of the original; "" if unknown.
        media_digest: "sha256:" and the digest of the encoded original.
        width, height: size of the upright original, in pixels.
        thumbnail: a JPEG, if list_images was asked for it; b"" where it is damaged.
        revision: grows whenever the image is added, replaced or updated; 0 from servers of version
            0.1.
    """

    id: str
    uri: str
    media_digest: str
    width: int
    height: int
    metadata: Metadata
    thumbnail: bytes = b""
    revision: int = 0


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes:
        media_type: such as "image/jpeg"; "application/octet-stream" for an original that browsers
            do not show.
        from_thumbnail: whether it shows the thumbnail, as the server cannot read the original.
    """

    data: bytes
    media_type: str
    from_thumbnail: bool = False


@dataclass(frozen=True)
class Facet:
    """The values of one property.

    Attributes:
        values: value -> number of images, the most frequent first.
        distinct: number of different values, of which `values` may hold only the most frequent.
        unknown: number of images without a value.
    """

    name: str
    values: Mapping[str, int]
    distinct: int
    unknown: int


@dataclass(frozen=True)
class Facets:
    """The values that some images have.

    Attributes:
        images: number of images.
        attributes: one for each attribute, ordered by name.
        captured_first, captured_last: times of the first and the last image; None if unknown.
    """

    images: int
    cameras: Facet
    tracks: Facet
    attributes: Sequence[Facet]
    captured_first: datetime | None
    captured_last: datetime | None
    gallery_version: int


@dataclass(frozen=True)
class ReportFile:
    """A report.

    Attributes:
        data: content of the file.
        media_type: "text/html" or "application/pdf".
        name: suggested name of the file.
    """

    data: bytes
    media_type: str
    name: str


@dataclass(frozen=True)
class UpdateAnswer:
    """Result of updating images.

    Attributes:
        gallery_version: first gallery version with the updates.
        updated: number of images that were updated; they are on disk.
        unchanged: number of images that had these values before.
        unknown_ids: ids that have no image, or none that your token may see.
        stale_ids: ids that were not updated, as their revision was not the expected one.
    """

    gallery_version: int
    updated: int
    unchanged: int
    unknown_ids: Sequence[str]
    stale_ids: Sequence[str]


@dataclass(frozen=True)
class UpsertAnswer:
    """Result of uploading one image.

    Attributes:
        id: id of the image.
        index: position in the upload, from 0.
        gallery_version: first gallery version with the image; 0 if it was refused.
        replaced: whether an image with this id existed before.
        reason, message: why it was refused; both "" if it is in the gallery.
        gallery: own name of the gallery that has it; "" if it was refused, or the server is too old
            to say.
    """

    id: str
    index: int
    gallery_version: int
    reason: str = ""
    message: str = ""
    replaced: bool = False
    gallery: str = ""

    @property
    def committed(self) -> bool:
        """True if the image is safe on the server's disk."""
        return not self.reason


@dataclass(frozen=True)
class Model:
    """The model that a gallery is bound to; see Model in the .proto files."""

    name: str
    digest: str
    input_size: tuple[int, int]
    grid: tuple[int, int]
    dimensions: int
    licence: str
    bias_share: float


@dataclass(frozen=True)
class Limits:
    """Limits of a server; see Limits in the .proto files."""

    request_bytes: int
    image_pixels: int
    query_images: int
    regions: int
    search_page_size: int
    list_page_size: int
    marks: int
    pairs: int


@dataclass(frozen=True)
class Caller:
    """What your token allows.

    Attributes:
        name: of the token; "anyone" on a server without tokens.
        scopes: of "search", "ingest" and "admin".
        cameras: the only ones whose images you may see and add; empty for all.
        galleries: the only names of galleries that you may give; empty for all.
    """

    name: str
    scopes: Sequence[str]
    cameras: Sequence[str]
    galleries: Sequence[str] = ()


@dataclass(frozen=True)
class Indexing:
    """Progress of indexing a folder; see Indexing in the .proto files."""

    done: int
    total: int
    skipped: int
    finished: bool
    problem: str


@dataclass(frozen=True)
class GalleryAnswer:
    """A gallery's size, its model and the server's limits.

    Attributes:
        caller: what your token allows; None if the server is too old to say.
        server_version: version of partlens that the server runs; "" likewise.
        indexing: progress of indexing a folder; None if the server has indexed none.
        gallery: own name of the gallery; "" if the server is too old to say.
    """

    version: int
    images: int
    model: Model
    limits: Limits
    caller: Caller | None = None
    server_version: str = ""
    indexing: Indexing | None = None
    gallery: str = ""


@dataclass(frozen=True)
class NamedGallery:
    """A name that calls may give as their gallery.

    Attributes:
        gallery: own name of the gallery that it leads to; another name if it is an alias.
        default: whether calls that name no gallery use it.
        version: version of the gallery.
        images: number of images that your token may see.
        model: model that the gallery is bound to.
        moved_at: when the alias moved; None if the name is not an alias.
    """

    name: str
    gallery: str
    default: bool
    version: int
    images: int
    model: Model
    moved_at: datetime | None = None


@dataclass(frozen=True)
class AliasMoved:
    """An alias that has moved.

    Attributes:
        before: own name of the gallery that the name led to before; "" if it led to none.
        left: id -> name of the standing queries of that gallery that the new one does not have.
    """

    before: str
    left: Mapping[str, str]
