"""Limits of a server, and of a model, as the page shows them: nothing here is made up by a test."""

import re
from collections.abc import Iterator

import httpx
import pytest
from browsing import PHONE, OpenPage, cards, parameters
from locked_page import Locked, locked_server, sign_in
from one_cell import one_cell_model
from page_server import PageServer, people
from playwright.sync_api import Page, expect

from partlens.client import Box, Client, GalleryImageId, QueryRegion, Upload
from partlens.server.pages.kept_views import KEPT

A, B = "1-0000-a0", "1-0000-b1"
SEARCH = f"#/search?image=gallery:{A}&region=0:box:26,62,52,50"
NEW = [f"new-{number}" for number in range(KEPT)]


@pytest.fixture
def changing(served_page: PageServer) -> Iterator[Client]:
    """A client that deletes the images that a test adds."""
    with Client(served_page.target) as client:
        yield client
        client.delete_images(NEW)


def test_a_search_whose_gallery_has_changed_too_often_is_made_again(
    open_page: OpenPage, served_page: PageServer, changing: Client
) -> None:
    page = open_page(SEARCH, viewport=PHONE, expect="status of 400")
    expect(cards(page)).to_have_count(24)
    picture = served_page.picture(1).read_bytes()
    for id in NEW:
        changing.upsert_image(Upload(id, picture))
        changing.search_regions([GalleryImageId(A)], [QueryRegion(Box(26, 62, 52, 50))])
    cards(page).last.evaluate("card => card.scrollIntoView()")
    expect(page.get_by_role("alert")).to_contain_text("The gallery has changed")
    page.get_by_role("button", name="Search again").click()
    expect(cards(page)).to_have_count(24)
    # Every picture but the query, and all that are new.
    end = page.get_by_text(f"These are all {59 + len(NEW)} results.")
    for _ in range(100):
        cards(page).last.evaluate("card => card.scrollIntoView()")
        page.wait_for_timeout(50)
        if end.count():
            return
    pytest.fail("the search does not end")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """A server whose model sees one cell, and whose tokens may make few calls."""
    folder = tmp_path_factory.mktemp("small")
    model = one_cell_model(folder / "model")
    # The next call is allowed long after the page has made its own.
    few = ("--set", "limits.calls_per_second=0.25", "--set", "limits.burst_calls=30")
    gallery = people(folder, 4, model)
    with locked_server(*gallery, folder, *few, name="small", model=model) as running:
        yield running


def signed_in(open_page: OpenPage, small: Locked, name: str, fragment: str) -> tuple[Page, str]:
    """A page, and the token that it has signed in with."""
    token = small.create(name, "--scope", "search")
    page = open_page(fragment, url=small.page.url, expect="401|429")
    sign_in(page, token)
    return page, token


def test_a_model_of_one_cell_warns_that_its_bias_outweighs_its_maps(
    open_page: OpenPage, small: Locked
) -> None:
    a, b = (small.page.picture(number).stem for number in (0, 1))
    page, _ = signed_in(open_page, small, "reader", f"#/explain?a=gallery:{a}&b=gallery:{b}")
    expect(page.get_by_text("These maps tell only a small part")).to_be_visible()
    expect(page.get_by_text("About 99%")).to_be_visible()
    stage = page.get_by_role("application", name="Picture A, 1 by 1 cells")
    stage.hover(position={"x": 20, "y": 20})
    panel = page.get_by_role("region", name="Picture A", exact=True)
    expect(panel).to_contain_text("Row 1, column 1 adds")
    expect(page.locator("canvas.heat")).to_be_visible()
    stage.click(position={"x": 20, "y": 20})
    stage.click(position={"x": 60, "y": 120})
    expect(page.get_by_role("list", name="Pins").get_by_role("listitem")).to_have_count(1)
    # One cell adds what all cells add: the two terms with places of A.
    terms = [number(text) for text in page.locator(".explain-equation > span").all_inner_texts()]
    added = re.search(r"adds (\S+)", panel.inner_text())
    assert added
    assert number(added[1]) == pytest.approx(terms[1] + terms[2], abs=2e-4)


def number(text: str) -> float:
    """The first number of a text, with a real minus sign."""
    found = re.search(r"[+\N{MINUS SIGN}]?\d+\.\d+", text)
    assert found, text
    return float(found[0].replace("\N{MINUS SIGN}", "-"))


def test_a_page_that_calls_too_often_says_so_and_goes_on_by_itself(
    open_page: OpenPage, small: Locked
) -> None:
    a = small.page.picture().stem
    search = f"#/search?image=gallery:{a}&region=0:box:26,62,52,50"
    page, token = signed_in(open_page, small, "hasty", search)
    before = cards(page).first.locator(".hit-id")
    expect(before).to_be_visible()
    exhaust(small.page.url, token)
    page.get_by_role("button", name="Exclude region 1").click()
    page.get_by_role("button", name="Exclude region 1").click()
    expect(page.get_by_role("alert")).to_contain_text("Too many requests in a short time")
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Trying again (in \d+ s|now)"))
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(cards(page).first).to_be_visible()
    assert "exclude" not in parameters(page)


def exhaust(url: str, token: str) -> None:
    """Make calls until one is refused."""
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        for _ in range(1000):
            asked = client.post(f"{url}/partlens.v1.GalleryService/GetGallery", json={})
            if asked.status_code == 429:
                return
    pytest.fail("no call was refused")
