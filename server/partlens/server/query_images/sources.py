"""Where a query image comes from."""

from dataclasses import dataclass

from partlens.common.media_digest import of_sha256


@dataclass(frozen=True)
class Picture:
    """A query image given as an encoded picture.

    Attributes:
        digest: SHA-256 of the data.
    """

    data: bytes
    digest: bytes
    field: str

    @property
    def media_digest(self) -> str:
        """The digest as the gallery stores it."""
        return of_sha256(self.digest)


@dataclass(frozen=True)
class StoredPicture:
    """A query image that the gallery holds."""

    id: str
    field: str


@dataclass(frozen=True)
class EarlierPicture:
    """A query image of an earlier call."""

    query_id: str
    field: str


Source = Picture | StoredPicture | EarlierPicture
"""`field` is the path of the source in the request, for errors."""
