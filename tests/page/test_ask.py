"""Asking in a real browser: pictures come in, and shapes are changed by mouse, touch and keys."""

import re
import time
from pathlib import Path

import pytest
from browsing import PHONE, OpenPage, Place, drag, on_screen, parameters, swipe
from page_server import PageServer
from playwright.sync_api import Locator, Page, expect

from partlens.client import Client

# The answer to a shape that is still too small; browsers print every such answer.
DEADLINE_S = 10
REFUSED = "status of 400"
PERSON = "#/search?image=gallery:1-0000-a0"


def regions(page: Page) -> list[str]:
    """The regions in the address."""
    return parameters(page).get("region", [])


def box(page: Page, number: int = 0) -> list[float]:
    """x, y, width and height of a box in the address."""
    return [float(value) for value in regions(page)[number].split(":")[2].rstrip("-").split(",")]


def wait_for_box(page: Page, expected: list[float], within: float) -> list[float]:
    """Waits until the first region is about this box; returns which exactly."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if regions(page) and box(page) == pytest.approx(expected, abs=within):
            return box(page)
        page.wait_for_timeout(20)
    raise AssertionError(f"{regions(page)} is not about {expected}")


def wait_for_regions(page: Page, count: int) -> None:
    expect(page.locator(".region-row")).to_have_count(count)
    # The address follows in the same moment.
    assert len(regions(page)) == count


def stage(page: Page, number: int = 0) -> Locator:
    """A picture to draw on, once it is shown."""
    found = page.locator("svg.stage").nth(number)
    expect(found.locator("image")).to_be_attached()
    return found


def pixel(x: float, y: float) -> Place:
    """A place on a generated person, from pixels."""
    return x / 96, y / 192


def test_corners_and_boxes_are_dragged_and_every_step_is_undone(open_page: OpenPage) -> None:
    page = open_page(f"{PERSON}&region=0:box:20,40,40,60")
    drag(page, stage(page), pixel(40, 70), pixel(50, 90))
    moved = wait_for_box(page, [30, 60, 40, 60], 0.5)
    drag(page, stage(page), pixel(70, 120), pixel(90, 150))
    grown = wait_for_box(page, [30, 60, 60, 90], 0.5)
    page.keyboard.press("Control+z")
    assert box(page) == moved
    page.keyboard.press("Control+Shift+z")
    assert box(page) == grown
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert box(page) == [20, 40, 40, 60]
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_the_last_tool_is_repeated_and_a_region_deleted_by_keys(open_page: OpenPage) -> None:
    page = open_page(PERSON, expect=REFUSED)
    drag(page, stage(page), (0.2, 0.3), (0.8, 0.6))
    wait_for_regions(page, 1)
    page.keyboard.press("n")
    # Inside the first one: a drawn shape is never taken for a move of another.
    drag(page, stage(page), (0.3, 0.4), (0.7, 0.55))
    wait_for_regions(page, 2)
    page.keyboard.press("x")
    assert [one.endswith("-") for one in regions(page)] == [False, True]
    page.keyboard.press("Delete")
    wait_for_regions(page, 1)


def test_a_part_is_marked_without_a_mouse(open_page: OpenPage) -> None:
    page = open_page(PERSON)
    stage(page).focus()
    page.keyboard.press("Enter")
    wait_for_regions(page, 1)
    x, y, width, height = box(page)
    assert (x + width / 2, y + height / 2) == (48, 96)
    for key in ("ArrowLeft", "Shift+ArrowUp", "Alt+ArrowRight", "Shift+Alt+ArrowDown"):
        page.keyboard.press(key)
    assert box(page) == [x - 1, y - 10, width + 1, height + 10]
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_have_count(0)
    expect(page.locator("[data-region='0']:not([data-handle])")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Top left corner, region 1")).to_be_focused()
    page.keyboard.press("ArrowRight")
    assert box(page) == [x, y - 10, width, height + 10]
    page.keyboard.press("Control+z")
    assert box(page) == [x - 1, y - 10, width + 1, height + 10]


# Runs in the page: whether an element has the focus in the moment the dialog is gone.
FOCUSED_ONCE_CLOSED = """element => new Promise(done => {
  new MutationObserver(() => {
    if (!document.querySelector("dialog")) done(document.activeElement === element);
  }).observe(document.body, { childList: true, subtree: true });
  document.querySelector("dialog button").click();
})"""


def test_no_key_is_lost_after_a_dialog(open_page: OpenPage) -> None:
    page = open_page(PERSON)
    drawn_on = stage(page)
    drawn_on.focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert drawn_on.evaluate(FOCUSED_ONCE_CLOSED)


@pytest.mark.parametrize("fragment", [PERSON, "#/explain?a=gallery:1-0000-a0&b=gallery:1-0000-b1"])
def test_no_tool_is_wider_than_its_place(open_page: OpenPage, fragment: str) -> None:
    for width in (320, 360, 420):
        page = open_page(fragment, viewport={"width": width, "height": 640})
        tools = page.get_by_role("toolbar").get_by_role("button")
        expect(tools.first).to_be_visible()
        assert tools.count() >= 6
        assert tools.evaluate_all("tools => tools.filter(e => e.scrollWidth > e.clientWidth)") == []


def test_a_polygon_is_closed_or_given_up(open_page: OpenPage) -> None:
    page = open_page(PERSON, expect=REFUSED)
    corners = [(0.3, 0.3), (0.7, 0.3), (0.5, 0.6)]

    def click(*places: Place) -> None:
        for x, y in on_screen(stage(page), *places):
            page.mouse.click(x, y)

    stage(page)
    page.keyboard.press("p")
    click(*corners)
    page.keyboard.press("Escape")
    assert regions(page) == []
    click(*corners, corners[0])
    wait_for_regions(page, 1)
    numbers = re.split("[:,]", regions(page)[0])[2:]
    expected = [value for x, y in corners for value in (96 * x, 192 * y)]
    assert list(map(float, numbers)) == pytest.approx(expected, abs=1)


def test_every_stroke_of_the_brush_is_one_step(open_page: OpenPage) -> None:
    page = open_page(PERSON, expect=REFUSED)
    stage(page)
    page.keyboard.press("r")
    drag(page, stage(page), (0.3, 0.35), (0.7, 0.35))
    wait_for_regions(page, 1)
    one = regions(page)
    drag(page, stage(page), (0.3, 0.45), (0.7, 0.45))
    two = regions(page)
    assert len(two) == 1
    assert two != one
    page.keyboard.press("e")
    drag(page, stage(page), (0.3, 0.45), (0.7, 0.45))
    # Erased again, up to the ends of the round brush.
    assert regions(page) == one
    page.keyboard.press("Control+z")
    assert regions(page) == two
    page.keyboard.press("Control+z")
    assert regions(page) == one


def test_what_the_model_sees_is_shown_and_a_tiny_region_warned_of(open_page: OpenPage) -> None:
    page = open_page(f"{PERSON}&region=0:box:48,80,3,3", expect=REFUSED)
    expect(page.locator(".region-row .warning")).to_be_visible()
    expect(page.locator(".grid-lines")).to_have_count(0)
    page.get_by_role("button", name="Show what the model sees").click()
    expect(page.locator(".grid-lines")).to_have_count(1)
    shares = page.locator(".cells rect").evaluate_all(
        "cells => cells.map(cell => Number(cell.getAttribute('fill-opacity')))"
    )
    assert shares
    assert all(0 < share < 0.5 for share in shares)


def spread(page: Page, element: Locator, reach: float) -> None:
    """Moves two fingers apart in the middle of an element."""
    session = page.context.new_cdp_session(page)
    ((x, y),) = on_screen(element, (0.5, 0.5))

    def touch(kind: str, *places: Place) -> None:
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    touch("touchStart", (x - 20, y))
    touch("touchStart", (x - 20, y), (x + 20, y))
    for step in (0.5, 1):
        touch("touchMove", (x - 20 - reach * step, y), (x + 20 + reach * step, y))
    touch("touchEnd")


def test_a_finger_moves_a_box_and_its_corner_and_two_enlarge_the_picture(
    open_page: OpenPage,
) -> None:
    fragment = f"{PERSON}&region=0:box:20,40,40,40"
    page = open_page(fragment, viewport=PHONE, has_touch=True, is_mobile=True)
    swipe(page, stage(page), (0.4, 0.3), (0.5, 0.35))
    expect(page.locator(".shape.selected")).to_have_count(1)
    wait_for_box(page, [29.6, 49.6, 40, 40], 1)
    swipe(page, stage(page), pixel(69.6, 89.6), pixel(80, 100))
    wait_for_box(page, [29.6, 49.6, 50.4, 50.4], 1.5)
    before = stage(page).get_attribute("viewBox")
    spread(page, stage(page), 40)
    expect(stage(page)).not_to_have_attribute("viewBox", before or "")
    assert len(regions(page)) == 1


def test_pictures_are_chosen_dropped_and_pasted_into_one_query(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page("#/search")
    page.set_input_files("input[type=file]", [served_page.picture(0), served_page.picture(1)])
    expect(page.locator("svg.stage")).to_have_count(2)
    for kind, number in (("drop", 2), ("paste", 3)):
        give(page, kind, served_page.picture(number))
        expect(page.locator("svg.stage")).to_have_count(number + 1)
    page.get_by_role("button", name="Remove picture 1").click()
    expect(page.locator("svg.stage")).to_have_count(3)
    page.keyboard.press("Control+z")
    expect(page.locator("svg.stage")).to_have_count(4)


def give(page: Page, kind: str, file: Path) -> None:
    """Drops or pastes a file."""
    data = file.read_bytes()
    page.evaluate(
        """([kind, name, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
            document.body.dispatchEvent(kind === "drop"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        [kind, file.name, list(data)],
    )


def test_a_file_that_is_no_picture_is_refused_by_name(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("#/search", expect=REFUSED)
    expect(page.get_by_role("button", name="Choose a picture")).to_be_visible()
    (tmp_path / "letter.jpg").write_text("Dear reader")
    (tmp_path / "empty.jpg").touch()
    page.set_input_files("input[type=file]", [tmp_path / "letter.jpg", tmp_path / "empty.jpg"])
    refused = page.locator(".uploads .problem")
    expect(refused).to_have_count(2)
    expect(refused.filter(has_text="letter.jpg")).to_contain_text("cannot be used")
    expect(refused.filter(has_text="empty.jpg")).to_contain_text("empty")
    page.get_by_role("button", name="Dismiss letter.jpg").click()
    expect(refused).to_have_count(1)


def test_an_image_is_picked_from_the_gallery(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page("#/search")
    page.get_by_role("button", name="Pick from the gallery").click()
    field = page.get_by_role("searchbox")
    field.fill("no such image")
    expect(page.get_by_text("No id begins with this")).to_be_visible()
    field.fill("1-0001-b")
    with Client(served_page.target) as client:
        known = [one.id for one in client.list_images()]
    wanted = [id for id in known if id.startswith("1-0001-b")]
    assert len(wanted) > 1
    expect(page.locator(".picker button")).to_have_text(wanted)
    field.fill("1-0001-b3")
    expect(page.locator(".picker button")).to_have_count(1)
    page.locator(".picker button").press("Enter")
    expect(page.locator("svg.stage")).to_have_count(1)
    # The dialog's button is gone, so the keyboard goes on with the tools.
    page.keyboard.press("Tab")
    expect(page.get_by_role("toolbar").get_by_role("button").first).to_be_focused()
    assert "image=gallery%3A1-0001-b3" in page.url


def test_a_picture_that_is_gone_is_chosen_again_and_keeps_its_regions(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page("#/search?image=query:q-long-gone&region=0:box:20,60,50,60", expect="404")
    expect(page.get_by_role("heading", name="This picture is no longer kept").first).to_be_visible()
    page.locator(".picture-card input[type=file]").set_input_files(served_page.picture(0))
    stage(page)
    assert box(page) == [20, 60, 50, 60]
    expect(page.locator(".answers")).to_contain_text("1-0000-")


COUNTING = """
window.flying = 0; window.most = 0; window.calls = 0;
const real = window.fetch;
window.fetch = async (...given) => {
  if (!String(given[0]).endsWith("SearchRegions")) return real(...given);
  window.calls++;
  window.most = Math.max(window.most, ++window.flying);
  try { return await real(...given); } finally { window.flying--; }
};
"""


def test_dragging_sends_one_search_at_a_time_and_the_last_one_is_shown(open_page: OpenPage) -> None:
    page = open_page("#/gallery", expect=REFUSED)
    page.evaluate(COUNTING)
    page.evaluate("hash => { location.hash = hash; }", f"{PERSON}&region=0:box:20,40,40,60")
    expect(page.locator(".answers")).to_contain_text("1-0000-")
    page.evaluate("() => { window.most = 0; window.calls = 0; }")
    ((x, y),) = on_screen(stage(page), pixel(40, 70))
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(60):
        page.mouse.move(x + step % 20, y + step)
    page.wait_for_function("() => window.calls > 0 && window.flying === 0")
    calls = page.evaluate("() => window.calls")
    page.mouse.up()
    # Letting go where the mouse has rested changes nothing: what is shown is what was asked last.
    page.wait_for_timeout(100)
    assert page.evaluate("() => [window.most, window.calls]") == [1, calls]
    assert calls < 60


def test_the_search_is_as_it_was_left_after_another_view(open_page: OpenPage) -> None:
    page = open_page(f"{PERSON}&region=0:box:20,40,40,60")
    drag(page, stage(page), pixel(40, 70), pixel(50, 90))
    moved = wait_for_box(page, [30, 60, 40, 60], 0.5)
    page.get_by_role("link", name="Gallery", exact=True).click()
    expect(page.locator("svg.stage")).to_have_count(0)
    page.get_by_role("link", name="Search", exact=True).click()
    stage(page)
    assert box(page) == moved
    page.keyboard.press("Control+z")
    assert box(page) == [20, 40, 40, 60]
