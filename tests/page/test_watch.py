"""Standing queries on the page: saved from a search, matched live, paused and deleted."""

from collections.abc import Iterator

import pytest
from browsing import OpenPage
from page_server import PageServer
from playwright.sync_api import expect
from watching import matches, saved, upload

from partlens.client import Client

ID, REGION = "1-0000-a0", "0:box:20,70,56,60"


@pytest.fixture
def client(served_page: PageServer) -> Iterator[Client]:
    """A client that leaves the gallery and the standing queries as they were."""
    with Client(served_page.target) as connected:
        yield connected
        for query in connected.list_standing_queries():
            connected.delete_standing_query(query.id)
        connected.delete_images(["seen-1", "seen-2", "seen-3"])


def test_a_search_is_saved_and_its_matches_appear(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    page = open_page(f"#/search?image=gallery:{ID}&region={REGION}")
    page.get_by_role("button", name="Watch for this").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Red bag")
    dialog.get_by_role("slider", name="Lowest score").press("End")
    expect(dialog.get_by_text("0 of the gallery's images")).to_be_visible()
    dialog.get_by_role("slider", name="Lowest score").press("Home")
    expect(dialog.get_by_text("59 of the gallery's images would have matched")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", name="Red bag")).to_be_visible()
    expect(page.get_by_text("● Watching")).to_be_visible()
    upload(client, "seen-1", served_page.picture(1))
    match = matches(page).get_by_role("listitem").filter(has_text="seen-1")
    expect(match).to_contain_text("Red bag")
    expect(match.locator("canvas.heat")).to_be_visible()
    (query,) = client.list_standing_queries()
    score = float(match.locator("strong.number").inner_text())
    assert score >= query.threshold

    page.get_by_role("button", name="Pause Red bag").click()
    expect(page.get_by_text("Paused")).to_be_visible()
    upload(client, "seen-2", served_page.picture(1))
    page.get_by_role("button", name="Resume Red bag").click()
    expect(page.get_by_text("Paused")).to_be_hidden()
    upload(client, "seen-3", served_page.picture(1))
    expect(matches(page).get_by_text("seen-3")).to_be_visible()
    expect(matches(page).get_by_text("seen-2")).to_be_hidden()

    page.reload()
    expect(matches(page).get_by_role("listitem")).to_have_count(2)
    page.get_by_role("button", name="Clear the list").click()
    expect(page.get_by_text("appear here")).to_be_visible()
    page.reload()
    expect(page.get_by_text("● Watching")).to_be_visible()
    expect(page.get_by_text("appear here")).to_be_visible()

    page.get_by_role("button", name="Delete Red bag").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    expect(page.get_by_text("Watching", exact=False)).to_be_hidden()
    assert not client.list_standing_queries()


def test_a_standing_query_is_changed(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    saved(client, "Coats", 0.5)
    page = open_page("#/watch")
    page.get_by_role("button", name="Change Coats").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Long coats")
    dialog.get_by_label("Lowest score").fill("0.75")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Long coats")).to_be_visible()
    (query,) = client.list_standing_queries()
    assert (query.name, query.threshold) == ("Long coats", 0.75)


def test_new_matches_are_counted_in_the_navigation_of_every_tab(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    saved(client, "All", -10)
    page = open_page("#/gallery")
    other = page.context.new_page()
    other.goto(page.url)
    expect(page.get_by_role("link", name="1-0000-a0")).to_be_visible()
    upload(client, "seen-1", served_page.picture(1))
    expect(page.get_by_role("link", name="Watch 1 new")).to_be_visible()
    expect(other.get_by_role("link", name="Watch 1 new")).to_be_visible()
    expect(page).to_have_title("(1) Gallery · partlens")
    page.get_by_role("link", name="Watch 1 new").click()
    expect(matches(page).get_by_text("seen-1")).to_be_visible()
    expect(other.get_by_role("link", name="Watch", exact=True)).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="1 new match")).to_be_attached()
