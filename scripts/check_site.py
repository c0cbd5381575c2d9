"""Checks the documentation site that scripts/site has built.

Every page under docs/ has one place in the navigation and reads on the site as it does on GitHub;
every link and anchor of a built page leads somewhere, and no page loads anything from another site.
"""

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]

# Blocks that Markdown of the site and of GitHub (CommonMark) may see differently.
_BLOCKS = {"pre", "ul", "ol", "li", "table", "tr", "blockquote", "h1", "h2", "h3", "h4", "img"}

_LOADED = {"img": "src", "script": "src", "source": "src", "iframe": "src", "link": "href"}


class Page(HTMLParser):
    """What a page holds: `anchors`, `links`, `loads` (resources) and the `blocks` of its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.blocks: Counter[str] = Counter()
        # Without an <article> everything is text.
        self._text = "<article" not in html
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect one element's anchor, link, resource and block."""
        given = {name: value for name, value in attrs if value is not None}
        self._text = self._text or tag == "article"
        if self._text and tag in _BLOCKS:
            self.blocks[tag] += 1
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in _LOADED and _LOADED[tag] in given:
            self.loads.append(given[_LOADED[tag]])

    def handle_endtag(self, tag: str) -> None:
        """Notice the end of the text."""
        if tag == "article":
            self._text = False


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


def reading_faults(name: str, markdown: str, html: str) -> list[str]:
    """Blocks of a page of which the site shows more or fewer than GitHub."""
    github = Page(MarkdownIt("commonmark").enable("table").render(markdown)).blocks
    built = Page(html).blocks
    return [
        f"docs/{name} has {github[block]} <{block}> on GitHub but {built[block]} on the site:"
        " indent what belongs to a list item by four spaces, and fence code there"
        for block in sorted(_BLOCKS)
        if github[block] != built[block]
    ]


def naming_faults(name: str, markdown: str) -> list[str]:
    """Links whose text is the name of a file, which a reader of the site never sees."""
    return [
        f"docs/{name} has a link named {text}: name it by the title of the page or heading"
        for text in re.findall(r"\[([\w-]+\.md)\]\(", markdown)
    ]


def site_faults(site: Path) -> list[str]:
    """Broken links and anchors of the built pages, and what they load from other sites."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in pages.items():
        name = path.relative_to(site)
        faults += [f"{name} loads {url} from another site" for url in page.loads if _outside(url)]
        for url in page.links + page.loads:
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
    site = (ROOT / config["site_dir"]).resolve()
    for name in sorted(pages):
        built = site / name.removesuffix("README.md").removesuffix(".md") / "index.html"
        markdown = (docs / name).read_text(encoding="utf-8")
        faults += reading_faults(name, markdown, built.read_text(encoding="utf-8"))
        faults += naming_faults(name, markdown)
    faults += site_faults(site)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
