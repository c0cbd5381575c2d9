"""Reports of answers that are made by hand, and what a page holds."""

import base64
import io
import json
from collections.abc import Sequence
from html.parser import HTMLParser

from PIL import Image

from partlens.client import encoding
from partlens.client.questions import Mark, QueryRegion
from partlens.client.report.search_report import SearchReport
from partlens.client.report.sources import QueryPicture
from partlens.client.search_answers import SearchAnswer
from partlens.v1.report_pb2 import ReportOrigin

_VOID = {"br", "hr", "img", "meta", "link", "input"}


def search_report(
    answer: SearchAnswer,
    pictures: Sequence[bytes],
    regions: Sequence[QueryRegion],
    *,
    title: str = "",
    bias_share: float = 0.0,
    marks: Sequence[Mark] = (),
    group_by: str = "",
) -> SearchReport:
    """The report of an answer to a search with these pictures."""
    request = encoding.search(
        pictures, regions, None, "default", 20, "", ["score"], True, group_by, marks
    )
    given = [QueryPicture.given(one, "a.png") if one else QueryPicture() for one in pictures]
    origin = ReportOrigin(bias_share=bias_share, model_digest="sha256:" + "0" * 64)
    return SearchReport(request, answer, given, origin, title)


def search_page(
    answer: SearchAnswer,
    pictures: Sequence[bytes],
    regions: Sequence[QueryRegion],
    bias_share: float = 0.0,
) -> str:
    """The page of such a report."""
    return search_report(answer, pictures, regions, bias_share=bias_share).page("")


class Page(HTMLParser):
    """Collects what a page holds, and requires that its elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[Image.Image] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.data = ""
        self.without_text = 0
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"
        assert len(self.ids) == len(set(self.ids))

    @property
    def record(self) -> dict[str, object]:
        """The embedded data."""
        found: dict[str, object] = json.loads(self.data)
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "script":  # data, which browsers do not run
            assert given == {"type": "application/json", "id": "partlens-report"}
        if given.get("id"):
            self.ids.append(given["id"] or "")
        assert not any(name.startswith("on") for name in given)
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.without_text += not given.get("alt")
            kind, _, data = (given["src"] or "").partition(",")
            assert kind == "data:image/jpeg;base64"
            self.pictures.append(Image.open(io.BytesIO(base64.b64decode(data))))
        elif given.get("src") or not (given.get("href") or "#").startswith("#"):
            self.links.append(str(given))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.data += data
        elif "style" not in self._open:
            self.texts.append(data)
