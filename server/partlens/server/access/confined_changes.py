"""Changes metadata of the images that a caller may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.indexer.gallery import Correction, StoredImage
from partlens.server.caller.confinement import Confinement
from partlens.server.errors import ForbiddenError, RequestError
from partlens.server.requests.image_changes import ImageChange


@dataclass(frozen=True, eq=False)
class PlannedChanges:
    """What changes of images come to.

    Attributes:
        corrections: to be written.
        unchanged: number of images that have these values already.
        unknown: ids that have no image that the caller may see.
        stale: ids of images that have another revision than expected.
    """

    corrections: Sequence[Correction]
    unchanged: int
    unknown: Sequence[str]
    stale: Sequence[str]


def planned(
    changes: Sequence[ImageChange], there: Mapping[str, StoredImage], within: Confinement
) -> PlannedChanges:
    """What changes come to, given the images that are there.

    Args:
        there: the images by id, whether or not the caller may see them.

    Raises:
        RequestError: the gallery cannot hold an image's new metadata.
        ForbiddenError: an image would be of a camera that the caller may not see.
    """
    corrections, unknown, stale, unchanged = list[Correction](), list[str](), list[str](), 0
    for change in changes:
        image = there.get(change.id)
        if image is None or not within.sees(image.metadata):
            unknown.append(change.id)
        elif change.expected_revision not in (None, image.revision):
            stale.append(change.id)
        else:
            metadata, uri = change.applied(image)
            if (metadata, uri) == (image.metadata, image.uri):
                unchanged += 1
                continue
            _require_allowed(change, metadata, uri, within)
            corrections.append(Correction(image.id, image.media_digest, uri, metadata))
    return PlannedChanges(corrections, unchanged, unknown, stale)


def _require_allowed(
    change: ImageChange, metadata: Metadata, uri: str, within: Confinement
) -> None:
    try:
        require_metadata(metadata, uri)
        within.require(metadata.camera)
    except MetadataError as error:
        name = error.field if error.field == "uri" else f"metadata.{error.field}"
        raise RequestError(f"{change.field}.{name}", error.problem) from error
    except ForbiddenError as error:
        raise ForbiddenError(f"{change.field}.metadata.camera: {error}") from error
