"""The data embedded in a report: read back as written, from HTML and PDF, or refused in words."""

import copy
import json
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_reports import Page, search_report
from served import picture

from partlens.client.answers import GalleryImage
from partlens.client.questions import QueryRegion
from partlens.client.report.embedding import read_record
from partlens.client.report.errors import RecordError, ReportError
from partlens.client.report.file import file_name, to_file
from partlens.client.report.record import MOST_BYTES, from_json, to_json
from partlens.client.report.search_report import SearchReport
from partlens.client.search_answers import Hit, Query, SearchAnswer
from partlens.common.activation_map import ActivationMap
from partlens.common.metadata import Metadata
from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole
from partlens.common.registration import Registration

EVEN = Registration.nominal((2, 2))
BOX = Box(0, 0, 30, 44)
QUERY = Query("q", 30, 44, (2, 2), BOX, EVEN)
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "a\x00\x1b[2J\r\n\u2028b",
    "\u202egpj.exe",
    "مرحبا שלום",
    "{{ 7 * 7 }}{% raw %}",
    "'\"><img src=x onerror=alert(1)>",
    "\U0001f9e5" * 40,
    "long" * 200,
)


def report(
    text: str = "x",
    numbers: tuple[float, ...] = (0.5, -0.25, 0.125, 0.0),
    regions: tuple[Region, ...] = (Box(1, 2, 3, 4),),
) -> SearchReport:
    """A report whose texts are all this one."""
    map = ActivationMap(np.array(numbers, np.float32).reshape(2, 2), BOX, EVEN)
    metadata = Metadata(text, text, None, {text: text})
    image = GalleryImage(text, text, text, 30, 44, metadata)
    hit = Hit(text, float(map.values.sum()), map, 0.0, BOX, image, picture(1), group=text)
    answer = SearchAnswer([hit], "", [QUERY], 7, request_id="r")
    asked = [QueryRegion(one) for one in regions]
    return search_report(answer, [picture(2)], asked, title=text)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40) | st.sampled_from(HOSTILE)
coordinates = st.floats(-1e6, 1e6)
shapes = st.one_of(
    st.builds(Box, coordinates, coordinates, coordinates, coordinates),
    st.builds(Point, coordinates, coordinates, st.booleans()),
    st.builds(
        Polygon, st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=5).map(tuple)
    ),
    st.lists(st.booleans(), min_size=44 * 30, max_size=44 * 30).map(
        lambda bits: Mask(np.array(bits).reshape(44, 30))
    ),
    st.just(Whole()),
)


@given(texts, st.tuples(*[st.floats(-1, 1, width=32)] * 4), st.tuples(shapes, shapes))
@settings(max_examples=40, deadline=None)
def test_a_record_is_read_as_it_was_written(
    text: str, numbers: tuple[float, ...], regions: tuple[Region, ...]
) -> None:
    made = report(text, numbers, regions)
    record = made.record()
    written = to_json(record)
    assert from_json(written) == record
    page = Page(made.page(written.decode("ascii")))
    assert page.record == json.loads(written)


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_cannot_leave_their_place(text: str, tmp_path: Path) -> None:
    """Neither in the page nor in its data; the page has the same elements whatever they say."""
    file = to_file(report(text), "html")
    page, plain = Page(file.data.decode()), Page(to_file(report("x"), "html").data.decode())
    assert page.headings == plain.headings and len(page.pictures) == len(plain.pictures)
    assert not page.links and not page.without_text
    shown = "".join(page.texts)
    assert not any(one in shown for one in "\x00\x1b\u2028\u202e")
    path = tmp_path / "page.html"
    path.write_bytes(file.data)
    assert read_record(path).title == text


def test_headings_descend_without_gaps() -> None:
    levels = Page(report().page("")).headings
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_pdf_holds_the_same_record(tmp_path: Path) -> None:
    made, path = report("</script>"), tmp_path / "report.pdf"
    path.write_bytes(to_file(made, "pdf").data)
    assert read_record(path) == made.record()


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    plain = json.loads(to_json(report().record()))
    change(plain)
    return json.dumps(plain).encode()


