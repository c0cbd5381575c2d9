"""A real browser, and a real server whose page it opens.

Everything that a page prints as an error fails the test, and so does every breach of its content
security policy, which browsers print.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import DESKTOP, OpenPage
from filelock import FileLock
from locked_page import Locked, locked_server
from page_server import PageServer, page_server, people
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

CHROMIUM = shutil.which("chromium")
DEADLINE_MS = 20_000
BUILD = Path(__file__).parents[2] / "server/page/build_hook.py"


@pytest.fixture(scope="package")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(pictures, gallery) of 60 generated people; tests undo what they change."""
    # The page that is served must be that of these sources; other workers of this run need it too.
    with FileLock(Path(tempfile.gettempdir()) / "partlens-page.lock", timeout=300):
        subprocess.run([sys.executable, BUILD], check=True, timeout=300)
    return people(tmp_path_factory.mktemp("page"), 60)


@pytest.fixture(scope="package")
def served_page(gallery: tuple[Path, Path]) -> Iterator[PageServer]:
    """A server without tokens."""
    with page_server(*gallery) as running:
        yield running


@pytest.fixture(scope="package")
def locked(
    gallery: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Locked]:
    """A server with tokens, over the same gallery."""
    with locked_server(*gallery, tmp_path_factory.mktemp("tokens"), name="locked") as running:
        yield running


# No other event loop can run while Playwright's does, so it must end before other tests begin.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    if CHROMIUM is None:
        if os.environ.get("PARTLENS_TEST_ALL"):
            pytest.fail("no chromium: apt-get install chromium")
        pytest.skip("no chromium")
    with sync_playwright() as playwright:
        # A container's root has no user namespace for the sandbox.
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        expect.set_options(timeout=DEADLINE_MS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, served_page: PageServer) -> Iterator[OpenPage]:
    """Opens pages; called with a fragment, such as "#/gallery", and options of the browser's
    context. `url` names another server; `expect` is a regular expression for the errors that a
    test causes."""
    contexts, problems = list[BrowserContext](), list[str]()

    def opened(
        fragment: str = "", *, url: str = served_page.url, expect: str = "", **options: object
    ) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(DEADLINE_MS)
        page = context.new_page()

        def note(text: str) -> None:
            if not (expect and re.search(expect, text)):
                problems.append(text)

        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                note(f"console {message.type}: {message.text}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.goto(f"{url}/{fragment}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)
