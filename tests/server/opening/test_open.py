"""`partlens open` as a user runs it: real processes, a real page, and every way that it can end."""

import base64
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from served import picture
from tests.server.opening.conftest import PEOPLE, Home, Opened, snapshot, until

from partlens.client import Client, Upload

pytestmark = pytest.mark.timeout(400)  # each starts a few processes that load torch
DEADLINE = 60.0
PICTURES = PEOPLE + 1  # one of them cannot be read


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def child_of(opened: Opened) -> psutil.Process:
    """The process that extracts."""
    found: psutil.Process = until(
        lambda: next(iter(psutil.Process(opened.process.pid).children()), None),
        lambda: f"there is no child: {opened.lines}",
    )
    return found


def test_a_folder_is_indexed_searched_and_continued(home: Home, photos: Path) -> None:
    before = snapshot(photos)
    with home.open(photos, display=True) as opened:
        page = opened.page
        assert opened.said("^Model: the starter model, because the Hugging Face hub")
        progress = opened.indexed()
        assert (int(progress["done"]), int(progress["total"])) == (PICTURES, PICTURES)
        assert int(progress["skipped"]) == 1 and not progress.get("problem")
        assert opened.said(r"^skipped holiday/torn\.jpg: ")
        query = sorted(photos.glob("*.jpg"))[0]
        answer = opened.call("PartSearchService/SearchRegions", whole_of(query))
        assert answer["hits"][0]["image"]["id"] == f"holiday/{query.name}"
        assert until(home.shown.exists, lambda: "no browser was opened")
        child = child_of(opened) if psutil.Process(opened.process.pid).children() else None
        opened.process.send_signal(signal.SIGINT)
        said = opened.finish()
        assert opened.process.returncode == 0, said
        assert not any("Traceback" in line for line in said)
        assert child is None or gone(child)
    assert home.shown.read_text().split() == [page]
    assert snapshot(photos) == before

    (photos / "torn.jpg").write_bytes(picture(1))
    query.write_bytes(picture(2))
    with home.open(photos, "--no-browser") as again:
        assert again.page == page
        assert again.said("^Model: the starter model. It knows")
        again.indexed()
        assert again.said(f"^Indexed: 1 new pictures, 1 changed, {PEOPLE - 1} unchanged, 0 skipped")
    assert home.shown.read_text().split() == [page]


def whole_of(query: Path) -> object:
    """A search by a whole picture."""
    data = base64.b64encode(query.read_bytes()).decode()
    return {
        "images": [{"data": data}],
        "regions": [{"region": {"whole": {}}}],
        "pageSize": 3,
    }


def test_a_second_one_finds_the_first_and_a_third_continues_what_was_killed(
    home: Home, photos: Path
) -> None:
    with home.open(photos, "--no-browser") as first:
        page, child = first.page, child_of(first)
        with home.open(photos, display=True) as second:
            said = second.finish()
            assert second.process.returncode == 0
            assert f"{photos} is open already: {page}" in said
        until(home.shown.exists, lambda: "no browser was opened")
        assert home.shown.read_text().split() == [page]
        first.process.kill()
        until(lambda: gone(child), lambda: "the child has outlived its parent")
    with home.open(photos, "--no-browser") as third:
        assert third.page == page
        third.process.send_signal(signal.SIGTERM)  # while it is loading
        said = third.finish()
        assert third.process.returncode == 0 and not any("Traceback" in line for line in said)


def test_pictures_come_and_go_while_indexing_does_and_its_death_is_told(
    home: Home, photos: Path
) -> None:
    query = sorted(photos.glob("*.jpg"))[0]
    for number in range(1500):  # seconds of work
        os.link(query, photos / f"{number:04}.jpg")
    with home.open(photos, "--no-browser") as opened:
        child = child_of(opened)
        with Client(opened.server) as client:
            client.wait_until_ready(DEADLINE)
            until(lambda: client.get_gallery().images, lambda: "nothing is indexed")
            child.suspend()
            assert not opened.call("GalleryService/GetGallery")["indexing"].get("finished")
            (receipt,) = client.upsert_images([Upload("mine", picture(7))])
            assert receipt.committed
            assert client.delete_images(["mine"]) == 1
        child.kill()
        progress = opened.indexed()
        assert "SIGKILL" in progress["problem"] and int(progress["done"]) < int(progress["total"])
        assert opened.said("^indexing stopped: the indexing process ended with SIGKILL")
        assert opened.call("PartSearchService/SearchRegions", whole_of(query))["hits"]


def test_a_disk_that_refuses_is_told_and_the_page_stays(home: Home, photos: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    limit = "import os, resource, sys\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))\n"
    limit += "os.execv(sys.argv[1], sys.argv[1:])"
    wrap = (sys.executable, "-c", limit)
    with home.open(photos, "--no-browser", wrap=wrap) as opened:
        assert "ulimit -f" in opened.indexed()["problem"]
        assert opened.said("^indexing stopped: .*ulimit -f")
        assert opened.process.poll() is None
