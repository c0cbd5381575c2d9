"""Search by a part, in a real browser: draw with mouse, touch and keys, and see what is found."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import PHONE, OpenPage, add_picture, choose_tool, drag, press_and_move, swipe
from page_server import PageServer, run
from playwright.sync_api import Page, expect

from partlens.client import Box, Client, Point, Polygon, QueryRegion, SearchAnswer

START, END = (0.25, 0.3), (0.75, 0.55)


def parameters(page: Page) -> dict[str, list[str]]:
    """What the page's address says of the search."""
    return parse_qs(urlsplit(page.url).fragment.partition("?")[2])


def drawn(page: Page) -> QueryRegion:
    """The only region, from the page's address."""
    (text,) = parameters(page)["region"]
    kind, numbers = text.removesuffix("-").split(":")[1:3]
    values = [float(number) for number in numbers.split("@")[0].split(",")]
    if kind == "box":
        return QueryRegion(Box(*values))
    if kind == "polygon":
        return QueryRegion(Polygon(tuple(zip(values[::2], values[1::2], strict=True))))
    x, y = values
    return QueryRegion(Point(x, y, snap=kind == "snap"))


def shown(page: Page) -> list[tuple[str, str]]:
    """Id and score of every hit on the page."""
    expect(page.locator(".answer[aria-busy=false]")).to_be_visible()
    hits = page.locator(".hits .hit:not(.skeleton)")
    expect(hits.first).to_be_visible()
    return [
        (
            hit.locator(".hit-id").get_attribute("title") or "",
            hit.locator("strong").text_content() or "",
        )
        for hit in hits.all()
    ]


def found(answer: SearchAnswer) -> list[tuple[str, str]]:
    """Id and score of every hit of an answer, as the page writes them."""
    return [(hit.id, f"{hit.score:.3f}") for hit in answer.hits]


def ask(served: PageServer, region: QueryRegion, count: int = 24) -> list[tuple[str, str]]:
    """What the service finds for a region of the first picture."""
    picture = served.picture().read_bytes()
    with Client(served.target) as client:
        return found(
            client.search_regions([picture], [region], page_size=count, exclude_identical=True)
        )


