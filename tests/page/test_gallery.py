"""The gallery on the page: browsed, filtered, added to, deleted from; and one image's record."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import OpenPage
from page_server import PageServer
from playwright.sync_api import Locator, Page, expect

from partlens.client import Client, Metadata, Upload


@pytest.fixture
def client(served_page: PageServer) -> Iterator[Client]:
    """A client that deletes what the tests add."""
    with Client(served_page.target) as connected:
        yield connected
        connected.delete_images(["trip/a.jpg", "trip/b.png", "one.jpg", "two.jpg", "three.jpg"])


def test_every_image_is_listed_by_scrolling(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    for id in ("one.jpg", "two.jpg", "three.jpg"):
        client.upsert_image(Upload(id, served_page.picture().read_bytes()))
    page = open_page("#/gallery")
    expect(tiles(page)).to_have_count(60)
    page.mouse.wheel(0, 20_000)
    expect(tiles(page)).to_have_count(63)
    ids = tiles(page).locator("a").evaluate_all("links => links.map(link => link.title)")
    assert ids == sorted(ids)
    pictures = tiles(page).locator("img").evaluate_all("images => images.map(one => one.src)")
    assert all(source.startswith("blob:") for source in pictures)


def test_filters_are_in_the_address(open_page: OpenPage, client: Client) -> None:
    page = open_page("#/gallery")
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("checkbox", name="a 30").check()
    expect(page.get_by_text("30 images of 60")).to_be_visible()
    expect(tiles(page)).to_have_count(30)
    assert "camera=a" in page.url
    again = open_page(page.url.partition("/#")[2].join(["#", ""]))
    expect(tiles(again)).to_have_count(30)
    expect(again.get_by_role("button", name="Filters (1)")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(tiles(page)).to_have_count(60)


def test_pictures_are_added_and_refusals_named(
    open_page: OpenPage, client: Client, served_page: PageServer, tmp_path: Path
) -> None:
    good, bad, empty = tmp_path / "a.jpg", tmp_path / "b.png", tmp_path / "c.jpg"
    good.write_bytes(served_page.picture().read_bytes())
    bad.write_bytes(b"no picture")
    empty.write_bytes(b"")
    page = open_page("#/gallery", expect="400")
    page.locator("input[type=file]").set_input_files([good, bad, empty])
    dialog = page.get_by_role("dialog", name="Add 3 pictures")
    dialog.get_by_label("Camera").fill("gate")
    dialog.get_by_text("More details").click()
    dialog.get_by_label("Put before each file name").fill("trip/")
    dialog.get_by_label("Attributes").fill("weather: rain")
    dialog.get_by_role("button", name="Add 3 pictures").click()
    added = page.get_by_role("region", name="Pictures being added")
    expect(added.get_by_text("1 of 3 pictures added, 2 not added")).to_be_visible()
    expect(added.get_by_text("This picture cannot be used")).to_be_visible()
    expect(added.get_by_text("This file is empty")).to_be_visible()
    image, _ = client.get_image("trip/a.jpg")
    assert image.metadata == Metadata(camera="gate", attributes={"weather": "rain"})

    page.locator("input[type=file]").set_input_files(good)
    dialog = page.get_by_role("dialog", name="Add 1 picture")
    dialog.get_by_text("More details").click()
    dialog.get_by_label("Put before each file name").fill("trip/")
    dialog.get_by_role("button", name="Add 1 picture").click()
    expect(added.get_by_text("Added: replaced the image with this id")).to_be_visible()

    added.get_by_role("link", name="trip/a.jpg").click()
    expect(page.get_by_role("heading", name="trip/a.jpg")).to_be_visible()
    expect(page.get_by_role("row", name="Size")).to_contain_text(re.compile("96 . 192 pixels"))


def test_pictures_are_dropped(open_page: OpenPage, served_page: PageServer) -> None:
    page = open_page("#/gallery")
    expect(tiles(page)).to_have_count(60)
    data = page.evaluate_handle(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["x"], "one.jpg"));
            data.items.add(new File(["y"], "one.jpg"));
            return data;
        }"""
    )
    page.dispatch_event("main", "dragover", {"dataTransfer": data})
    expect(page.get_by_text("Drop to add to the gallery")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": data})
    dialog = page.get_by_role("dialog", name="Add 2 pictures")
    expect(dialog.get_by_text("Two of the files would have the id “one.jpg”")).to_be_visible()
    expect(dialog.get_by_role("button", name="Add 2 pictures")).to_be_disabled()


def test_several_images_are_deleted_with_the_keyboard(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    for id in ("one.jpg", "two.jpg", "three.jpg"):
        metadata = Metadata(camera="gate")
        client.upsert_image(Upload(id, served_page.picture().read_bytes(), metadata=metadata))
    page = open_page("#/gallery?camera=gate")
    box = page.get_by_role("checkbox", name="Select one.jpg")
    box.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Delete…").press("Enter")
    dialog = page.get_by_role("dialog", name="Delete 2 images?")
    expect(dialog.get_by_text("The original files stay where they are")).to_be_visible()
    dialog.get_by_role("button", name="Delete 2 images").press("Enter")
    expect(tiles(page)).to_have_count(1)
    assert client.get_gallery().images == 61


def test_an_image_leads_to_searches_and_to_its_neighbours(
    open_page: OpenPage, client: Client, served_page: PageServer
) -> None:
    page = open_page("#/gallery")
    tiles(page).nth(1).get_by_role("link").click()
    first, second, third = sorted(path.stem for path in served_page.pictures.glob("*.jpg"))[:3]
    expect(page.get_by_role("heading", name=second)).to_be_visible()
    natural = page.get_by_role("img", name=f"The picture of {second}").evaluate(
        "one => one.naturalWidth"
    )
    assert natural == 96
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", name=third)).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_role("heading", name=first)).to_be_visible()
    page.get_by_role("link", name="Search with this").click()
    expect(page.get_by_role("region", name="Query")).to_be_visible()
    assert f"image=gallery%3A{first}" in page.url


def test_an_image_that_is_gone_is_named_and_leads_back(open_page: OpenPage) -> None:
    page = open_page("#/image/gone", expect="404")
    expect(page.get_by_role("heading", name="This image is not in the gallery")).to_be_visible()
    page.get_by_role("link", name="Browse the gallery").click()
    expect(tiles(page)).to_have_count(60)


def test_one_image_is_deleted(open_page: OpenPage, client: Client, served_page: PageServer) -> None:
    client.upsert_image(Upload("one.jpg", served_page.picture().read_bytes()))
    page = open_page("#/image/one.jpg")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 image").click()
    expect(tiles(page)).to_have_count(60)
    assert client.get_gallery().images == 60


def tiles(page: Page) -> Locator:
    """The images that are listed."""
    return page.get_by_role("list", name="Images", exact=True).get_by_role("listitem")
