"""Every view with axe-core, in both themes and at both sizes; and by keyboard alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import OpenPage
from locked_page import Locked, sign_in
from page_server import PageServer
from playwright.sync_api import Page, expect

from partlens.client import Box, Client, GalleryImageId, Metadata, QueryRegion, Upload

AXE = Path(__file__).parents[2] / "server/page/node_modules/axe-core/axe.min.js"
ID, OTHER = "1-0000-a0", "1-0000-b1"
SEARCH = f"#/search?image=gallery:{ID}&region=0:box:20,70,56,60&camera=a&camera=b"
EXPLAIN = f"#/explain?a=gallery:{ID}&b=gallery:{OTHER}&region=a:box:20,70,56,60&pin=1"
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}


@pytest.fixture(scope="module")
def watched(served_page: PageServer) -> Iterator[None]:
    """A standing query, another that is paused, and a match."""
    with Client(served_page.target) as client:
        region = QueryRegion(Box(20, 70, 56, 60))
        for name, paused in (("Bags", False), ("Coats", True)):
            made = client.create_standing_query(name, [GalleryImageId(ID)], [region], -10)
            if paused:
                client.update_standing_query(made.id, paused=True)
        picture = served_page.picture(1).read_bytes()
        client.upsert_image(Upload("seen", picture, metadata=Metadata(camera="gate")))
        yield
        for query in client.list_standing_queries():
            client.delete_standing_query(query.id)
        client.delete_images(["seen"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_has_a_barrier(
    open_page: OpenPage, watched: None, served_page: PageServer, theme: str, size: str
) -> None:
    page = open_page(
        viewport=SIZES[size], color_scheme=theme, has_touch=size == "phone", expect="404"
    )
    found = list[str]()

    def check(name: str) -> None:
        found.extend(f"{name}: {one}" for one in barriers(page))

    def go(fragment: str) -> None:
        page.goto(f"{served_page.url}/{fragment}")

    expect(page.get_by_role("button", name="Choose a picture")).to_be_visible()
    check("start")
    go(SEARCH)
    expect(page.get_by_role("list", name="Results").get_by_role("listitem").first).to_be_visible()
    check("search")
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_text("pass the filters")).to_be_visible()
    check("search with filters")
    if size == "phone":
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Watch for this").click()
    expect(page.get_by_text("would have matched")).to_be_visible()
    check("watch for this")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Why result 1,").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check("why")
    go(EXPLAIN)
    expect(page.locator("canvas.heat").first).to_be_visible()
    check("explain")
    go("#/explain")
    check("explain without pictures")
    go("#/watch")
    expect(page.get_by_role("list", name="Matches").get_by_role("listitem").first).to_be_visible()
    check("watch")
    page.get_by_role("button", name="Delete Bags").click()
    check("delete a standing query")
    page.keyboard.press("Escape")
    go("#/gallery")
    page.get_by_role("checkbox", name=f"Select {ID}").check()
    check("gallery")
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_text("pass the filters")).to_be_visible()
    check("gallery with filters")
    if size == "phone":
        page.keyboard.press("Escape")
    page.locator("input[type=file]").set_input_files(served_page.picture())
    page.get_by_role("dialog").get_by_text("More details").click()
    check("add pictures")
    go(f"#/image/{ID}")
    expect(page.get_by_role("heading", name=ID)).to_be_visible()
    check("image")
    go("#/image/gone")
    expect(page.get_by_role("heading", name="not in the gallery")).to_be_visible()
    check("no image")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_screen_without_a_view_has_a_barrier(
    open_page: OpenPage, locked: Locked, theme: str, size: str
) -> None:
    page = open_page(
        url=locked.page.url,
        viewport=SIZES[size],
        color_scheme=theme,
        has_touch=size == "phone",
        expect="401|404|ERR_INTERNET_DISCONNECTED|Failed to fetch",
    )
    found = list[str]()

    def check(name: str) -> None:
        found.extend(f"{name}: {one}" for one in barriers(page))

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    check("sign in")
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    check("wrong token")
    sign_in(page, locked.create(f"adder-{theme}-{size}", "--scope", "ingest"))
    expect(page.get_by_role("heading", name="Add pictures")).to_be_visible()
    check("only adding")
    page.goto(f"{locked.page.url}/#/watch")
    expect(page.get_by_text("Your token does not allow this")).to_be_visible()
    check("not allowed")
    page.get_by_role("button", name="Use another token").click()
    sign_in(page, locked.create(f"searcher-{theme}-{size}", "--scope", "search"))
    expect(page.get_by_role("button", name="Choose a picture")).to_be_visible()
    page.goto(f"{locked.page.url}/#/search?image=query:q-gone&region=0:box:20,70,56,60")
    expect(page.get_by_role("heading", name="This picture is no longer kept").first).to_be_visible()
    check("picture that is gone")
    page.context.set_offline(True)
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_role("status").get_by_text("The server does not answer")).to_be_visible()
    check("server that is away")
    page.context.set_offline(False)
    expect(page.get_by_role("list", name="Images").get_by_role("link").first).to_be_visible()
    assert not found, "\n".join(found)


def test_the_views_are_reached_with_the_keyboard(open_page: OpenPage) -> None:
    page = open_page("#/search")
    expect(page.get_by_role("button", name="Choose a picture")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose a picture")).to_be_focused()
    for view in ("Explain", "Watch", "Gallery"):
        link = page.get_by_role("navigation", name="Views").get_by_role("link", name=view)
        reach(page, link, "Shift+Tab")
        page.keyboard.press("Enter")
        expect(link).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("main")).to_be_focused()
    reach(page, page.get_by_role("link", name=ID), "Tab")
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("link", name="Search with this"), "Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Query")).to_be_visible()


def reach(page: Page, wanted: Any, key: str) -> None:
    """Press a key until an element has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(40):
        page.keyboard.press(key)
        if wanted.evaluate("one => one === document.activeElement"):
            return
    pytest.fail(f"{key} does not reach {wanted}")


def barriers(page: Page) -> list[str]:
    """What axe-core finds, one line each."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{rule['id']} ({rule['help']}): {node['target']} {node['html'][:150]}"
        f" {(node.get('any') or [{}])[0].get('message', '')}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
