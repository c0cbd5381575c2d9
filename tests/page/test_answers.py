"""The answer to a search: what the page shows is what the service answers."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from browsing import PHONE, OpenPage, cards, parameters, shown
from page_server import PageServer
from playwright.sync_api import Page, expect

from partlens.client import Client, Filter, GalleryImageId, Hit, Mark, QueryRegion
from partlens.common.regions import Box

MINUS = "\N{MINUS SIGN}"
QUERY, BOX = "1-0000-a0", Box(26, 62, 52, 50)
SEARCH = f"#/search?image=gallery:{QUERY}&region=0:box:26,62,52,50"


@pytest.fixture(scope="module")
def client(served_page: PageServer) -> Iterator[Client]:
    with Client(served_page.target) as opened:
        yield opened


def asked(client: Client, **how: object) -> list[Hit]:
    """Every hit of the search that SEARCH stands for."""
    pages = client.search_pages(
        [GalleryImageId(QUERY)],
        [QueryRegion(BOX)],
        top=100,
        exclude_identical=True,
        **how,  # type: ignore[arg-type]
    )
    return [hit for answer in pages for hit in answer.hits]


def words(hits: list[Hit]) -> list[tuple[str, str]]:
    return [(hit.id, number(hit.score)) for hit in hits]


def number(value: float) -> str:
    return f"{value:.3f}".replace("-", MINUS)


def wait_for(page: Page, hits: list[Hit]) -> None:
    """Wait until the page shows these hits, the first page of a search or all of them."""
    for place, (id, score) in enumerate(words(hits)):
        card = cards(page).nth(place)
        expect(card.locator(".hit-id")).to_have_attribute("title", id)
        expect(card.locator("strong")).to_have_text(score)


def test_hits_are_those_of_the_service_page_by_page_to_the_end(
    open_page: OpenPage, client: Client
) -> None:
    page, hits = open_page(SEARCH), asked(client)
    wait_for(page, hits[:24])
    end = page.get_by_text(f"These are all {len(hits)} results.")
    while not end.count():
        cards(page).last.scroll_into_view_if_needed()
        page.wait_for_timeout(50)
    assert shown(page) == words(hits)


def test_the_sum_of_a_hit_is_its_score(open_page: OpenPage, client: Client) -> None:
    page, hit = open_page(SEARCH), asked(client)[1]
    assert hit.map is not None
    cards(page).nth(1).get_by_role("button", name=re.compile("^Why")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("it is the score that the server ranked by")).to_be_visible()
    terms = dialog.locator(".term strong").all_inner_texts()
    values = hit.map.values
    expected = [values[values > 0].sum(), values[values < 0].sum(), hit.constant, hit.score]
    assert [float(term.replace(MINUS, "-")) for term in terms] == pytest.approx(expected, abs=6e-4)
    for name in ("Score", "Region 1", "Whole picture"):
        expect(dialog.get_by_role("button", name=name)).to_be_visible()


def test_keys_lead_from_hit_to_hit_and_back_and_the_address_names_the_hit(
    open_page: OpenPage, client: Client
) -> None:
    page, hits = open_page(SEARCH), asked(client)
    why = cards(page).nth(0).get_by_role("button", name=re.compile("^Why"))
    why.focus()
    page.keyboard.press("Enter")
    title = page.get_by_role("dialog").get_by_role("heading").first
    expect(title).to_contain_text("Result 1:")
    page.keyboard.press("ArrowRight")
    expect(title).to_contain_text("Result 2:")
    assert parameters(page)["hit"] == [hits[1].id]
    address = page.url.partition("#")[2]
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(why).to_be_focused()
    assert "hit" not in parameters(page)
    page.keyboard.press("ArrowRight")
    expect(cards(page).nth(1).get_by_role("button", name=re.compile("^Why"))).to_be_focused()
    shared = open_page(f"#{address}")
    expect(shared.get_by_role("dialog").get_by_role("heading").first).to_contain_text(hits[1].id)


def test_a_matched_box_becomes_the_query_and_the_back_button_returns(
    open_page: OpenPage, client: Client
) -> None:
    page, hits = open_page(f"{SEARCH}&camera=b"), asked(client, where=Filter(cameras=("b",)))
    wait_for(page, hits[:3])
    before, hit = page.url, hits[2]
    cards(page).nth(2).get_by_role("button", name="More like this part").click()
    again = client.search_regions(
        [GalleryImageId(hit.id)],
        [QueryRegion(hit.box)],
        where=Filter(cameras=("b",)),
        exclude_identical=True,
    )
    # The address rounds the box to hundredths of a pixel.
    expect(cards(page).nth(0).locator(".hit-id")).to_have_attribute("title", again.hits[0].id)
    assert parameters(page)["image"] == [f"gallery:{hit.id}"]
    region = parameters(page)["region"][0].removeprefix("0:box:").split(",")
    box = (hit.box.x, hit.box.y, hit.box.width, hit.box.height)
    assert [float(side) for side in region] == pytest.approx(box, abs=0.006)
    page.go_back()
    expect(page).to_have_url(before)
    wait_for(page, hits[:3])


def test_feedback_is_searched_with_and_removed(open_page: OpenPage, client: Client) -> None:
    page, hits = open_page(SEARCH), asked(client)
    wait_for(page, hits[:24])
    cards(page).nth(4).get_by_role("button", name=f"{MINUS} Less").click()
    wait_for(page, asked(client, marks=(Mark(GalleryImageId(hits[4].id), unlike=True),))[:24])
    assert parameters(page)["unlike"] == [f"gallery:{hits[4].id}"]
    page.get_by_role("button", name="Remove feedback").click()
    wait_for(page, hits[:24])
    cards(page).nth(4).get_by_role("button", name="+ More").click()
    wait_for(page, asked(client, marks=(Mark(GalleryImageId(hits[4].id)),))[:24])


def test_filters_count_what_the_manifest_holds_and_narrow_the_search(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    with (served_page.pictures / "manifest.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    page = open_page(SEARCH)
    page.get_by_role("button", name="Filters").click()
    bags = Counter(row["bag"] for row in rows if row["bag"]).most_common(2)
    page.get_by_text("Bag: any", exact=True).click()
    for value, count in bags:
        page.get_by_role("checkbox", name=f"{value} {count}", exact=True).check()
    values = [value for value, _ in bags]
    of_bags = {"bag": values}
    wait_for(page, asked(client, where=Filter(attributes=of_bags))[:24])
    expect(page.get_by_text(f"Bag: {' or '.join(values)}", exact=True)).to_be_visible()
    cameras = Counter(row["camera"] for row in rows if row["bag"] in values)
    for camera, count in cameras.items():
        expect(page.get_by_role("checkbox", name=f"{camera} {count}", exact=True)).to_be_visible()
    page.get_by_role("checkbox", name=f"b {cameras['b']}", exact=True).check()
    narrowed = asked(client, where=Filter(cameras=("b",), attributes=of_bags))
    wait_for(page, narrowed[:24])
    # A facet is counted without its own condition: the other camera keeps its count.
    expect(page.get_by_role("checkbox", name=f"a {cameras['a']}", exact=True)).to_be_visible()
    expect(page.get_by_text(f"{cameras['b']} pictures of {len(rows)}")).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    wait_for(page, asked(client)[:24])


def test_results_of_a_track(open_page: OpenPage, client: Client) -> None:
    track = client.get_facets().tracks.values
    (name, count), *_ = track.items()
    page = open_page(SEARCH)
    page.get_by_role("button", name="Filters").click()
    page.get_by_text("Track: any", exact=True).click()
    page.get_by_role("checkbox", name=f"{name} {count}", exact=True).check()
    wait_for(page, asked(client, where=Filter(tracks=[name]))[:24])
    page.reload()
    wait_for(page, asked(client, where=Filter(tracks=[name]))[:24])


def test_other_cameras_only_and_one_hit_per_track(open_page: OpenPage, client: Client) -> None:
    page = open_page(SEARCH)
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("checkbox", name=re.compile("other cameras only")).check()
    others = Filter(exclude_cameras=("a",))
    wait_for(page, asked(client, where=others)[:24])
    page.get_by_role("combobox", name="Show", exact=True).select_option("track")
    grouped = asked(client, where=others, group_by="track")
    wait_for(page, grouped[: min(24, len(grouped))])
    place, best = next((i, hit) for i, hit in enumerate(grouped) if hit.others_in_group)
    number = best.others_in_group
    words = f"+{number} other{'' if number == 1 else 's'} in this group"
    cards(page).nth(place).get_by_role("button", name=words).click()
    track = replace(others, tracks=(best.group,))
    group = asked(client, where=track)
    assert len(group) == number + 1
    expect(cards(page)).to_have_count(len(group))
    wait_for(page, group)
    page.get_by_role("button", name=f"Remove filter: Track: {best.group}").click()
    wait_for(page, asked(client, where=others)[:24])


def test_low_scores_are_hidden_counted_and_kept_in_the_address(
    open_page: OpenPage, client: Client
) -> None:
    page, hits = open_page(SEARCH), asked(client)[:24]
    wait_for(page, hits)
    slider = page.get_by_role("slider", name="Hide scores below")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    lowest = float(slider.input_value())
    kept = [hit for hit in hits if hit.score >= lowest]
    assert 0 < len(kept) < len(hits)
    expect(cards(page)).to_have_count(len(kept))
    expect(page.get_by_text(f"{len(hits) - len(kept)} hidden", exact=True)).to_be_visible()
    again = open_page("#" + page.url.partition("#")[2])
    expect(cards(again)).to_have_count(len(kept))
    again.get_by_role("button", name="Show all scores").click()
    expect(cards(again).nth(len(kept))).to_be_visible()


def test_no_result_says_why_and_leads_on(open_page: OpenPage) -> None:
    page = open_page(f"{SEARCH}&after=2100-01-01T00:00")
    expect(page.get_by_role("heading", name="No picture passes the filters")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(cards(page).nth(0)).to_be_visible()


def test_a_refused_region_says_what_is_wrong(open_page: OpenPage) -> None:
    page = open_page(SEARCH.replace("26,62", "2600,62"), expect="status of 400")
    expect(page.get_by_role("alert")).to_contain_text("draw it inside")


def test_filters_are_a_drawer_on_a_phone_and_nothing_is_wider_than_it(open_page: OpenPage) -> None:
    page = open_page(SEARCH, viewport=PHONE, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Filters").tap()
    drawer = page.get_by_role("dialog", name="Filters")
    drawer.get_by_role("checkbox", name=re.compile("^b ")).tap()
    drawer.get_by_role("button", name="Close").tap()
    expect(page.get_by_role("button", name="Remove filter: Camera: b")).to_be_visible()
    cards(page).nth(0).get_by_role("button", name=re.compile("^Why")).tap()
    expect(page.get_by_role("dialog").get_by_text("red", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
