"""Which fields of an image's metadata a source states."""

from collections.abc import Set
from dataclasses import dataclass

from partlens.common.metadata import Metadata


@dataclass(frozen=True)
class Stated:
    """Which fields a source states: of the others it knows nothing, and must not erase them.

    Attributes:
        id: the source names the image itself; otherwise its id is derived from its place.
        camera, track, captured_at: a field that is stated and empty is cleared.
        attributes: names of those that are stated; one without a value is removed.
    """

    id: bool = False
    camera: bool = False
    track: bool = False
    captured_at: bool = False
    attributes: Set[str] = frozenset()

    def over(self, said: Metadata, known: Metadata) -> Metadata:
        """What is known of an image after a source has said something new of it."""
        kept = {key: text for key, text in known.attributes.items() if key not in self.attributes}
        return Metadata(
            said.camera if self.camera or said.camera else known.camera,
            said.track if self.track or said.track else known.track,
            said.captured_at if self.captured_at or said.captured_at else known.captured_at,
            {**kept, **said.attributes},
        )


NOTHING_STATED = Stated()
