"""`partlens search` and `partlens explain` against a real server, and what they write."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from made_reports import Page, search_page
from numpy.typing import NDArray
from PIL import Image
from served import Served, picture, serving

from partlens.cli.main import main
from partlens.client import Client, Upload
from partlens.client.answers import GalleryImage
from partlens.client.cli.arguments import warn_of_bias
from partlens.client.questions import QueryRegion
from partlens.client.search_answers import Hit, Query, SearchAnswer
from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.palette import NEGATIVE, POSITIVE, colours
from partlens.common.drawing.scale import Scale
from partlens.common.metadata import Metadata
from partlens.common.regions import Box, Mask, Point, Polygon
from partlens.common.registration import Axis, Registration
from partlens.explainer.images import decode
from partlens.explainer.model import read_spec

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def seen(width: int, height: int) -> Query:
    """A query image that a model with a 2x2 grid sees whole."""
    extent = Box(0, 0, width, height)
    return Query("q", width, height, (2, 2), extent, Registration.nominal((2, 2)))


@pytest.fixture
def query(tmp_path: Path) -> Path:
    path = tmp_path / "query <&>.png"
    path.write_bytes(picture(3))
    return path


def partlens(served: Served | None, *arguments: object) -> Result:
    server = ["--server", served.target] if served else []
    return CliRunner().invoke(main, [*(str(argument) for argument in arguments), *server])


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
    assert "http:" not in page.read_text() and "https" not in re.sub(
        r"base64,[^\"]+", "", page.read_text()
    )
    for hit in found["hits"]:
        assert f"<td>{hit['score']:.4f}</td>" in page.read_text()
    assert 'Query: <bdi class="name">query &lt;&amp;&gt;.png</bdi>' in page.read_text()


def test_a_report_of_a_pair_names_both_images(served: Served, query: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = partlens(served, "explain", query, "--gallery-id", "01", "--report", page)
    assert result.exit_code == 0, result.output
    assert '<h3>Query: <bdi class="name">query &lt;&amp;&gt;.png</bdi>' in page.read_text()
    assert '<h3>Retrieved: <bdi class="name">01</bdi>' in page.read_text()


def test_a_name_that_is_not_utf8_can_be_reported(served: Served, tmp_path: Path) -> None:
    file, page = tmp_path / os.fsdecode(b"caf\xe9.png"), tmp_path / "page.html"
    file.write_bytes(picture(3))
    result = partlens(served, "search", file, "--region", "7,5,15,11", "--report", page)
    assert result.exit_code == 0, result.output
    assert "caf\ufffd.png" in page.read_text()


def test_a_search_without_hits_says_why(served: Served, query: Path) -> None:
    result = partlens(served, "search", query, "--region", "7,5,15,11", "--camera", "nowhere")
    assert result.exit_code == 0
    assert "nothing found: no image passes the filter camera = nowhere" in result.stderr
    found = partlens(served, "search", query, "--region", "7,5,15,11")
    assert "nothing found" not in found.stderr


def test_images_are_listed_in_order(served: Served) -> None:
    listed = partlens(served, "images", "list")
    assert listed.exit_code == 0, listed.output
    ids = listed.stdout.splitlines()
    plain = [
        json.loads(line)
        for line in partlens(served, "images", "list", "--json").stdout.splitlines()
    ]
    with Client(served.target) as client:
        held = list(client.list_images(page_size=7))
    assert ids == sorted(ids) == [one.id for one in held] == [one["id"] for one in plain]
    assert [one["camera"] for one in plain] == [one.metadata.camera for one in held]
    some = partlens(served, "images", "list", "--id", "03", "--id", "01", "--id", "nobody")
    assert some.stdout.splitlines() == ["01", "03"]
    begin = partlens(served, "images", "list", "--prefix", "1")
    assert begin.stdout.splitlines() == [id for id in ids if id[0] == "1"] != []
    for options, why in (
        (("--prefix", "no such"), f"none of the {len(ids)} images has an id that begins with 'no"),
        (("--prefix", "0", "--camera", "nowhere"), "no image passes the filter camera = nowhere"),
    ):
        nothing = partlens(served, "images", "list", *options)
        assert nothing.exit_code == 0 and nothing.stdout == "" and why in nothing.stderr
    one = partlens(served, "search", "--gallery-id", "05", "--whole", "--id", "07", "--json")
    assert [hit["id"] for hit in json.loads(one.stdout)["hits"]] == ["07"]


def test_images_are_counted_and_their_pictures_saved(served: Served, tmp_path: Path) -> None:
    counted = partlens(served, "images", "count", "--exclude-id", "00")
    assert counted.exit_code == 0 and counted.stdout.startswith("29 images\n"), counted.output
    with Client(served.target) as client:
        for i, label in enumerate(["ab", "a", "ab", "c"]):
            known = Metadata("gate", captured_at=NOON, attributes={"label": label})
            client.upsert_image(Upload(f"new{i}", picture(i), metadata=known))
        try:
            shown = partlens(served, "images", "count", "--camera", "gate", "--values", "1")
            plain = partlens(served, "images", "count", "--camera", "gate", "--json")
        finally:
            client.delete_images([f"new{i}" for i in range(4)])
    assert f"4 images, {NOON.isoformat()} to {NOON.isoformat()}" in shown.stdout
    assert re.search(r"ab +│ +2 │\n.*2 more values\) │ +2 ", shown.stdout), shown.stdout
    found = json.loads(plain.stdout)
    assert found["attributes"] == [
        {"name": "label", "values": {"ab": 2, "a": 1, "c": 1}, "distinct": 3, "unknown": 0}
    ]
    saved = partlens(served, "images", "picture", "01", tmp_path / "a.jpg")
    assert saved.exit_code == 5 and "server.originals" in saved.output
    assert not (tmp_path / "a.jpg").exists()


def test_a_page_shows_sums_that_add_up_to_the_score(
    served: Served, query: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert partlens(served, "search", query, "--region", "0,0,20,20", "--report", page).stdout
    tables = re.findall(r'<table class="sum">(.*?)</table>', page.read_text(), re.DOTALL)
    assert len(tables) == 20
    for table in tables:
        red, blue, constant, score = map(float, re.findall(r"<td>([-+.\d]+)</td>", table))
        assert red >= 0 >= blue
        assert red + blue + constant == pytest.approx(score, abs=3e-4)


def test_regions_lie_on_several_images_and_weigh(served: Served, query: Path) -> None:
    images = (query, "--gallery-id", "05")
    heavy = ("--region", "2:7.5,5.5,15,11@100", "--region", "0,0,30,44")
    found = partlens(served, "search", *images, *heavy, "--score", "part", "--json")
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert len(answer["query_ids"]) == 2
    assert answer["hits"][0]["id"] == "05"
    again = partlens(
        served, "search", "--query-id", answer["query_ids"][1], "--region", "7.5,5.5,15,11",
        "--score", "part", "--json",
    )  # fmt: skip
    assert json.loads(again.stdout)["hits"][0]["id"] == "05"


def test_a_mask_is_the_box_that_it_covers(served: Served, query: Path, tmp_path: Path) -> None:
    covered = np.zeros((44, 30), np.uint8)
    covered[11:33, 8:23] = 255
    Image.fromarray(covered).save(tmp_path / "mask.png")
    by_mask, by_box = (
        json.loads(partlens(served, "search", query, *region, "--json").stdout)["hits"]
        for region in (("--mask", tmp_path / "mask.png"), ("--region", "8,11,15,22"))
    )
    assert [hit["id"] for hit in by_mask] == [hit["id"] for hit in by_box]
    scores = [[hit["score"] for hit in hits] for hits in (by_mask, by_box)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_maps_are_chosen_and_pages_joined(served: Served, query: Path) -> None:
    region = ("--region", "0,0,20,20", "--json")
    asked = ("--map", "overall", "--map", "regions", "--top", 1000)
    answer = json.loads(partlens(served, "search", query, *region, *asked).stdout)
    assert len(answer["hits"]) == 30
    for hit in answer["hits"]:
        assert hit["map"] is None and len(hit["overall_maps"]) == len(hit["region_maps"]) == 1
    bare = json.loads(partlens(served, "search", query, *region, "--map", "none").stdout)
    assert not any(hit["map"] or hit["overall_maps"] for hit in bare["hits"])


def test_filters_reach_the_server(served: Served, query: Path) -> None:
    region = ("--region", "0,0,20,20", "--json", "--top", 30)

    def ids(*conditions: str) -> set[str]:
        found = partlens(served, "search", query, *region, *conditions)
        assert found.exit_code == 0, found.output
        return {hit["id"] for hit in json.loads(found.stdout)["hits"]}

    assert len(ids()) == 30
    assert ids("--exclude-id", "07", "--exclude-id", "08") == ids() - {"07", "08"}
    for condition in (
        ("--camera", "none"),
        ("--track", "none"),
        ("--captured-after", "2026-01-01"),
        ("--captured-before", "2026-01-01T10:00+02:00"),
    ):
        assert ids(*condition) == set()
    unknown = partlens(served, "search", query, *region, "--attribute", "hta=red")
    assert unknown.exit_code == 6 and "no image has an attribute 'hta'" in unknown.output
    assert ids("--where", "id in (07, 08) and not id = 08") == {"07"}


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
    assert len(parsed.pictures) == 2 + 4 + 2 * 2 and not parsed.without_text and not parsed.links
    share = read_spec(served.model).bias_share
    assert found["bias_share"] == share
    shown = partlens(served, *both)
    assert "cosine similarity" in shown.stdout
    assert ("warning" in shown.stderr) == (share > 0.5)


@pytest.mark.parametrize(
    ("share", "warned"), [(0.0, False), (0.5, False), (0.51, True), (3.5, True)]
)
def test_a_model_that_is_mostly_bias_is_warned_of(
    share: float, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the terminal and on the page, with what it means and what to do."""
    warn_of_bias(share)
    printed = capsys.readouterr().err
    answer = SearchAnswer([], "", [seen(30, 44)], 1)
    page = search_page(answer, [picture(1)], [], bias_share=share)
    for text in (printed, page):
        assert ("maps explain only the rest of a similarity" in text) == warned
        assert ("partlens model suggest" in text) == warned


