"""From a picture to a verified report, in a real browser."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browsing import (
    PHONE,
    OpenPage,
    add_picture,
    choose_tool,
    drag,
    parameters,
    press_and_move,
    shown,
    swipe,
)
from page_server import PageServer, run
from playwright.sync_api import Page, expect

from partlens.client import Box, Client, QueryRegion, SearchAnswer

START, END = (0.25, 0.3), (0.75, 0.55)


def drawn(page: Page) -> QueryRegion:
    """The only region, a box, from the page's address."""
    (text,) = parameters(page)["region"]
    assert text.startswith("0:box:")
    return QueryRegion(Box(*map(float, text.removeprefix("0:box:").split(","))))


def box_drawn(open_page: OpenPage, served: PageServer) -> Page:
    """A page with a box drawn on the first picture."""
    page = open_page()
    stage = add_picture(page, served.picture())
    choose_tool(page, "Box")
    drag(page, stage, START, END)
    expect(page).to_have_url(re.compile("region="))
    return page


def found(answer: SearchAnswer) -> list[tuple[str, str]]:
    """Id and score of every hit of an answer, as the page writes them."""
    return [(hit.id, f"{hit.score:.3f}") for hit in answer.hits]


def test_the_start_names_the_model_and_what_the_starter_does_not_know(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_text("Model: starter. It knows only generated pictures")).to_be_visible()


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
    page = box_drawn(open_page, served_page)
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


def test_an_address_gives_another_person_the_same_search(
    open_page: OpenPage, served_page: PageServer
) -> None:
    page = box_drawn(open_page, served_page)
    fragment = f"#{urlsplit(page.url).fragment}"
    other = open_page(fragment)
    assert shown(other) == shown(page)
    expect(other.locator(".stage image, .stage img").first).to_be_visible()


@pytest.mark.parametrize("kind", ["PDF", "Web page"])
def test_a_report_is_saved_and_verified(
    open_page: OpenPage, served_page: PageServer, tmp_path: Path, kind: str
) -> None:
    page = box_drawn(open_page, served_page)
    shown(page)
    page.get_by_role("button", name="Report").click()
    page.get_by_label("Title").fill("Case 7")
    most = page.get_by_label("Most results, up to 100")
    expect(most).to_have_value("100")
    for wrong in ("0", "101", "2.5", ""):
        most.fill(wrong)
        assert not most.evaluate("field => field.checkValidity()")
    most.fill("3")
    page.get_by_label(re.compile(kind)).check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save report").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == {"PDF": ".pdf", "Web page": ".html"}[kind]
    told = run("report", "verify", file, "--server", served_page.target, "--json")
    verdicts = {one["part"]: one["verdict"] for one in json.loads(told)}
    assert set(verdicts.values()) == {"agrees"}
    assert [part for part in verdicts if part.startswith("hit")] == ["hit 1", "hit 2", "hit 3"]
