"""Changes of an image's metadata, without its picture."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Literal

from partlens.common.metadata import Metadata
from partlens.indexer.gallery import StoredImage

Part = Literal["camera", "track", "captured_at", "attributes", "uri"]


@dataclass(frozen=True, eq=False)
class ImageChange:
    """What to change of one image.

    Attributes:
        id: id of the image.
        replaced: parts that take the value in `metadata` or `uri`; others stay.
        set_attributes, removed_attributes: attributes to set and to remove; others stay.
        expected_revision: revision that the image must have; None for any.
        field: its path in the request, for errors.
    """

    id: str
    replaced: Set[Part]
    metadata: Metadata
    uri: str
    set_attributes: Mapping[str, str]
    removed_attributes: Set[str]
    expected_revision: int | None
    field: str

    def applied(self, image: StoredImage) -> tuple[Metadata, str]:
        """Metadata and uri of an image after the change."""
        said, known, replaced = self.metadata, image.metadata, self.replaced
        attributes = said.attributes if "attributes" in replaced else known.attributes
        kept = {name: v for name, v in attributes.items() if name not in self.removed_attributes}
        changed = Metadata(
            said.camera if "camera" in replaced else known.camera,
            said.track if "track" in replaced else known.track,
            said.captured_at if "captured_at" in replaced else known.captured_at,
            {**kept, **self.set_attributes},
        )
        return changed, self.uri if "uri" in replaced else image.uri