def test_regions_of_either_image_are_explained(served: Served, tmp_path: Path) -> None:
    page = tmp_path / "pair.html"
    result = partlens(
        served, "explain", "--gallery-id", "01", "--gallery-id", "02", "--region", "0,0,30,44",
        "--region", "2:0,0,30,44", "--json", "--report", page,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [one["side"] for one in found["partial_maps"]] == ["retrieved", "query"]
    terms = found["terms"]
    for one, other_bias in zip(
        found["partial_maps"], (terms["position_bias"], terms["bias_position"]), strict=True
    ):
        share = terms["position_position"] + other_bias
        assert np.sum(one["map"]) + one["constant"] == pytest.approx(share, abs=1e-4)
    assert "picture not available" not in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.png",), "1 images given; give exactly two"),
        (("a.png", "a.png", "a.png"), "3 images given"),
        (("a.png", "a.png", "--region", "3:1,2,3,4"), "lies on image 3"),
        (("a.png", "a.png", "--region", "1,2,3,4@2"), "takes no @WEIGHT"),
    ],
)
def test_wrong_pairs_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(picture(1))
    result = partlens(None, "explain", *arguments)
    assert result.exit_code == 2 and message in re.sub(r"[\s│]+", " ", result.output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "at least one --region"),
        (("--region", "1,2,3"), "'1,2,3' is not x,y,w,h"),
        (("--region", "1,2,0,4"), "w and h above 0"),
        (("--region", "a,b,c,d"), "is not x,y,w,h"),
        (("--polygon", "1,2,3,4"), "at least 3 corners"),
        (("--region", "1,2,3,4@x"), "is not x,y,w,h"),
        (("--region", "2:1,2,3,4"), "lies on image 2"),
        (("--region", "0:1,2,3,4"), "lies on image 0"),
        (("--mask", "none.png"), "is not a readable picture"),
        (("--region", "1,2,3,4", "--captured-after", "noon"), "is not a time"),
        (
            ("--region", "1,2,3,4", "--captured-before", "9999-12-31T23:59:59-05:00"),
            "outside the years 1 to 9999",
        ),
        (("--region", "1,2,3,4", "--captured-after", "1777000000000"), "in any order; write"),
        (("--region", "1,2,3,4", "--captured-before", "20260501"), "in any order; write"),
        (
            ("--region", "1,2,3,4", "--attribute", "hat=cap", "--attribute", "hat=none"),
            "--attribute hat is given as 'cap' and 'none'",
        ),
        (("--region", "1,2,3,4", "--attribute", "hat"), "is not NAME=VALUE"),
    ],
)
def test_wrong_arguments_are_named(query: Path, arguments: tuple[str, ...], message: str) -> None:
    result = partlens(None, "search", query, *arguments)
    assert result.exit_code == 2 and message in re.sub(r"[\s│]+", " ", result.output)


