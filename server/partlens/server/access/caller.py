"""Who is calling, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from partlens.common.filters import Filter
from partlens.common.metadata import Metadata
from partlens.server.errors import ForbiddenError

Scope = Literal["search", "ingest", "admin"]
SCOPES: tuple[Scope, ...] = ("search", "ingest", "admin")

# The scopes that each method needs; a method that is not listed is closed to everyone.
NEEDED: dict[str, frozenset[Scope]] = {
    "/partlens.v1.PartSearchService/SearchRegions": frozenset({"search"}),
    "/partlens.v1.PartSearchService/ExplainPair": frozenset({"search"}),
    "/partlens.v1.PartSearchService/DescribeQuery": frozenset({"search"}),
    "/partlens.v1.GalleryService/GetImage": frozenset({"search"}),
    "/partlens.v1.GalleryService/ListImages": frozenset({"search"}),
    "/partlens.v1.GalleryService/GetGallery": frozenset(SCOPES),
    "/partlens.v1.GalleryService/UpsertImages": frozenset({"ingest"}),
    "/partlens.v1.GalleryService/DeleteImages": frozenset({"admin"}),
    "/partlens.v1.StandingQueryService/CreateStandingQuery": frozenset({"search"}),
    "/partlens.v1.StandingQueryService/ListStandingQueries": frozenset({"search"}),
    "/partlens.v1.StandingQueryService/DeleteStandingQuery": frozenset({"search"}),
    "/partlens.v1.StandingQueryService/WatchMatches": frozenset({"search"}),
}


@dataclass(frozen=True)
class Confinement:
    """The images that a caller may see and change.

    Attributes:
        cameras: only images from these cameras; None for all images. Never empty.
    """

    cameras: frozenset[str] | None = None

    @classmethod
    def to(cls, cameras: Iterable[str]) -> "Confinement":
        """Confined to these cameras; unconfined if there are none.

        >>> Confinement.to([]).cameras is None
        True
        """
        return cls(frozenset(cameras) or None)

    def sees(self, metadata: Metadata) -> bool:
        """Whether the caller may see an image."""
        return self.cameras is None or metadata.camera in self.cameras

    def narrowed(self, where: Filter) -> Filter:
        """A filter that passes only images that the caller may see.

        Raises:
            ForbiddenError: the filter names a camera outside the confinement.
        """
        if self.cameras is None:
            return where
        if outside := frozenset(where.cameras) - self.cameras:
            raise ForbiddenError(
                f"this token is restricted to cameras {_names(self.cameras)}; the filter names"
                f" {_names(outside)}"
            )
        return replace(where, cameras=where.cameras or self.cameras)

    def require(self, camera: str) -> None:
        """Raise ForbiddenError if a camera is outside the confinement."""
        if self.cameras is not None and camera not in self.cameras:
            raise ForbiddenError(
                f"this token is restricted to cameras {_names(self.cameras)}; the image is from"
                f" {camera!r}"
            )


@dataclass(frozen=True)
class Caller:
    """Who is calling.

    Attributes:
        token: id of the token; "" if the server has no tokens.
        name: name of the token.
        scopes: scopes of the token.
        within: images that the caller may access.
    """

    token: str = ""
    name: str = ""
    scopes: frozenset[Scope] = frozenset()
    within: Confinement = Confinement()

    def require_scope(self, method: str) -> None:
        """Raise ForbiddenError unless this caller may call a method."""
        needed = NEEDED.get(method, frozenset())
        if not needed & self.scopes:
            raise ForbiddenError(
                f"token {self.token} has scope {_names(self.scopes)}; this method needs"
                f" {_names(needed, ' or ')}"
            )


# Every caller of a server without tokens, which is allowed only on loopback.
ANYONE = Caller(name="anyone", scopes=frozenset(SCOPES))


def _names(names: Iterable[str], join: str = ", ") -> str:
    return join.join(sorted(names))
