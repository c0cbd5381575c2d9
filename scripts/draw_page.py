"""Draws docs/page/*.webp: every view of the page, over a gallery of generated people.

Needs Chromium. Takes a few minutes; names of shots on the command line draw only those.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from browsing import DESKTOP, PHONE  # noqa: E402
from locked_page import locked_server  # noqa: E402
from page_server import PageServer, page_server, people  # noqa: E402

from partlens.client import Box, Client, GalleryImageId, Metadata, QueryRegion, Upload  # noqa: E402
from partlens.explainer.starter import model_folder  # noqa: E402

SHOTS = ROOT / "docs" / "page"
PEOPLE, COPIES, MATCHES, DEADLINE_MS = 300, 8, 6, 60_000
QUERY, OTHER = "1-0063-a0", "1-0063-b1"
HAT = Box(29, 14, 44, 30)
SEARCH = f"search?image=gallery:{QUERY}&region=0:box:29,14,44,30&camera=b"
EXPLAIN = f"explain?a=gallery:{QUERY}&b=gallery:{OTHER}&region=a:box:29,14,44,30&pin=1"
_QUALITY, _MOST_BYTES = 82, 150_000


@dataclass(frozen=True)
class Shot:
    """A picture of the page.

    Attributes:
        fragment: where it is.
        ready: does what leads to what is shown, and waits for it.
        server: "people", "locked" or "indexing".
    """

    fragment: str
    ready: Callable[[Page], None]
    dark: bool = False
    phone: bool = False
    server: str = "people"


def results(page: Page) -> None:
    """Wait for the results of a search, with their maps."""
    expect(page.locator(".answer[aria-busy=false] .hit:not(.skeleton)").first).to_be_attached()
    expect(page.locator("svg.stage image").first).to_be_attached()


def filtered(page: Page) -> None:
    """Open the filters of a search."""
    results(page)
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_text("pass the filters")).to_be_visible()


def scrolled(page: Page) -> None:
    """Scroll to the results on a phone."""
    results(page)
    page.get_by_role("navigation", name="Parts").get_by_role("button", name="Results").tap()
    expect(page.locator(".hit canvas.heat").first).to_be_visible()


def sum_of_first(page: Page) -> None:
    """Open the sum of the best result."""
    results(page)
    page.get_by_role("button", name="Why result 1,").click()
    expect(page.get_by_text("it is the score that the server ranked by")).to_be_visible()


def report(page: Page) -> None:
    """Open the dialog for a report."""
    results(page)
    page.get_by_role("button", name="Report").click()
    page.get_by_label("Title").fill("Case 7: the red hat")


def threshold(page: Page) -> None:
    """Open the dialog for a standing query."""
    results(page)
    page.get_by_role("button", name="Watch for this").click()
    page.get_by_label("Name").fill("Red hat")
    expect(page.get_by_text("would have matched")).to_be_visible()


def explained(page: Page) -> None:
    """Wait for the map of a pin."""
    expect(page.locator(".explain-side canvas.heat")).to_be_visible()
    expect(page.locator(".explain-layers img")).to_have_count(2)


def matched(page: Page) -> None:
    """Wait for every match."""
    matches = page.get_by_role("list", name="Matches")
    expect(matches.get_by_role("listitem")).to_have_count(MATCHES)
    expect(matches.locator("canvas.heat").last).to_be_visible()
    expect(matches.locator("img")).to_have_count(MATCHES)


def browsed(page: Page) -> None:
    """Wait for the thumbnails of the gallery."""
    expect(page.get_by_role("list", name="Images").locator("img").last).to_be_attached()


def recorded(page: Page) -> None:
    """Wait for one image's picture."""
    expect(page.locator(".image-picture img")).to_be_visible()


def indexing(page: Page) -> None:
    """Wait until some of the pictures are indexed."""
    expect(page.get_by_text(re.compile(r"Indexing: [1-9]"))).to_be_visible()
    expect(page.locator("main img").first).to_be_visible()


def asked_for_token(page: Page) -> None:
    """Wait for the field of a token."""
    expect(page.get_by_label("Token")).to_be_visible()


