"""A server with several galleries: the page shows one, which its address names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import OpenPage
from page_server import run
from playwright.sync_api import expect
from server_process import process_in

from partlens.explainer.starter import model_folder


@pytest.fixture(scope="module")
def several(gallery: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the page of a server of `people`, the default, and `empty`."""
    folder, model = tmp_path_factory.mktemp("several"), model_folder()
    run("index", "create", folder / "empty", "--model", model)
    file = folder / "url"
    options: list[str | Path] = [
        *("--model", model, "--gallery", f"people={gallery[1]}"),
        *("--gallery", f"empty={folder / 'empty'}"),
        *("--http", "127.0.0.1:0", "--set", f"server.http_address_file={file}"),
        *("--set", f"access.audit_log={folder / 'audit.jsonl'}"),
        *("--set", f"server.aliases={folder / 'aliases.json'}"),
    ]
    with process_in(folder, *options):
        yield file.read_text().strip().rstrip("/")


def test_the_gallery_is_chosen_in_the_header_and_stays_in_the_address(
    open_page: OpenPage, several: str
) -> None:
    page = open_page(url=several)
    choice, count = page.get_by_label("Gallery", exact=True), page.get_by_role("banner")
    expect(choice).to_have_value("people")
    assert choice.get_by_role("option").all_inner_texts() == ["empty", "people"]
    expect(count).to_contain_text("60 images")
    choice.select_option("empty")
    expect(count).to_contain_text("0 images")
    expect(choice).to_have_value("empty")
    expect(page).to_have_url(re.compile(r"\?gallery=empty$"))
    page.get_by_role("link", name="Gallery").click()
    expect(page).to_have_url(re.compile("#/gallery.*gallery=empty"))
    page.go_back()
    page.go_back()
    expect(choice).to_have_value("people")
    expect(count).to_contain_text("60 images")


def test_an_address_of_no_gallery_offers_those_that_there_are(
    open_page: OpenPage, several: str
) -> None:
    page = open_page("#/search?gallery=nothing", url=several, expect="404")
    expect(page.get_by_role("status").first).to_contain_text("you may use empty, people")
    page.get_by_label("Gallery", exact=True).select_option("people")
    expect(page.get_by_role("banner")).to_contain_text("60 images")


def test_a_server_of_one_gallery_offers_no_choice(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_role("banner")).to_contain_text("60 images")
    expect(page.get_by_label("Gallery", exact=True)).to_have_count(0)
