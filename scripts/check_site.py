"""Checks the documentation site that scripts/site has built.

Every page under docs/ has one place in the navigation, every link and anchor of a built page leads
somewhere inside the site or to another site, and no page loads anything from another site.
"""

import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]

_LOADED = {"img": "src", "script": "src", "source": "src", "iframe": "src", "link": "href"}


class Page(HTMLParser):
    """What a page holds: `anchors` to link to, `links` to follow and `loads`, its resources."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect one element's anchor, link and resource."""
        given = {name: value for name, value in attrs if value is not None}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in _LOADED and _LOADED[tag] in given:
            self.loads.append(given[_LOADED[tag]])


def listed(entry: object) -> Iterator[str]:
    """Every page of a navigation: a path, a table of titles and entries, or a list of them."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for below in entry.values():
            yield from listed(below)
    elif isinstance(entry, list):
        for below in entry:
            yield from listed(below)


def navigation_faults(pages: set[str], nav: list[str]) -> list[str]:
    """Pages that the navigation lacks, names twice, or names although there is no such file."""
    missing = [
        f'docs/{page} is not in the navigation: add {{ "Title" = "{page}" }} to the section of'
        " zensical.toml where readers would look for it"
        for page in sorted(pages - set(nav))
    ]
    absent = [f"zensical.toml names docs/{page}: no such file" for page in sorted({*nav} - pages)]
    twice = [
        f"zensical.toml names docs/{page} {nav.count(page)} times: keep one"
        for page in sorted(set(nav))
        if nav.count(page) > 1
    ]
    return missing + absent + twice


def site_faults(site: Path) -> list[str]:
    """Broken links and anchors of the built pages, and what they load from other sites."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in pages.items():
        name = path.relative_to(site)
        faults += [f"{name} loads {url} from another site" for url in page.loads if _outside(url)]
        for url in page.links + page.loads:
            # The page of errors is served under any address, so its links begin at the root.
            if not _outside(url) and not _leads_somewhere(url, path, site, pages):
                faults.append(f"{name}: broken link {url}")
    return faults


def _outside(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.netloc) or parts.scheme in ("mailto", "data")


def _leads_somewhere(url: str, path: Path, site: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(url)
    if not parts.path:
        target = path
    elif parts.path.startswith("/"):
        target = site / unquote(parts.path).lstrip("/")
    else:
        target = path.parent / unquote(parts.path)
    target = target.resolve()
    if not target.is_relative_to(site.resolve()):
        return False
    if target.is_dir():
        target /= "index.html"
    if not parts.fragment or target not in pages:
        return target.is_file()
    return unquote(parts.fragment) in pages[target].anchors


def main() -> int:
    """Print every fault; returns the exit status."""
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    docs = ROOT / config["docs_dir"]
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    faults = navigation_faults(pages, list(listed(config["nav"])))
    faults += site_faults((ROOT / config["site_dir"]).resolve())
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