ALL: Mapping[str, Shot] = {
    "search": Shot(SEARCH, results),
    "search-dark": Shot(SEARCH, results, dark=True),
    "search-phone": Shot(SEARCH, results, phone=True),
    "results-phone": Shot(SEARCH, scrolled, phone=True),
    "filters": Shot(f"{SEARCH}&group=track", filtered),
    "why": Shot(SEARCH, sum_of_first),
    "report": Shot(SEARCH, report),
    "watch-for-this": Shot(SEARCH, threshold),
    "explain": Shot(EXPLAIN, explained),
    "explain-dark": Shot(EXPLAIN, explained, dark=True),
    "explain-phone": Shot(EXPLAIN, explained, phone=True),
    "watch": Shot("watch", matched),
    "watch-phone": Shot("watch", matched, phone=True),
    "gallery": Shot("gallery", browsed),
    "image": Shot(f"image/{QUERY}", recorded),
    "open": Shot("", indexing, server="indexing"),
    "sign-in": Shot("", asked_for_token, server="locked"),
}


@contextmanager
def served(pictures: Path, gallery: Path) -> Iterator[PageServer]:
    """A server with a standing query, another that is paused, and matches."""
    with page_server(pictures, gallery) as server, Client(server.target) as client:
        image, region = [GalleryImageId(QUERY)], [QueryRegion(HAT)]
        client.create_standing_query("Red hat", image, region, 0.4)
        coats = client.create_standing_query(
            "Grey coat", image, [QueryRegion(Box(26, 62, 52, 50))], 0.8
        )
        client.update_standing_query(coats.id, paused=True)
        found = client.search_regions(image, region, page_size=MATCHES, exclude_identical=True)
        for number, hit in enumerate(found.hits):
            data = (pictures / f"{hit.id}.jpg").read_bytes()
            client.upsert_image(Upload(f"gate-{number}", data, metadata=Metadata(camera="gate")))
        yield server


@contextmanager
def opened(pictures: Path, folder: Path) -> Iterator[str]:
    """The address that `partlens open` prints while it indexes copies of the pictures."""
    for number in range(COPIES):
        shutil.copytree(pictures, folder / "photos" / f"day-{number + 1}")
    words = ["open", folder / "photos", "--no-browser", "--model", model_folder()]
    process = subprocess.Popen(
        [sys.executable, "-m", "partlens.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    try:
        found = (re.search(r"http://\S+", line) for line in process.stdout)
        address = next(filter(None, found))[0].rstrip("/")
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield address
    finally:
        process.terminate()
        process.wait(60)


def draw(browser: Browser, url: str, shot: Shot) -> bytes:
    """One shot, as WebP."""
    context = browser.new_context(
        viewport=PHONE if shot.phone else DESKTOP,
        color_scheme="dark" if shot.dark else "light",
        has_touch=shot.phone,
        device_scale_factor=1.5 if shot.phone else 1,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
    )
    context.set_default_timeout(DEADLINE_MS)
    page = context.new_page()
    page.goto(f"{url}/#/{shot.fragment}")
    shot.ready(page)
    page.mouse.move(1, 1)
    page.wait_for_timeout(300)  # transitions of colours
    png = page.screenshot()
    context.close()
    out = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").save(out, "WEBP", quality=_QUALITY, method=6)
    return out.getvalue()


def main(names: list[str]) -> None:
    """Draw these shots, or all."""
    wanted = {name: ALL[name] for name in names or ALL}
    expect.set_options(timeout=DEADLINE_MS)
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium: apt-get install chromium")
    SHOTS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pictures, gallery = people(folder, PEOPLE)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        stack.callback(browser.close)
        servers: Mapping[str, Callable[[], str]] = {
            "people": lambda: stack.enter_context(served(pictures, gallery)).url,
            "locked": lambda: (
                stack.enter_context(
                    locked_server(pictures, gallery, folder, name="locked")
                ).page.url
            ),
            "indexing": lambda: stack.enter_context(opened(pictures, folder)),
        }
        urls = dict[str, str]()
        for name, shot in wanted.items():
            if shot.server not in urls:
                urls[shot.server] = servers[shot.server]()
            data = draw(browser, urls[shot.server], shot)
            if len(data) > _MOST_BYTES:
                sys.exit(f"{name} has {len(data)} bytes, more than {_MOST_BYTES}")
            (SHOTS / f"{name}.webp").write_bytes(data)
            print(f"{name}: {len(data)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