def test_only_regular_files_are_opened(query: Path, tmp_path: Path) -> None:
    """Opening a FIFO would wait for a writer; reading /dev/zero would never end."""
    fifo, zero = tmp_path / "fifo.png", tmp_path / "zero.png"
    os.mkfifo(fifo)
    zero.symlink_to("/dev/zero")
    for path in (fifo, zero):
        result = partlens(None, "search", path, "--region", "1,2,3,4")
        assert result.exit_code == 1 and "not a regular file" in result.output
        result = partlens(None, "search", query, "--mask", path)
        assert result.exit_code == 2 and "not a regular file" in " ".join(result.output.split())


def test_ctrl_c_ends_a_search_that_nobody_answers(query: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        code = "from partlens.cli.main import main; main()"
        asked = ["search", str(query), "--region", "1,2,3,4", "--server", server]
        with subprocess.Popen([sys.executable, "-c", code, *asked]) as child:
            try:
                silent.settimeout(60)
                connection, _ = silent.accept()  # so it is waiting for the answer
                child.send_signal(signal.SIGINT)
                assert child.wait(60) == 130
                connection.close()
            finally:
                child.kill()


def test_what_the_server_refuses_is_one_line(served: Served, query: Path, tmp_path: Path) -> None:
    outside = partlens(served, "search", query, "--region", "900,0,5,5")
    assert outside.exit_code == 6 and outside.output.startswith("Error: regions[0]")
    nowhere = partlens(served, "search", tmp_path / "none.jpg", "--region", "0,0,5,5")
    assert nowhere.exit_code == 6 and "No such file" in nowhere.output
    unserved = CliRunner().invoke(
        main, ["search", str(query), "--region", "0,0,5,5", "--server", "127.0.0.1:1"]
    )
    assert (
        unserved.exit_code == 3 and "no partlens server answers at 127.0.0.1:1" in unserved.output
    )


def test_a_search_is_saved_listed_watched_and_deleted(
    served: Served, query: Path, tmp_path: Path
) -> None:
    region = ("--region", "7.5,5.5,15,11", "--score", "part")
    asked = ("--threshold", 0.5, "--name", "hats", "--camera", "standing-a")
    id, other = (
        partlens(served, "standing", "create", query, *region, *asked).stdout.strip() for _ in "ab"
    )
    assert id != other
    listed = json.loads(partlens(served, "standing", "list", "--json").stdout)
    assert [(one["id"], one["name"], one["threshold"]) for one in listed] == [
        (id, "hats", 0.5),
        (other, "hats", 0.5),
    ]
    assert id in partlens(served, "standing", "list").stdout
    pictures = [
        Upload(f"{camera}/1", query.read_bytes(), metadata=Metadata(camera=camera))
        for camera in ("standing-b", "standing-a")
    ]
    after = ("--after-revision", listed[0]["created_revision"])
    reports = tmp_path / "reports"
    try:
        with Client(served.target) as client:
            assert all(one.committed for one in client.upsert_images(pictures, deadline=20))
        watched = partlens(
            served, "standing", "watch", id, *after, "--count", 1, "--json", "--reports", reports
        )
        both = partlens(served, "standing", "watch", *after, "--count", 2).stdout.splitlines()
    finally:
        with Client(served.target) as client:
            client.delete_images([one.id for one in pictures])
    match = json.loads(watched.stdout)
    assert (match["standing_query_id"], match["standing_query_name"]) == (id, "hats")
    hit = match["hit"]
    assert (hit["id"], hit["camera"]) == ("standing-a/1", "standing-a")
    assert hit["score"] == pytest.approx(np.sum(hit["map"]) + hit["constant"], abs=1e-5)
    for line in both:
        assert line.startswith(f"hats  standing-a/1  {hit['score']:.4f}  box ")
        assert line.endswith("  standing-a")
    (page,) = reports.iterdir()
    shown = Page(page.read_text())
    assert len(shown.pictures) == 2 and not shown.without_text and not shown.links
    assert f"<td>{hit['score']:.4f}</td>" in page.read_text()
    assert page.absolute().as_uri() in watched.stderr
    assert partlens(served, "standing", "pause", id, other).exit_code == 0
    assert partlens(served, "standing", "resume", other).exit_code == 0
    words = ("--name", "shoes", "--threshold", "-0.25")
    assert partlens(served, "standing", "update", other, *words).exit_code == 0
    listed = json.loads(partlens(served, "standing", "list", "--json").stdout)
    assert [(one["name"], one["threshold"], one["paused"]) for one in listed] == [
        ("hats", 0.5, True),
        ("shoes", -0.25, False),
    ]
    states = partlens(served, "standing", "list").stdout.splitlines()
    assert [word in line for line in states for word in ("paused", "active") if "s-" in line] == [
        True, False, False, True,
    ]  # fmt: skip
    nothing = partlens(served, "standing", "update", id)
    assert nothing.exit_code == 2 and "give --name or --threshold" in nothing.output
    unknown = partlens(served, "standing", "pause", "s-0123456789abcdef")
    assert unknown.exit_code == 5 and "no standing query" in unknown.output
    assert partlens(served, "standing", "delete", id, other).exit_code == 0
    assert json.loads(partlens(served, "standing", "list", "--json").stdout) == []
    gone = partlens(served, "standing", "watch", id)
    assert gone.exit_code == 5 and "no standing query" in gone.output


def test_a_watch_that_is_cut_off_says_how_to_miss_nothing(query: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        region = ("--region", "0,0,30,44", "--threshold", -9, "--name", "all")
        assert partlens(running, "standing", "create", query, *region).exit_code == 0
        with Client(running.target) as client:
            assert all(one.committed for one in client.upsert_images([Upload("new", picture(1))]))
        watch = ["standing", "watch", "--after-revision", "0", "--server", running.target]
        run = "from partlens.cli.main import main; main()"
        watching = subprocess.Popen(
            [sys.executable, "-c", run, *watch], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            assert watching.stdout is not None
            assert watching.stdout.readline().startswith(b"all  new  ")
        except BaseException:
            watching.kill()
            watching.communicate()
            raise
    _, said = watching.communicate(timeout=30)
    assert watching.returncode == 3
    assert re.search(rb"resume with --after-revision \d+", said), said


def test_commands_of_every_part_are_listed() -> None:
    listed = CliRunner().invoke(main, ["--help"]).output
    for name in ("search", "explain", "index", "serve", "doctor", "model", "starter", "bench"):
        assert re.search(rf"^  {name} ", listed, re.MULTILINE), name


def test_every_command_that_a_part_names_can_be_loaded() -> None:
    for above in ([], ["bench"]):
        listed = CliRunner().invoke(main, [*above, "--help"]).output
        names = re.findall(r"^  ([a-z]+) ", listed.partition("Commands:")[2], re.MULTILINE)
        assert names
        for name in names:
            helped = CliRunner().invoke(main, [*above, name, "--help"])
            assert helped.exit_code == 0 and "not installed" not in helped.output, name


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
    even = Registration.nominal((3, 2))
    large = ActivationMap(values, Box(0, 0, 20, 30), even).upsampled(20, 30)
    assert large.min() >= values.min() - 1e-6 and large.max() <= values.max() + 1e-6
    beside = ActivationMap(values, Box(20, 0, 20, 30), even).upsampled(40, 30)
    assert not beside[:, :20].any()
    np.testing.assert_allclose(beside[:, 20:], large, atol=1e-6)


@given(arrays.arrays(np.float32, (3, 2), elements=numbers))
def test_a_map_is_drawn_at_the_centres_of_its_cells(values: NDArray[np.float32]) -> None:
    looks = Registration(Axis((0.25, 0.35, 0.75)), Axis((0.125, 0.625)))
    large = ActivationMap(values, Box(100, 50, 400, 200), looks).upsampled(600, 300)
    at = np.ix_([50 + 50, 50 + 70, 50 + 150], [100 + 50, 100 + 250])
    # Centres lie between two pixels.
    np.testing.assert_allclose(large[at], values, atol=0.06)
    halfway = large[50 + 50, 100 + 150]
    assert halfway == pytest.approx(values[0].mean(), abs=0.06)


def test_a_map_without_a_centre_for_each_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\) needs a centre"):
        ActivationMap(np.zeros((3, 2), np.float32), Box(0, 0, 1, 1), Registration.nominal((2, 3)))


@given(arrays.arrays(np.float32, (4, 4), elements=numbers))
def test_one_scale_holds_all_maps(values: NDArray[np.float32]) -> None:
    a, b = (
        ActivationMap(part, Box(0, 0, 4, 2), Registration.nominal((2, 4)))
        for part in (values[:2], values[2:])
    )
    scale = Scale.of(a, None, b)
    assert scale.largest == np.abs(values).max()
    assert 0 <= scale.strongest <= scale.largest
    assert (scale.strongest > 0) == values.any()


SHAPES = ((1600, 200), (200, 1600), (8000, 10), (5, 5))


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("thumbnail", [b"", b"\xff\xd8 cut short", picture(1)])
def test_a_page_shows_any_shape_with_any_thumbnail(size: tuple[int, int], thumbnail: bytes) -> None:
    width, height = size
    box = Box(0, 0, width, height)
    image = GalleryImage("<i>" + "a/" * 200, "", "", width, height, Metadata("<b>"))
    map = ActivationMap(np.full((2, 2), -0.5, np.float32), box, Registration.nominal((2, 2)))
    hits = [
        Hit("<i>", -1.9, map, 0.1, box, image, thumbnail),
        Hit("bare", 0.2, None, 0.0, box, image, thumbnail),
    ]
    regions = [
        QueryRegion(Polygon(((0, 0), (width, 0), (0, height)))),
        QueryRegion(Point(1, 1), exclude=True),
        QueryRegion(Mask(np.ones((height, width), np.bool_)), weight=2),
    ]
    page = search_page(SearchAnswer(hits, "", [seen(width, height)], 1), [thumbnail], regions)
    assert len(Page(page).pictures) == 1 + 2 + 1
    assert page.count("(no thumbnail)") == (0 if thumbnail == picture(1) else 2)
    assert "<i>" not in page.replace('<i role="img"', "")


def deep_ramp() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 44 * 30).astype(np.uint16).reshape(44, 30)).save(
        out, "PNG"
    )
    return out.getvalue()


