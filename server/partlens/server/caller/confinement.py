"""The galleries and images that a caller may see and change."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from partlens.common.filters import Filter
from partlens.common.metadata import Metadata
from partlens.server.errors import ForbiddenError


@dataclass(frozen=True)
class Confinement:
    """The images that a caller may see and change.

    Attributes:
        cameras: only images from these cameras; None for all images. Never empty.
        galleries: only galleries called by these names; None for all galleries. Never empty.
    """

    cameras: frozenset[str] | None = None
    galleries: frozenset[str] | None = None

    @classmethod
    def to(cls, cameras: Iterable[str], galleries: Iterable[str] = ()) -> "Confinement":
        """Confined to these cameras and galleries; not by those of which there are none.

        >>> Confinement.to([]).cameras is None
        True
        """
        return cls(frozenset(cameras) or None, frozenset(galleries) or None)

    def may_name(self, gallery: str) -> bool:
        """Whether the caller may use a gallery by this name, its own or an alias."""
        return self.galleries is None or gallery in self.galleries

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
        if outside := _wanted_cameras(where) - self.cameras:
            raise ForbiddenError(
                f"this token is restricted to cameras {_names(self.cameras)}; the filter names"
                f" {_names(outside)}"
            )
        # Added to the outermost conditions, so that nothing inside the filter can widen it.
        return replace(where, cameras=where.cameras or self.cameras)

    def require(self, camera: str) -> None:
        """Raise ForbiddenError if a camera is outside the confinement."""
        if self.cameras is not None and camera not in self.cameras:
            raise ForbiddenError(
                f"this token is restricted to cameras {_names(self.cameras)}; the image is from"
                f" {camera!r}"
            )


def _wanted_cameras(where: Filter) -> frozenset[str]:
    """The cameras that a filter asks for; not those that it excludes."""
    inside = (_wanted_cameras(one) for one in (*where.all_of, *where.any_of))
    return frozenset(where.cameras).union(*inside)


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
