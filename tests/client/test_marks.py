"""Feedback, snapping, whole and identical pictures, from the command line to a real server."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from served import Served, picture

from partlens.cli.main import main
from partlens.client import (
    Box,
    Client,
    GalleryImageId,
    Mark,
    Point,
    QueryRegion,
    Whole,
)
from partlens.client.cli.marks import MarkType
from partlens.client.questions import QueryImage

BOX = Box(3, 5, 12, 20)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("photos/7.jpg", Mark(GalleryImageId("photos/7.jpg"))),
        ("photos/7.jpg@0.5", Mark(GalleryImageId("photos/7.jpg"), weight=0.5)),
        ("a b@c:d#e", Mark(GalleryImageId("a b@c:d#e"))),
        ("logo@2@1", Mark(GalleryImageId("logo@2"), weight=1)),
        ("7#xywh=1,2,3,4", Mark(GalleryImageId("7"), region=Box(1, 2, 3, 4))),
        ("7#xywh=1,2,3,4@0", Mark(GalleryImageId("7"), region=Box(1, 2, 3, 4), weight=0)),
    ],
)
def test_a_mark_is_an_id_with_a_box_and_a_weight(text: str, mark: Mark) -> None:
    assert MarkType(unlike=False).convert(text, None, None) == mark


def run(served: Served, *words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words), "--server", served.target])


def found(served: Served, *words: object) -> dict[str, float]:
    result = run(served, "search", *words, "--json", "--top", 20)
    assert result.exit_code == 0, result.output
    return {hit["id"]: hit["score"] for hit in json.loads(result.stdout)["hits"]}


@pytest.fixture
def query(tmp_path: Path) -> Path:
    path = tmp_path / "query.png"
    path.write_bytes(picture(7))
    return path


def test_the_command_line_asks_as_python_does(served: Served, query: Path, tmp_path: Path) -> None:
    asked: list[QueryImage] = [picture(7)]
    region = ("--region", "3,5,12,20")
    marks = [
        Mark(GalleryImageId("03"), weight=0.5),
        Mark(GalleryImageId("05"), region=BOX),
        Mark(GalleryImageId("09"), unlike=True),
    ]
    with Client(served.target) as client:
        for words, regions, given in (
            (
                (*region, "--like", "03@0.5", "--like", "05#xywh=3,5,12,20", "--unlike", "09"),
                [QueryRegion(BOX)],
                marks,
            ),
            (("--snap", "10,12@2"), [QueryRegion(Point(10, 12, snap=True), weight=2)], []),
            (("--whole",), [QueryRegion(Whole())], []),
        ):
            pages = client.search_pages(asked, regions, top=20, page_size=6, marks=given)
            expected = {hit.id: hit.score for page in pages for hit in page.hits}
            assert found(served, query, *words) == pytest.approx(expected, abs=1e-5)
    everything = found(served, query, *region)
    rest = found(served, query, *region, "--exclude-identical")
    assert everything.keys() - rest.keys() == {"07"}
    page = tmp_path / "page.html"
    reported = run(served, "search", query, "--whole", "--unlike", "09@0.3", "--report", page)
    assert reported.exit_code == 0, reported.output
    assert "less like 09, weight 0.3" in page.read_text()
    assert "the whole image" in page.read_text() and "(WHOLE)" in page.read_text()


def test_a_pair_can_be_explained_from_a_point_that_snaps(served: Served, tmp_path: Path) -> None:
    page = tmp_path / "pair.html"
    words = ("--gallery-id", "01", "--gallery-id", "02", "--snap", "10,12", "--report", page)
    result = run(served, "explain", *words)
    assert result.exit_code == 0, result.output
    assert "the part at point 10, 12" in page.read_text()


def test_a_standing_query_takes_marks(served: Served, query: Path) -> None:
    words = ("--whole", "--like", "03", "--exclude-identical", "--name", "n", "--threshold", 1)
    made = run(served, "standing", "create", query, *words)
    assert made.exit_code == 0, made.output
    with Client(served.target) as client:
        (one,) = [one for one in client.list_standing_queries() if one.id == made.stdout.strip()]
        client.delete_standing_query(one.id)
