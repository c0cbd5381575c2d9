"""Two pictures side by side, in a real browser: point, draw and pin, and see the maps change."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from browsing import PHONE, OpenPage, choose_tool, drag, parameters, swipe
from page_server import PageServer, page_server
from playwright.sync_api import Locator, Page, expect

from partlens.client import Box, Client, GalleryImageId, Point, Region

PICTURES = (0, 7)
SIZE = (96, 192)
MINUS = "\N{MINUS SIGN}"
PIXELS = "canvas => canvas.toDataURL()"


def ids(served: PageServer) -> list[str]:
    return [served.picture(number).stem for number in PICTURES]


def address(served: PageServer, more: str = "") -> str:
    """The fragment that explains the first two pictures."""
    a, b = (quote(f"gallery:{id}") for id in ids(served))
    return f"#/explain?a={a}&b={b}{more}"


def stage(page: Page, side: str) -> Locator:
    found = page.get_by_role("application", name=f"Picture {side}")
    expect(found).to_be_visible()
    expect(page.get_by_role("heading", name="similarity")).to_be_visible()
    return found


def panel(page: Page, side: str) -> Locator:
    return page.get_by_role("region", name=f"Picture {side}", exact=True)


def point_at(page: Page, on: Locator, x: float, y: float) -> None:
    """Move the mouse to a place, as fractions of the picture."""
    box = on.bounding_box()
    assert box
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def pinned(page: Page) -> list[str]:
    return parameters(page).get("region", [])


def adds(served: PageServer, region: Region) -> str:
    """What a region of the first picture adds, as the page writes it."""
    with Client(served.target) as client:
        answer = client.explain_pair(
            *(GalleryImageId(id) for id in ids(served)), query_regions=[region]
        )
    (partial,) = answer.partial_maps
    value = float(partial.map.values.sum()) + partial.constant
    sign = "" if abs(value) < 0.00005 else "+" if value > 0 else MINUS
    return f"{sign}{abs(value):.4f}"


@pytest.mark.parametrize("sides", ["AB", "BA"])
def test_pointing_changes_the_map_of_the_other_picture_without_a_call(
    open_page: OpenPage, served_page: PageServer, sides: str
) -> None:
    page = open_page(address(served_page))
    here, there = stage(page, sides[0]), panel(page, sides[1]).locator("canvas.heat")
    expect(there).to_have_count(0)
    calls = list[str]()
    page.on("request", lambda request: calls.append(request.url))
    drawn, said = set[str](), ""
    for down in (0.2, 0.35, 0.5, 0.65):
        point_at(page, here, 0.5, down)
        caption = panel(page, sides[0]).get_by_text(re.compile(r"^Row \d+"))
        expect(caption).not_to_have_text(said)
        said = caption.inner_text()
        drawn.add(there.evaluate(PIXELS))
    assert len(drawn) == 4
    assert not [call for call in calls if "/partlens.v1." in call]
    page.mouse.move(2, 2)
    expect(there).to_have_count(0)


def test_what_a_point_adds_is_what_the_service_says(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page(address(served_page))
    here = stage(page, "A")
    for x, y in ((0.5, 0.45), (0.4, 0.2), (0.6, 0.9)):
        point_at(page, here, x, y)
        value = adds(served_page, Point(x * SIZE[0], y * SIZE[1]))
        expect(panel(page, "A")).to_contain_text(f"adds {value}")
        expect(panel(page, "B")).to_contain_text(f"sum {value}")


def test_clicks_pin_a_point_once_and_reload_and_undo_know_it(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page(address(served_page))
    here = stage(page, "A")
    point_at(page, here, 0.5, 0.45)
    for _ in range(2):
        page.mouse.down()
        page.mouse.up()
        expect(page).to_have_url(re.compile("region=a%3Apoint.*pin=1"))
    page.mouse.move(2, 2)
    pins = page.get_by_role("list", name="Pins").get_by_role("listitem")
    expect(pins).to_have_count(1)
    words = pins.first.inner_text()
    pixels = panel(page, "B").locator("canvas.heat").evaluate(PIXELS)
    page.reload()
    stage(page, "A")
    assert pins.first.inner_text() == words
    expect(panel(page, "B").locator("canvas.heat")).to_be_visible()
    assert panel(page, "B").locator("canvas.heat").evaluate(PIXELS) == pixels
    page.get_by_role("button", name="Remove A1").click()
    expect(pins).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(pins).to_have_count(1)


@pytest.mark.parametrize("phone", [False, True], ids=["mouse", "touch"])
def test_a_drawn_box_adds_what_the_service_says(
    open_page: OpenPage, served_page: PageServer, phone: bool
) -> None:
    options = {"viewport": PHONE, "has_touch": True} if phone else {}
    page = open_page(address(served_page), **options)
    here = stage(page, "A")
    choose_tool(page, "Box")
    here.scroll_into_view_if_needed()
    (swipe if phone else drag)(page, here, (0.25, 0.3), (0.75, 0.55))
    expect(page).to_have_url(re.compile("region=a%3Abox"))
    (text,) = pinned(page)
    box = Box(*(float(number) for number in text.removeprefix("a:box:").split(",")))
    if not phone:
        page.mouse.move(2, 2)
    expect(panel(page, "A")).to_contain_text(f"A1 adds {adds(served_page, box)}")


def test_keys_point_pin_and_are_told_to_screen_readers(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page(address(served_page))
    stage(page, "A").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    said = page.locator(".unseen[role=status]")
    expect(said).to_have_text(re.compile(r"A, row 10, column 6: .*Strongest on B: row \d+"))
    page.keyboard.press("Enter")
    expect(said).to_have_text("Pinned as A1")
    assert len(pinned(page)) == 1


def test_regions_of_both_pictures_make_a_table_that_adds_up(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page(address(served_page, "&region=a:box:20,60,50,44&region=b:box:10,50,60,60"))
    stage(page, "A")
    rows = page.locator(".explain-table tbody tr")
    expect(rows).to_have_count(4)
    cells = [
        [float(text.replace(MINUS, "-")) for text in row.locator("td").all_inner_texts()]
        for row in rows.all()
    ]
    rounding = 4 * 0.00005
    for row in cells:
        assert sum(row[:-1]) == pytest.approx(row[-1], abs=rounding)
    heading = page.get_by_role("heading", name="similarity").inner_text()
    assert cells[-1][-1] == float(heading.split()[-1])


def test_swapping_takes_the_pins_along(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page(address(served_page, "&region=a:box:20,60,50,44&pin=1"))
    stage(page, "A")
    words = page.get_by_role("list", name="Pins").inner_text()
    page.get_by_role("button", name="Swap A and B").click()
    expect(page).to_have_url(re.compile("region=b%3Abox"))
    stage(page, "B")
    expect(page.get_by_role("button", name="Show the map of B1", pressed=True)).to_be_visible()
    assert page.get_by_role("list", name="Pins").inner_text().split(": ")[1] == words.split(": ")[1]


def test_a_picture_that_is_gone_leaves_the_other(
    open_page: OpenPage, served_page: PageServer
) -> None:
    _, there = ids(served_page)
    page = open_page(f"#/explain?a=query:q-0&b={quote(f'gallery:{there}')}", expect="404")
    expect(panel(page, "A")).to_contain_text("This picture is no longer kept")
    expect(page.get_by_role("application", name="Picture B")).to_be_visible()
    page.get_by_role("button", name="Choose another picture").click()
    panel(page, "A").locator("input[type=file]").set_input_files(served_page.picture())
    stage(page, "A")
    expect(page.get_by_role("heading", name="similarity")).to_be_visible()


def test_an_explanation_is_saved_as_a_report(
    open_page: OpenPage, served_page: PageServer, tmp_path: Path
) -> None:
    page = open_page(address(served_page, "&region=a:box:20,60,50,44"))
    stage(page, "A")
    page.get_by_role("button", name="Report").click()
    page.get_by_label("Title").fill("Case 12")
    page.get_by_label("Web page").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save report").click()
    download.value.save_as(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "Case 12" in text
    assert adds(served_page, Box(20, 60, 50, 44)).replace(MINUS, "-") in text


@pytest.mark.long
def test_rows_of_fine_grids_are_fetched_as_they_are_needed(
    open_page: OpenPage, gallery: tuple[Path, Path], tmp_path: Path
) -> None:
    # 128 positions, of which one call may ask for the pairs of 8.
    few = ("--set", f"limits.pairs={8 * 128}", "--set", f"access.audit_log={tmp_path / 'audit'}")
    with page_server(*gallery, *few, name="few-pairs") as served:
        page = open_page(address(served, "&region=a:box:20,60,50,44"), url=served.url)
        here = stage(page, "A")
        words = page.get_by_role("list", name="Pins").inner_text()
        assert adds(served, Box(20, 60, 50, 44)) in words
        for x, y in ((0.5, 0.45), (0.4, 0.2), (0.6, 0.9)):
            point_at(page, here, x, y)
            value = adds(served, Point(x * SIZE[0], y * SIZE[1]))
            expect(panel(page, "B")).to_contain_text(f"sum {value}")
            expect(panel(page, "B").locator("canvas.heat")).to_be_visible()


def test_a_picture_is_enlarged_and_points_and_drawn_boxes_follow(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page(address(served_page))
    here = stage(page, "A")
    zoom = panel(page, "A").get_by_role("group", name="Zoom")
    expect(zoom.get_by_role("button", name="Zoom out")).to_be_disabled()
    for _ in range(2):
        zoom.get_by_role("button", name="Zoom in").click()
    expect(zoom).to_contain_text("225 %")
    expect(panel(page, "B").get_by_role("group", name="Zoom")).to_contain_text("100 %")
    # Enlarged around the middle: the picture's middle four ninths are shown.
    for x, y in ((0.4, 0.3), (0.9, 0.2)):
        point_at(page, here, x, y)
        place = [(0.5 + (at - 0.5) / 2.25) * side for at, side in zip((x, y), SIZE, strict=True)]
        value = adds(served_page, Point(place[0], place[1]))
        expect(panel(page, "A")).to_contain_text(f"adds {value}")
    choose_tool(page, "Box")
    drag(page, here, (0.25, 0.25), (0.75, 0.75))
    expect(page).to_have_url(re.compile("region=a%3Abox"))
    (text,) = pinned(page)
    x, y, width, height = (float(number) for number in text.removeprefix("a:box:").split(","))
    expected = [(0.5 - 0.25 / 2.25) * side for side in SIZE] + [side / 4.5 for side in SIZE]
    assert [x, y, width, height] == pytest.approx(expected, abs=0.6)
    # Arrow keys move the point out of what is shown, and the view along with it.
    choose_tool(page, "Point")
    layers = panel(page, "A").locator(".explain-layers")
    before = layers.get_attribute("style")
    here.focus()
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    expect(layers).not_to_have_attribute("style", before or "")
    page.keyboard.press("0")
    expect(zoom).to_contain_text("100 %")
