"""Searches in a gallery that changes: what the page shows is never older than it says."""

from collections.abc import Iterator

import pytest
from browsing import OpenPage, cards, shown
from page_server import PageServer
from playwright.sync_api import Page, expect

from partlens.client import Client, Metadata, Upload

ID, REGION = "1-0000-a0", "0:box:20,70,56,60"
NEW = "added-later"
# The page asks the server this often whether its gallery has changed.
POLL_MS = 15_000


@pytest.fixture
def client(served_page: PageServer) -> Iterator[Client]:
    """A client that leaves the gallery as it was."""
    with Client(served_page.target) as connected:
        yield connected
        connected.delete_images([NEW])


def add(client: Client, served_page: PageServer) -> None:
    """Adds a picture of a camera that the gallery did not have."""
    picture = served_page.picture(1).read_bytes()
    client.upsert_images([Upload(NEW, picture, metadata=Metadata(camera="later"))])


def open_with_clock(open_page: OpenPage, fragment: str) -> Page:
    """Opens a page whose clock a test can move on."""
    page = open_page("#/gallery")
    page.clock.install()
    page.goto(page.url.partition("#")[0] + fragment)
    page.reload()
    return page


def test_a_search_that_found_nothing_finds_what_is_added(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    page = open_with_clock(open_page, f"#/search?image=gallery:{ID}&region={REGION}&camera=later")
    expect(page.get_by_role("heading", name="No picture passes the filters")).to_be_visible()
    add(client, served_page)
    page.clock.fast_forward(POLL_MS)
    assert [id for id, _ in shown(page)] == [NEW]


def test_results_of_an_older_gallery_are_brought_up_to_date_on_request(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    page = open_with_clock(open_page, f"#/search?image=gallery:{ID}&region={REGION}")
    update = page.get_by_role("button", name="Update")
    before = shown(page)
    expect(update).to_be_hidden()
    add(client, served_page)
    page.clock.fast_forward(POLL_MS)
    update.click()
    expect(cards(page).locator(f'.hit-id[title="{NEW}"]')).to_be_visible()
    expect(update).to_be_hidden()
    assert before != shown(page)
