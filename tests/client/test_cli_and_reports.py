"""`partlens search` and `partlens explain` against a real server, and what they write."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image
from served import Served, picture

from partlens.client.answers import ActivationMap
from partlens.client.cli.main import main
from partlens.client.questions import Box
from partlens.client.report.overlay import NEGATIVE, POSITIVE, colours, upsample


@pytest.fixture
def query(tmp_path: Path) -> Path:
    path = tmp_path / "query <&>.png"
    path.write_bytes(picture(3))
    return path


def partlens(served: Served | None, *arguments: object) -> Result:
    server = ["--server", served.target] if served else []
    return CliRunner().invoke(main, [*(str(argument) for argument in arguments), *server])


class Page(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[Image.Image] = []
        self.without_text = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag != "script"
        if tag == "img":
            self.without_text += not given.get("alt")
            kind, _, data = (given["src"] or "").partition(",")
            assert kind == "data:image/jpeg;base64"
            self.pictures.append(Image.open(io.BytesIO(base64.b64decode(data))))
        elif given.get("src") or given.get("href"):
            self.links.append(str(given))


def test_search_prints_a_table_json_and_a_page(served: Served, query: Path, tmp_path: Path) -> None:
    region = ("--region", "7.5,5.5,15,11", "--exclude", "0,0,8,8", "--top", 5)
    table = partlens(served, "search", query, *region)
    assert table.exit_code == 0, table.output
    assert len(re.findall(r"│ \d+ +│ \d\d ", table.stdout)) == 5
    page = tmp_path / "page.html"
    result = partlens(served, "search", query, *region, "--json", "--report", page)
    found = json.loads(result.stdout)
    assert len(found["hits"]) == 5
    for hit in found["hits"]:
        assert hit["score"] == pytest.approx(np.sum(hit["map"]) + hit["constant"], abs=1e-4)
    parsed = Page(page.read_text())
    assert len(parsed.pictures) == 1 + 2 * 5 and not parsed.without_text and not parsed.links
    assert "http" not in re.sub(r"base64,[^\"]+", "", page.read_text())
    for hit in found["hits"]:
        assert f"score {hit['score']:.4f}" in page.read_text()


def test_explain_prints_terms_and_a_page(served: Served, query: Path, tmp_path: Path) -> None:
    other, page = tmp_path / "b.png", tmp_path / "pair.html"
    other.write_bytes(picture(4, 60, 40))
    both = ("explain", query, other, "--point", "5,6", "--region", "0,0,30,44")
    result = partlens(served, *both, "--json", "--report", page)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["similarity"] == pytest.approx(sum(found["terms"].values()), abs=1e-5)
    assert len(found["partial_maps"]) == 2
    parsed = Page(page.read_text())
    assert len(parsed.pictures) == 2 + 4 + 2 * 2 and not parsed.without_text
    assert "cosine similarity" in partlens(served, *both).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "at least one --region"),
        (("--region", "1,2,3"), "'1,2,3' is not x,y,w,h"),
        (("--region", "1,2,0,4"), "w and h above 0"),
        (("--region", "a,b,c,d"), "is not x,y,w,h"),
        (("--polygon", "1,2,3,4"), "at least 3 corners"),
        (("--region", "1,2,3,4", "--weight", "1", "--weight", "2"), "1 regions need 1 --weight"),
        (("--region", "1,2,3,4", "--attribute", "hat"), "is not NAME=VALUE"),
    ],
)
def test_wrong_arguments_are_named(query: Path, arguments: tuple[str, ...], message: str) -> None:
    result = partlens(None, "search", query, *arguments)
    assert result.exit_code == 2 and message in re.sub(r"\s+", " ", result.output)


def test_what_the_server_refuses_is_one_line(served: Served, query: Path, tmp_path: Path) -> None:
    outside = partlens(served, "search", query, "--region", "900,0,5,5")
    assert outside.exit_code == 1 and outside.output.startswith("Error: regions[0]")
    nowhere = partlens(served, "search", tmp_path / "none.jpg", "--region", "0,0,5,5")
    assert nowhere.exit_code == 1 and "No such file" in nowhere.output
    unserved = CliRunner().invoke(
        main, ["search", str(query), "--region", "0,0,5,5", "--server", "127.0.0.1:1"]
    )
    assert (
        unserved.exit_code == 1 and "no partlens server answers at 127.0.0.1:1" in unserved.output
    )


def test_commands_of_every_part_are_listed() -> None:
    listed = CliRunner().invoke(main, ["--help"]).output
    for name in ("search", "explain", "index", "serve", "doctor", "model", "starter"):
        assert re.search(rf"^  {name} ", listed, re.MULTILINE), name


numbers = st.floats(-1, 1, width=32)


@given(arrays.arrays(np.float32, (5, 4), elements=numbers), st.floats(1e-3, 1))
def test_colours_say_the_sign_and_are_clear_at_zero(
    values: NDArray[np.float32], scale: float
) -> None:
    painted = colours(values, scale)
    assert (painted[values > 0][:, :3] == POSITIVE).all()
    assert (painted[values < 0][:, :3] == NEGATIVE).all()
    assert (painted[values == 0][:, 3] == 0).all()
    np.testing.assert_array_equal(painted[..., 3], colours(-values, scale)[..., 3])


@given(arrays.arrays(np.float32, (3, 2), elements=numbers))
def test_upsampling_keeps_limits_and_cell_centres(values: NDArray[np.float32]) -> None:
    large = upsample(ActivationMap(values, Box(0, 0, 20, 30)), 20, 30)
    assert large.min() >= values.min() - 1e-6 and large.max() <= values.max() + 1e-6
    beside = upsample(ActivationMap(values, Box(20, 0, 20, 30)), 40, 30)
    assert not beside[:, :20].any()
    np.testing.assert_allclose(beside[:, 20:], large, atol=1e-6)
