"""A gallery to fill."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gallery_images import SPEC

from partlens.indexer.gallery import Gallery


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """An empty gallery, closed when the test ends."""
    with Gallery.create(tmp_path / "gallery", SPEC) as made:
        yield made