def hit(plain: dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = plain["search"]["response"]["hits"][0]
    return one


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "format None"),
        (b"[1]", "not a JSON object"),
        (b'{"format": 1, "format": 1}', "twice"),
        (b'{"format": 2}', "reads format 1"),
        (b'{"format": true}', "Bool value True is not acceptable"),
        (b'{"format": 1}', "neither a search nor a pair"),
        (b'{"format": 1, "pair": {}}', "as many of each"),
        (b'{"format": 1, "nonsense": 1}', "damaged"),
        (b'{"format": ' + b"9" * 5000 + b"}", "not JSON"),
        (edited(lambda plain: hit(plain).update(score="high")), "damaged"),
        (edited(lambda plain: hit(plain).update(score="NaN")), "not a finite number"),
        (edited(lambda plain: hit(plain).update(score=10**400)), "damaged"),
        (edited(lambda plain: hit(plain).update(score=[])), "damaged"),
        (edited(lambda plain: hit(plain)["box"].update(x="Infinity")), "not a finite number"),
        (edited(lambda plain: hit(plain)["map"].update(rows=3)), "damaged"),
        (edited(lambda plain: hit(plain)["map"].update(rows=2**31, cols=2**31)), "damaged"),
        (edited(lambda plain: hit(plain).update(id="")), "no id"),
        (edited(lambda plain: plain["search"]["response"]["hits"].append(hit(plain))), "same id"),
        (edited(lambda plain: plain["pictures"].clear()), "as many of each"),
        (edited(lambda plain: plain["pictures"][0].update(digest="md5:1")), "is not sha256"),
        (
            edited(lambda plain: plain["pictures"][0].update(digest="sha256:" + "1" * 64)),
            "the file was changed",
        ),
        (edited(lambda plain: plain["search"]["request"]["images"][0].clear()), "no picture"),
        (b" " * (MOST_BYTES + 1), "are allowed"),
    ],
)
def test_a_record_that_cannot_be_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(RecordError, match=problem):
        from_json(data)


KEYS = ("request", "response", "hits", "pictures", "score", "map", "values", "id", "box", "regions")
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(KEYS), one),
    max_leaves=12,
)


@given(anything)
@settings(max_examples=150, deadline=None)
def test_any_json_is_a_record_or_refused(plain: object) -> None:
    data = json.dumps({"format": 1, "search": copy.deepcopy(plain)}).encode()
    try:
        from_json(data)
    except RecordError:
        pass


def bomb() -> bytes:
    """A PDF whose attached file unpacks to a gigabyte."""
    packed = zlib.compress(zlib.compress(b"0" * 2**30, 9), 9)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names"
        b" [(partlens-report.json) 3 0 R] >> >> >>",
        b"<< /Type /Pages /Kids [] /Count 0 >>",
        b"<< /Type /Filespec /F (partlens-report.json) /UF (partlens-report.json)"
        b" /EF << /F 4 0 R >> >>",
        b"<< /Type /EmbeddedFile /Filter [/FlateDecode /FlateDecode] /Length %d >> stream\n"
        % len(packed)
        + packed
        + b"\nendstream",
    ]
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        start,
    )
    return bytes(out)


OPENING = b'<script type="application/json" id="partlens-report">'


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "0 elements"),
        (b"<html></html>", "0 elements"),
        (OPENING + b"{}", "cut short"),
        (2 * (OPENING + b"{}</script>"), "2 elements"),
        (OPENING + b"{}</script>", "format None"),
        (b"%PDF-1.7 nothing", "not a readable PDF"),
        (b"%PDF-1.7\n" + b"<<" * 100_000, "not a readable PDF"),
        (bomb(), "not a readable PDF"),
    ],
)
def test_a_file_that_is_no_report_is_refused(data: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(RecordError, match=problem):
        read_record(path)


def test_another_pdf_is_not_a_report(tmp_path: Path) -> None:
    from partlens.common.pdf import pdf_of

    path = tmp_path / "other.pdf"
    path.write_bytes(pdf_of("<!doctype html><title>a</title><p>text", b"{}", "other.json"))
    with pytest.raises(RecordError, match="0 attached files"):
        read_record(path)


def test_too_many_hits_for_a_pdf_are_named() -> None:
    made = report()
    many = [made.answer.hits[0]] * 201
    large = SearchReport(
        made.request, SearchAnswer(many, "", [QUERY], 1), made.pictures, made.origin
    )
    with pytest.raises(ReportError, match="at most 200 hits, and there are 201"):
        to_file(large, "pdf")


def test_file_names_are_safe_and_never_empty() -> None:
    for text in HOSTILE:
        name = file_name(text, "pdf")
        assert name.isascii() and name.endswith(".pdf") and not set(name) & set("/\\:\0 ")
    assert file_name("../..", "html") == "partlens-report.html"
