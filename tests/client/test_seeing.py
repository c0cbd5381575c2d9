"""Figures and tables of answers show what the answers say, and nothing of other images."""

import html
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from partlens.client import (
    NEGATIVE,
    POSITIVE,
    Box,
    FigureError,
    GalleryImageId,
    Metadata,
    PairAnswer,
    Point,
    QueryRegion,
    RequestError,
    Scale,
    SearchAnswer,
    colours,
)
from partlens.testing import RunningServer, TestImage


@pytest.fixture(scope="module")
def person(partlens_server: RunningServer) -> TestImage:
    return next(one for one in partlens_server.images if "hat" in one.parts)


@pytest.fixture(scope="module")
def answer(partlens_server: RunningServer, person: TestImage) -> SearchAnswer:
    with partlens_server.client() as client:
        return client.search_regions(
            person.path,
            person.parts["hat"],
            thumbnails=True,
            page_size=12,
            maps=["score", "regions"],
        )


@pytest.fixture(scope="module")
def pair(partlens_server: RunningServer, person: TestImage) -> PairAnswer:
    other = GalleryImageId(partlens_server.images[0].id)
    with partlens_server.client() as client:
        return client.explain_pair(
            person.path, other, query_regions=person.parts["hat"], retrieved_regions=[Point(40, 20)]
        )


def test_an_overlay_is_coloured_by_the_signs_of_the_map(
    answer: SearchAnswer, person: TestImage
) -> None:
    hit = next(one for one in answer.hits if one.id == person.id)
    assert hit.map is not None
    for sign, strong in ((1, 0), (-1, 2)):
        values = np.full_like(hit.map.values, sign)
        one = replace(hit, map=replace(hit.map, values=values))
        for picture in (person.path, Image.open(person.path), None):
            drawn = np.asarray(one.overlay(picture).image, int)
            # Away from the frame and the box, the picture has one colour, weaker or stronger.
            inside = drawn[60:400, 20:200].mean((0, 1))
            assert inside[strong] == inside.max() > inside[1] + 20
    assert f"score {hit.score:.4f}" in hit.overlay(person.path).text


def test_a_scale_makes_overlays_comparable(answer: SearchAnswer, person: TestImage) -> None:
    hit = answer.hits[0]
    assert hit.map is not None
    halved = replace(hit, map=replace(hit.map, values=hit.map.values / np.float32(2)))
    drawn = [np.asarray(one.overlay(scale=0.1).image)[30:400, :200] for one in (hit, halved)]
    assert (drawn[0] != drawn[1]).any()
    by_hand = [
        np.asarray(h.overlay(scale=s).image)[30:400, :200] for h, s in ((hit, 0.1), (halved, 0.05))
    ]
    np.testing.assert_array_equal(by_hand[0], by_hand[1])
    with pytest.raises(FigureError, match="above 0"):
        hit.overlay(scale=0)


def test_other_maps_of_a_hit_can_be_drawn(answer: SearchAnswer) -> None:
    hit = answer.hits[0]
    assert hit.overlay(map=hit.region_maps[0]).image.size[0] > 100
    with pytest.raises(RequestError, match="search with maps"):
        replace(hit, map=None).overlay()


def test_a_figure_of_a_search_has_every_hit_and_the_query(
    answer: SearchAnswer, person: TestImage
) -> None:
    plain = answer.figure()
    for hit in answer.hits[:9]:
        assert f"{hit.id}: score {hit.score:.4f}" in plain.text
    assert answer.hits[9].id not in plain.text and answer.hits[9].id in answer.figure(top=10).text
    hat = person.parts["hat"]
    marked = answer.figure(person.path, hat)
    assert marked.image.height >= plain.image.height
    unmarked = answer.figure([person.path])
    assert (np.asarray(marked.image) != np.asarray(unmarked.image)).any()
    as_region = answer.figure(person.path, [QueryRegion(hat)])
    np.testing.assert_array_equal(np.asarray(as_region.image), np.asarray(marked.image))
    assert replace(answer, hits=[]).figure().text == "no hits"


def test_a_picture_of_another_image_is_refused(answer: SearchAnswer, pair: PairAnswer) -> None:
    wide = np.zeros((96, 192, 3), np.uint8)
    hit = answer.hits[0]
    refused = "192x96 pixels, and the image is 96x192"
    with pytest.raises(RequestError, match=refused):
        hit.overlay(wide)
    with pytest.raises(RequestError, match=refused):
        answer.figure(wide)
    with pytest.raises(RequestError, match=refused):
        pair.figure(wide, wide)
    with pytest.raises(RequestError, match="thumbnails=True"):
        replace(hit, thumbnail=b"").overlay()
    with pytest.raises(RequestError, match="2 pictures; the search had 1"):
        answer.figure([wide, wide])
    with pytest.raises(RequestError, match="not a picture"):
        hit.overlay(b"text")