def half_transparent() -> bytes:
    pixels = np.zeros((44, 30, 4), np.uint8)
    pixels[22:, :, 3] = 255
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("data", [deep_ramp(), half_transparent(), picture(1)])
def test_a_page_shows_a_query_as_the_server_decodes_it(data: bytes) -> None:
    answer = SearchAnswer([], "", [seen(30, 44)], 1)
    (shown,) = Page(search_page(answer, [data], [])).pictures
    wanted = Image.fromarray(decode(data)).resize(shown.size, Image.Resampling.BICUBIC)
    # JPEG, in which the page holds it, changes a level here and there.
    assert np.abs(np.asarray(shown, np.int16) - np.asarray(wanted, np.int16)).mean() < 3


def test_a_page_says_why_a_query_is_not_shown() -> None:
    answer = SearchAnswer([], "", [seen(30, 44)], 1)
    assert "(picture not available)" in search_page(answer, [b""], [])
    assert "(not shown: the image is damaged" in search_page(answer, [picture(1)[:99]], [])


def test_copies_of_one_picture_are_found_in_order_of_id(served: Served, query: Path) -> None:
    """Whatever is asked for: the first of them by id."""
    copies = ["copy-c", "copy-e", "copy-a", "copy-d", "copy-b"]
    with Client(served.target) as client:
        for id in copies:
            assert all(one.committed for one in client.upsert_images([Upload(id, picture(77))]))
    try:
        asked = ("search", "--gallery-id", "copy-d", "--region", "0,0,30,44", "--json")
        for top in (1, 3, 5):
            found = json.loads(partlens(served, *asked, "--top", top).stdout)
            assert [hit["id"] for hit in found["hits"]] == sorted(copies)[:top]
    finally:
        with Client(served.target) as client:
            client.delete_images(copies)