def test_hits_of_a_drawn_box_are_those_of_the_service(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page()
    stage = add_picture(page, served_page.picture())
    choose_tool(page, "Box")
    drag(page, stage, START, END)
    expect(page).to_have_url(re.compile("region="))
    region = drawn(page)
    assert isinstance(region.region, Box)
    assert region.region.width == pytest.approx(48, abs=2)
    assert region.region.height == pytest.approx(48, abs=2)
    assert shown(page) == ask(served_page, region)


def test_results_follow_the_mouse_before_it_is_let_go(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page()
    stage = add_picture(page, served_page.picture())
    choose_tool(page, "Box")
    press_and_move(page, stage, START, END)
    before = shown(page)
    assert "region" not in parameters(page)
    page.mouse.up()
    expect(page).to_have_url(re.compile("region="))
    assert shown(page) == before == ask(served_page, drawn(page))


def test_a_finger_draws_on_a_phone(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    stage = add_picture(page, served_page.picture())
    choose_tool(page, "Box")
    swipe(page, stage, START, END)
    expect(page).to_have_url(re.compile("region="))
    assert shown(page) == ask(served_page, drawn(page))
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


def test_keys_alone_draw_move_and_remove(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page()
    stage = add_picture(page, served_page.picture())
    page.keyboard.press("b")
    stage.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("region=0%3Abox"))
    before = drawn(page).region
    assert isinstance(before, Box)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("before => location.hash !== before", arg=urlsplit(page.url).fragment)
    moved = drawn(page).region
    assert isinstance(moved, Box)
    assert moved.x > before.x
    assert (moved.y, moved.width) == (before.y, before.width)
    assert shown(page) == ask(served_page, drawn(page))
    page.keyboard.press("Delete")
    expect(page.get_by_role("heading", name="Mark a part of the picture")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.locator(".hits .hit").first).to_be_visible()


def test_a_part_is_marked_by_one_click(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page()
    stage = add_picture(page, served_page.picture())
    choose_tool(page, "Part")
    box = stage.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.42)
    expect(page).to_have_url(re.compile("region=0%3Asnap"))
    assert shown(page) == ask(served_page, drawn(page))


def test_a_polygon_and_a_brush(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page()
    stage = add_picture(page, served_page.picture())
    choose_tool(page, "Polygon")
    box = stage.bounding_box()
    assert box is not None
    for x, y in ((0.3, 0.3), (0.7, 0.32), (0.5, 0.6)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("region=0%3Apolygon"))
    assert shown(page) == ask(served_page, drawn(page))
    page.keyboard.press("Control+z")
    choose_tool(page, "Brush")
    drag(page, stage, (0.35, 0.4), (0.65, 0.4))
    expect(page).to_have_url(re.compile("region=0%3Amask"))
    assert shown(page)


def test_an_address_gives_another_person_the_same_search(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = open_page()
    stage = add_picture(page, served_page.picture())
    choose_tool(page, "Box")
    drag(page, stage, START, END)
    expect(page).to_have_url(re.compile("region="))
    fragment = f"#{urlsplit(page.url).fragment}"
    other = open_page(fragment)
    assert shown(other) == shown(page)
    expect(other.locator(".stage image, .stage img").first).to_be_visible()


def test_a_picture_that_is_no_longer_kept_is_said_to_be_gone(open_page: OpenPage) -> None:
    fragment = f"#/search?image=query:q-{'0' * 40}&region=0:box:10,10,20,20"
    page = open_page(fragment, expect="404")
    expect(page.get_by_text("This picture is no longer kept").first).to_be_visible()


def test_filters_groups_and_feedback(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page("#/search?image=gallery:1-0000-a0&region=0:box:24,57,48,48")
    everything = shown(page)
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("checkbox", name=re.compile("^b ")).check()
    expect(page).to_have_url(re.compile("camera=b"))
    cameras = page.locator(".hits .hit-head").all_inner_texts()
    assert shown(page) != everything
    expect(page.locator(".hit-head", has_text="Camera a")).to_have_count(0)
    assert cameras
    page.get_by_role("combobox", name=re.compile("^Show")).select_option("Best of each track")
    expect(page.get_by_text(re.compile("others? in this group")).first).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    before = shown(page)
    page.locator(".hits .hit").nth(2).get_by_role("button", name="+ More").click()
    expect(page).to_have_url(re.compile("like=gallery"))
    assert shown(page) != before
    page.get_by_role("button", name=re.compile("^Remove feedback")).click()
    assert shown(page) == before


def test_all_results_come_by_scrolling(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page("#/search?image=gallery:1-0000-a0&region=0:box:24,57,48,48")
    assert len(shown(page)) == 24
    for _ in range(10):
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(200)
    expect(page.get_by_text("These are all 59 results")).to_be_visible()
    ids = [id for id, _ in shown(page)]
    assert len(set(ids)) == 59


def test_the_sum_of_a_hit_is_its_score(open_page: OpenPage) -> None:
    page = open_page("#/search?image=gallery:1-0000-a0&region=0:box:24,57,48,48")
    (_, score), (second, _) = shown(page)[:2]
    page.get_by_role("button", name=re.compile("^Why result 1,")).click()
    dialog = page.get_by_role("dialog")
    terms = dialog.locator(".equation strong").all_inner_texts()
    *parts, total = (float(term.replace("\u2212", "-").replace("+", "")) for term in terms)
    assert total == pytest.approx(sum(parts), abs=0.0021)  # each term is rounded
    assert f"{total:.3f}" == score
    expect(dialog.get_by_text("it is the score that the server ranked by")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(f"hit={second}"))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


@pytest.mark.parametrize("kind", ["PDF", "Web page"])
def test_a_report_is_saved_and_verified(
    open_page: OpenPage, served_page: PageServer, tmp_path: Path, kind: str
) -> None:
    page = open_page()
    stage = add_picture(page, served_page.picture())
    choose_tool(page, "Box")
    drag(page, stage, START, END)
    shown(page)
    page.get_by_role("button", name="Report").click()
    page.get_by_label("Title").fill("Case 7")
    page.get_by_label(re.compile(kind)).check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save report").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == {"PDF": ".pdf", "Web page": ".html"}[kind]
    said = run("report", "verify", file, "--server", served_page.target)
    assert "agree" in said
