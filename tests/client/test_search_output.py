"""What `partlens search` says of its hits, or of their absence."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from served import Served, picture, serving

from partlens.cli.main import main
from partlens.client import Client, Upload
from partlens.common.metadata import Metadata
from partlens.common.moments import read_moment
from partlens.common.tables import shortened

LONG = "archive/" + 30 * "street-" + "000017.png"
NOON = read_moment("2026-05-01T12:00:00Z")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        with Client(running.target) as client:
            client.delete_images([f"{i:02}" for i in range(30)])
            hats = ("red", "blue", "")
            for i, hat in enumerate(hats):
                of = {"hat": hat, "coat": "grey"} if hat else {"coat": "grey"}
                known = Metadata("ab"[i % 2], f"t{i}", NOON, of)
                client.upsert_image(Upload(f"{i}-{LONG}", picture(i), metadata=known))
        yield running


def search(served: Served, *arguments: str, columns: str = "") -> Result:
    asked = ["search", "--gallery-id", f"0-{LONG}", "--region", "5,5,15,15", *arguments]
    environment = {"COLUMNS": columns or None}
    return CliRunner().invoke(main, [*asked, "--server", served.target], env=environment)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--camera", "ab"), "no image passes the filter camera = ab; cameras are a, b"),
        (("--where", "camera = ab and hat"), "cameras are a, b"),
        (("--track", "x"), "no image passes the filter track = x; tracks are t0, t1, t2"),
        (("--attribute", "hat=green"), "values of hat are blue, red"),
        (("--exclude-camera", "a", "--exclude-camera", "b"), "cameras are a, b"),
        (("--captured-after", "2026-06-01"), "captured from 2026-05-01T12:00:00+00:00 to"),
        (("--camera", "b", "--track", "t0"), "none of the 3 images meets all conditions together"),
        (("--exclude-identical", "--track", "t0"), "(1) was left out as identical"),
    ],
)
def test_a_search_that_finds_nothing_says_what_there_is(
    served: Served, options: tuple[str, ...], reason: str
) -> None:
    result = search(served, *options)
    assert result.exit_code == 0 and reason in result.stderr, result.output
    assert json.loads(search(served, *options, "--json").stdout)["hits"] == []


def test_an_unknown_attribute_names_those_that_exist(served: Served) -> None:
    result = search(served, "--attribute", "hta=red")
    assert result.exit_code == 6 and "'coat'" in result.stderr and "'hat'" in result.stderr


def test_attributes_are_shown_where_they_differ(served: Served) -> None:
    whole = search(served).stdout
    header = next(line for line in whole.splitlines() if "score" in line)
    assert [name in header for name in ("hat", "coat", "camera", "track")] == [
        True, False, True, True,
    ]  # fmt: skip
    assert "hat" not in search(served, "--attribute", "hat=red").stdout


def test_long_ids_are_shortened_on_a_terminal_and_whole_elsewhere(served: Served) -> None:
    narrow = search(served, columns="90").stdout
    rows = [line for line in narrow.splitlines() if line.startswith("│")]
    assert len(rows) == 3 and all("…" in row and "17.png" in row for row in rows), narrow
    assert all(cell_len(line) <= 90 for line in narrow.splitlines() if line[:1] in "│┏┡└")
    assert f"1-{LONG}" in search(served).stdout
    found = json.loads(search(served, "--json", columns="90").stdout)
    assert {hit["id"] for hit in found["hits"]} == {f"{i}-{LONG}" for i in range(3)}


def test_a_score_above_1_is_explained(served: Served) -> None:
    explained = "sum of two similarities"
    assert explained in search(served).stderr  # the query itself is among the hits
    assert explained not in search(served, "--score", "part").stderr


@given(st.text("ab日é", max_size=40), st.integers(0, 45))
def test_a_shortened_name_fits_and_keeps_its_ends(text: str, width: int) -> None:
    short = shortened(text, width, "…")
    assert cell_len(short) <= width
    if cell_len(text) <= width:
        assert short == text
    elif width >= 8 and "日" not in text:
        head, tail = short.split("…")
        assert text.startswith(head) and text.endswith(tail) and len(tail) >= len(head)
