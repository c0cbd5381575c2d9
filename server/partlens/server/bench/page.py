"""`partlens bench page`: how soon results follow the mouse, in a real browser."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from partlens.common.results import json_option, say_result
from partlens.explainer.model import MetricModel
from partlens.indexer.bench.synthetic import CELL, GRID, fill, make_model, name, thumbnail
from partlens.indexer.gallery import Gallery
from partlens.server.bench.served import served

_SCRIPT = """
window.bench = {moved: 0, painted: 0, calls: []};
addEventListener("pointermove", () => { bench.moved = performance.now(); }, true);
new MutationObserver((changes) => {
  const elements = changes.map(({target}) => target.nodeType === 1 ? target : target.parentElement);
  if (!elements.some((element) => element?.closest(".hits"))) return;
  // After the next frame is drawn.
  requestAnimationFrame(() => setTimeout(() => { bench.painted = performance.now(); }));
}).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.name.endsWith("/SearchRegions")) bench.calls.push(entry.duration);
  }
}).observe({type: "resource", buffered: true});
"""
_STEPS, _STEP_MS, _QUIET_MS = 20, 16, 1000


@dataclass(frozen=True)
class PageResult:
    """How soon results followed the mouse.

    Attributes:
        images: size of the gallery.
        p50_ms, p95_ms: from the last movement of the mouse to the results on the screen.
        call_p50_ms: one search, as the browser sees it, while the mouse moves.
        ratio: p50_ms / call_p50_ms.
        calls_per_second: searches while the mouse moves.
    """

    images: int
    p50_ms: float
    p95_ms: float
    call_p50_ms: float
    ratio: float
    calls_per_second: float


@click.command()
@click.option("--images", type=click.IntRange(100), default=10_000, show_default=True)
@click.option("--drags", type=click.IntRange(1), default=20, show_default=True)
@click.option("--browser", help="Program of Chromium or Chrome; by default the installed one.")
@json_option
def page(images: int, drags: int, browser: str | None, as_json: bool) -> None:
    """Drag a region in a real browser, and measure how soon the results follow.

    Serves a generated gallery with its page, and opens it in Chromium without a window.
    """
    program = browser or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise click.ClickException("no Chromium is installed; give --browser PROGRAM")
    with tempfile.TemporaryDirectory() as folder:
        model, gallery = Path(folder) / "model", Path(folder) / "gallery"
        _make(model, gallery, images)
        url_file = Path(folder) / "url"
        texts = ["server.http_listen=127.0.0.1:0", f"server.http_address_file={url_file}"]
        with served(model, gallery, texts):
            latencies, calls, rate = _measured(program, url_file.read_text().strip(), drags)
    result = _result(images, latencies, calls, rate)
    say_result(asdict(result), _line(result), as_json=as_json)


def _make(model: Path, gallery: Path, images: int) -> None:
    made: MetricModel = make_model(model)
    with Gallery.create(gallery, made.spec) as opened:
        fill(opened, images, thumbnail())


def _measured(program: str, url: str, drags: int) -> tuple[list[float], list[float], float]:
    """Latencies and durations of calls in milliseconds, and calls per second of dragging."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise click.ClickException(f"{error}: pip install --group dev") from error
    width, height = GRID[1] * CELL, GRID[0] * CELL
    with sync_playwright() as playwright:
        # In a container, root has no user namespace for the sandbox.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        opened = chromium.new_page(viewport={"width": 1280, "height": 800})
        opened.add_init_script(_SCRIPT)
        middle = f"{width / 4},{height / 4},{width / 2},{height / 2}"
        opened.goto(f"{url}#/search?image=gallery:{name(1)}&region=0:box:{middle}")
        opened.locator(".hits .hit").first.wait_for()
        opened.wait_for_timeout(_QUIET_MS)
        latencies, calls, seconds = list[float](), list[float](), 0.0
        for number in range(drags + 1):
            latency, durations, took = _drag(opened, 1 if number % 2 else -1)
            if number:  # the first one warms it up
                latencies.append(latency)
                calls += durations
                seconds += took
        chromium.close()
    return latencies, calls, len(calls) / seconds


def _drag(opened: Any, direction: int) -> tuple[float, Sequence[float], float]:
    """One drag of the region: the latency, the durations of its calls, and its seconds."""
    shape = opened.locator(".body[data-region]").first.bounding_box()
    x, y = shape["x"] + shape["width"] / 2, shape["y"] + shape["height"] / 2
    opened.evaluate("bench.calls = []")
    opened.mouse.move(x, y)
    opened.mouse.down()
    start = time.perf_counter()
    for step in range(1, _STEPS + 1):
        opened.mouse.move(x, y + direction * 2 * step)
        opened.wait_for_timeout(_STEP_MS)
    took = time.perf_counter() - start
    opened.wait_for_timeout(_QUIET_MS)
    found = opened.evaluate("bench")
    opened.mouse.up()
    opened.wait_for_timeout(_QUIET_MS)
    if found["painted"] <= found["moved"]:
        raise click.ClickException("no results followed the mouse within a second")
    return found["painted"] - found["moved"], found["calls"], took


def _result(
    images: int, latencies: Sequence[float], calls: Sequence[float], rate: float
) -> PageResult:
    p50, p95 = np.percentile(latencies, (50, 95))
    call = float(np.median(calls))
    return PageResult(images, float(p50), float(p95), call, float(p50) / call, rate)


def _line(result: PageResult) -> str:
    return (
        f"{result.images} images: results follow the mouse after {result.p50_ms:.0f} ms (p50),"
        f" {result.p95_ms:.0f} ms (p95); a search takes {result.call_p50_ms:.0f} ms as the browser"
        f" sees it, so {result.ratio:.1f} times as long; {result.calls_per_second:.0f} searches/s"
        " while it moves"
    )
