"""Addresses, names and browsers that nobody expects: the page stays whole, and tells the truth."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from browsing import DESKTOP, PHONE, OpenPage, cards, shown
from page_server import PageServer
from playwright.sync_api import Page, expect

from partlens.client import Client, Metadata, Upload

ID = "1-0000-a0"
WHOLE = f"#/search?image=gallery:{ID}&region=0:whole:"
LONG, BACKWARDS = "W" * 200, "\u202egpj.exe"
ODD = "an-odd-one"


@pytest.fixture
def client(served_page: PageServer) -> Iterator[Client]:
    """A client, with an image of long and right-to-left names in the gallery."""
    with Client(served_page.target) as connected:
        odd = Metadata(camera=LONG, track=BACKWARDS, attributes={"colour": LONG, LONG[:60]: "x"})
        upload = Upload(ODD, served_page.picture().read_bytes(), metadata=odd)
        connected.upsert_images([upload])
        yield connected
        connected.delete_images([ODD])


def go(page: Page, fragment: str) -> None:
    """Follow a link on the page."""
    page.evaluate("fragment => { location.hash = fragment; }", fragment)


def assert_fits(page: Page) -> None:
    """Assert that nothing makes the page wider than its window."""
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) == 0, page.url[:200]


@pytest.mark.parametrize("storage", ["localStorage", "sessionStorage"])
def test_the_page_works_where_the_browser_keeps_nothing(open_page: OpenPage, storage: str) -> None:
    page = open_page()
    denied = "get() { throw new DOMException('denied', 'SecurityError'); }"
    page.add_init_script(f"Object.defineProperty(window, '{storage}', {{ {denied} }});")
    page.reload()
    page.get_by_role("button", name="Colours: as the system").click()
    expect(page.get_by_role("button", name="Colours: light")).to_be_visible()


def test_what_an_address_cannot_mean_is_left_out(open_page: OpenPage) -> None:
    page = open_page(f"{WHOLE}&after=2026-13-01T00:00&before=2026-01-99T00:00")
    shown(page)
    expect(page.get_by_role("list", name="Filters, grouping")).to_have_count(0)
    go(page, f"#/search?image=gallery:{ID}&region=0:box:1e308,0,1e308,9")
    expect(page.get_by_role("heading", name="Mark a part of the picture")).to_be_visible()
    go(page, f"#/explain?a=gallery:{ID}&b=gallery:1-0000-b1&region=a:box:-1e308,0,1e308,9&pin=1")
    expect(page.locator(".explain-score")).to_contain_text("similarity")


@pytest.mark.parametrize("name", ["NONE", "__proto__", "nothing"])
def test_no_other_gallery_is_shown_than_the_address_names(open_page: OpenPage, name: str) -> None:
    page = open_page(f"#/gallery?gallery={name}", expect="404")
    expect(page.get_by_role("heading", name="names a gallery that you cannot see")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="default").click()
    expect(page.get_by_role("banner")).to_contain_text("60 images")


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.usefixtures("client")
def test_long_names_hide_nothing(open_page: OpenPage, window: object) -> None:
    camera = f"camera={LONG}&track={quote(BACKWARDS)}"
    page = open_page(f"{WHOLE}&identical=yes&{camera}", viewport=window)
    assert [id for id, _ in shown(page)] == [ODD]
    card, score = cards(page).bounding_box(), cards(page).locator("strong").bounding_box()
    assert card and score
    assert score["x"] + score["width"] <= card["x"] + card["width"]
    assert_fits(page)
    # An original that there is not is not offered.
    expect(cards(page).get_by_role("button", name="Original")).to_have_count(0)
    track = page.get_by_role("button", name="Remove filter: Track")
    words, cross = track.locator("bdi").bounding_box(), track.locator("span").bounding_box()
    assert words and cross
    assert cross["x"] > words["x"] + words["width"] - 1
    page.get_by_role("button", name="Filters (2)").click()
    expect(page.get_by_text("of 61 pass the filters")).to_be_visible()
    assert_fits(page)
    for fragment, text in (
        (f"#/image/{ODD}", "Digest"),
        (f"#/gallery?{camera}", ODD),
        (f"#/image/{LONG * 4}", "has 800 characters"),
    ):
        page = open_page(fragment, viewport=window, expect="400")
        expect(page.get_by_role("main")).to_contain_text(text)
        assert_fits(page)


def test_a_hit_that_a_link_opened_closes_to_its_results(open_page: OpenPage) -> None:
    page = open_page(WHOLE)
    (hit, _), *_ = shown(page)
    cards(page).first.locator(".hit-picture").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    go(page, "#/gallery")
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()
    go(page, f"{WHOLE}&hit={hit}")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    assert shown(page)[0][0] == hit


def test_the_sum_of_an_image_that_is_gone_is_not_shown(open_page: OpenPage, client: Client) -> None:
    page = open_page(f"{WHOLE}&identical=yes", expect="404")
    shown(page)
    client.delete_images([ODD])
    cards(page).filter(has_text=ODD).locator(".hit-picture").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This search does not find the image")
    expect(dialog.get_by_label("The sum that makes the score")).to_have_count(0)
