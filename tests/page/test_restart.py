"""What pages of a server keep when it restarts."""

import shutil
from pathlib import Path

import pytest
from browsing import OpenPage, drag, parameters
from page_server import page_server
from playwright.sync_api import expect
from watching import matches, saved, upload

from partlens.client import Client


@pytest.mark.timeout(240)
def test_a_restart_loses_no_query_and_no_match_and_repeats_none(
    open_page: OpenPage, gallery: tuple[Path, Path], tmp_path: Path
) -> None:
    """One restart for a page that searches with an upload and one that watches."""
    pictures, own = gallery[0], tmp_path / "gallery"
    shutil.copytree(gallery[1], own)
    lost = "ERR_|503|Failed to load resource|Failed to fetch"
    with page_server(pictures, own, name="first") as first, Client(first.target) as client:
        saved(client, "All", -10)
        port, picture = int(first.url.rpartition(":")[2]), first.picture()
        watching = open_page("#/watch", url=first.url, expect=lost)
        upload(client, "seen-1", picture)
        expect(matches(watching).get_by_text("seen-1")).to_be_visible()
        page = open_page("#/search", url=first.url, expect=lost)
        page.set_input_files("input[type=file]", picture)
        stage = page.locator("svg.stage")
        expect(stage.locator("image")).to_be_attached()
        drag(page, stage, (0.2, 0.3), (0.8, 0.6))
        expect(page.locator(".region-row")).to_have_count(1)
        expect(page.locator(".answers")).to_contain_text("1-0000-")
        region = parameters(page)["region"]
    expect(watching.get_by_text("The server does not answer")).to_be_visible()
    expect(watching.get_by_text("Connection lost")).to_be_visible()
    with (
        page_server(pictures, own, name="second", port=port) as second,
        Client(second.target) as client,
    ):
        upload(client, "seen-2", picture)
        expect(matches(watching).get_by_text("seen-2")).to_be_visible()
        expect(watching.get_by_text("● Watching")).to_be_visible()
        expect(matches(watching).get_by_role("listitem")).to_have_count(2)
        page.get_by_role("button", name="Exclude region 1").click()
        page.get_by_role("button", name="Exclude region 1").click()
        expect(page.locator(".answers")).to_contain_text("1-0000-")
        expect(page.locator(".answers .problem")).to_have_count(0)
        assert parameters(page)["region"] == region
