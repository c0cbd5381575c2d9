"""The images of the gallery: generated people, whose parts are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image

from partlens.common.metadata import Metadata
from partlens.common.regions import Box
from partlens.explainer.starter.pictures import generate
from partlens.indexer.sources import ImageFile

FIRST_CAPTURED = datetime(2026, 5, 1, 8, tzinfo=UTC)
"""Capture time of the first image; each later one follows a minute after."""


@dataclass(frozen=True)
class TestImage:
    """A picture of a generated person.

    Attributes:
        id: id in the gallery.
        path: its JPEG file, 96x192 pixels.
        metadata: camera "a" or "b"; the person as the track; capture time; attributes.
        parts: box of each visible part ("hat", "shoes", ...), in pixels. A part that is hidden or
            not worn is missing.
    """

    __test__ = False  # pytest takes the name for a test's

    id: str
    path: Path
    metadata: Metadata
    parts: Mapping[str, Box]


def write_people(count: int, folder: Path) -> Sequence[TestImage]:
    """Write pictures of people, four of each, to a folder that exists; always the same ones."""
    images = []
    for number, drawn in enumerate(generate(count, seed=0)):
        path = folder / f"{drawn.id}.jpg"
        Image.fromarray(drawn.image).save(path, quality=92)
        captured_at = FIRST_CAPTURED + timedelta(minutes=number)
        metadata = Metadata(drawn.camera, drawn.person, captured_at, drawn.attributes)
        images.append(TestImage(drawn.id, path, metadata, drawn.parts))
    return images


def files_of(images: Sequence[TestImage]) -> tuple[ImageFile, ...]:
    """The same images as a source that a gallery is filled from."""
    return tuple(ImageFile(one.id, one.path, one.metadata) for one in images)