def test_a_figure_of_a_pair_marks_the_regions_of_its_maps(
    partlens_server: RunningServer, person: TestImage, pair: PairAnswer
) -> None:
    other, hat = partlens_server.images[0].path, person.parts["hat"]
    figure = pair.figure(person.path, other, query_regions=hat, retrieved_regions=[Point(40, 20)])
    for partial in pair.partial_maps:
        total = partial.map.sums.sum + partial.constant
        assert f"{total:+.4f}" in figure.text
    assert pair.figure(person.path, other).text == figure.text
    with pytest.raises(RequestError, match=r"is 1, .* is 2: give the regions"):
        pair.figure(person.path, other, query_regions=hat)
    assert f"{pair.similarity:.4f}" in pair._repr_html_()


def test_notebooks_show_answers_and_escape_what_others_wrote(answer: SearchAnswer) -> None:
    shown = answer._repr_html_()
    assert "data:image/png" in shown and answer.hits[0].id in shown
    assert "data:image/png" in answer.hits[0]._repr_html_()
    evil = "<img src=x onerror=alert(1)>"
    hits = [replace(one, id=evil) for one in answer.hits]
    for thumbnail in (hits[0].thumbnail, b""):
        bad = replace(answer, hits=[replace(one, thumbnail=thumbnail) for one in hits])
        for page in (bad._repr_html_(), bad.hits[0]._repr_html_()):
            assert "<img src=x" not in page and html.escape(evil) in page
    assert "no hits" in replace(answer, hits=[])._repr_html_()
    assert len(repr(answer)) < 200 and answer.hits[0].id in repr(answer)


def test_a_table_of_pandas_has_a_row_per_hit(answer: SearchAnswer) -> None:
    table = answer.to_pandas()
    assert list(table["id"]) == [one.id for one in answer.hits]
    assert list(table["score"]) == [one.score for one in answer.hits]
    for number, hit in enumerate(answer.hits):
        line, known = table.iloc[number], hit.image.metadata
        assert Box(line["x"], line["y"], line["width"], line["height"]) == hit.box
        assert line["captured_at"] == known.captured_at and line["camera"] == known.camera
        assert line["attribute:hat"] == known.attributes["hat"]
    empty = replace(answer, hits=[]).to_pandas()
    assert not len(empty) and set(empty.columns) <= set(table.columns)
    lost = replace(answer.hits[0], image=replace(answer.hits[0].image, metadata=Metadata()))
    without = replace(answer, hits=[lost, *answer.hits[1:]]).to_pandas()
    assert without["captured_at"].isna().tolist() == [True] + [False] * (len(answer.hits) - 1)


def test_the_colours_of_a_report_are_there_for_own_figures() -> None:
    values = np.array([[-2.0, -1.0, 0.0, 0.5, 1.0]])
    rgba = colours(values, 1.0)
    assert [tuple(int(n) for n in one) for one in rgba[0, :, :3]] == [NEGATIVE] * 2 + [POSITIVE] * 3
    opacity = rgba[0, :, 3].astype(int)
    assert opacity[0] == opacity[1] == opacity[4] > opacity[3] > opacity[2] == 0
    assert abs(opacity[3] * 2 - opacity[4]) <= 1
    assert Scale.of().strongest == 0


def test_what_is_not_installed_is_named(partlens_server: RunningServer, person: TestImage) -> None:
    program = (
        "import sys; sys.modules['PIL'] = sys.modules['pandas'] = None\n"
        "from partlens.client import Box, Client, MissingLibraryError\n"
        f"with Client({partlens_server.target!r}) as client:\n"
        f"    picture = {str(person.path)!r}\n"
        "    answer = client.search_regions(picture, Box(9, 9, 30, 30), thumbnails=True)\n"
        "for draw in (answer.figure, answer.hits[0].overlay, answer.to_pandas):\n"
        "    try: draw()\n"
        "    except MissingLibraryError as error: print(error)\n"
        "assert answer.hits[0].id in answer._repr_html_()\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.count("partlens[cli]") == 2, done.stderr
    assert 'pip install "partlens[pandas]"' in done.stdout and not done.returncode, done.stderr
