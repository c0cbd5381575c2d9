"""What tests of the page do in a browser."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

from playwright.sync_api import Locator, Page, ViewportSize, expect

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 740}

OpenPage = Callable[..., Page]
"""See the fixture open_page."""

Place = tuple[float, float]
"""x and y, as fractions of an element's width and height."""


def add_picture(page: Page, picture: Path) -> Locator:
    """Adds a picture to an empty query; returns what is drawn on."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a picture").click()
    chooser.value.set_files(picture)
    stage = page.get_by_role("application").first
    expect(stage).to_be_visible()
    return stage


def on_screen(element: Locator, *places: Place) -> list[Place]:
    """Places on an element, in pixels of the window."""
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    assert box is not None
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]


def press_and_move(page: Page, element: Locator, start: Place, end: Place) -> None:
    """Presses the mouse at one place of an element, moves it to another, and keeps it pressed."""
    (x0, y0), (x1, y1) = on_screen(element, start, end)
    page.mouse.move(x0, y0)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(x0 + (x1 - x0) * step / 5, y0 + (y1 - y0) * step / 5)


def drag(page: Page, element: Locator, start: Place, end: Place) -> None:
    """Drags the mouse between two places of an element."""
    press_and_move(page, element, start, end)
    page.mouse.up()


def swipe(page: Page, element: Locator, start: Place, end: Place) -> None:
    """Drags a finger between two places of an element."""
    session = page.context.new_cdp_session(page)
    (x0, y0), (x1, y1) = on_screen(element, start, end)

    def touch(kind: str, *points: Place) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    touch("touchStart", (x0, y0))
    for step in range(1, 6):
        touch("touchMove", (x0 + (x1 - x0) * step / 5, y0 + (y1 - y0) * step / 5))
    touch("touchEnd")


def choose_tool(page: Page, name: str) -> None:
    """Chooses a tool to draw with."""
    page.get_by_role("toolbar").get_by_role("button", name=name, exact=True).click()


def parameters(page: Page) -> dict[str, list[str]]:
    """What the page's address says of its view."""
    # Playwright's page.url may lag behind.
    return parse_qs(str(page.evaluate("location.hash")).partition("?")[2])


def cards(page: Page) -> Locator:
    """The hits of a search."""
    return page.locator(".hits .hit:not(.skeleton)")


def shown(page: Page) -> list[tuple[str, str]]:
    """Id and score of every hit, once the search is answered."""
    expect(page.locator(".answer[aria-busy=false]")).to_be_visible()
    expect(cards(page).first).to_be_visible()
    return [
        (
            card.locator(".hit-id").get_attribute("title") or "",
            card.locator("strong").text_content() or "",
        )
        for card in cards(page).all()
    ]
