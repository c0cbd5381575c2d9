"""Standing queries and their matches, in tests of the page."""

from pathlib import Path

from playwright.sync_api import Locator, Page

from partlens.client import Box, Client, GalleryImageId, Metadata, QueryRegion, Upload

ID = "1-0000-a0"


def matches(page: Page) -> Locator:
    """The list of matches."""
    return page.get_by_role("list", name="Matches, newest first")


def upload(client: Client, id: str, picture: Path) -> None:
    """Add a picture to the gallery."""
    client.upsert_image(Upload(id, picture.read_bytes(), metadata=Metadata(camera="gate")))


def saved(client: Client, name: str, threshold: float) -> None:
    """Save a standing query for a part of an image."""
    region = QueryRegion(Box(20, 70, 56, 60))
    client.create_standing_query(name, [GalleryImageId(ID)], [region], threshold)
